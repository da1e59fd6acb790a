#include "keyspace/types/list.h"

#include <limits>
#include <utility>

#include "base/memory.h"
#include "keyspace/types/list_chain.h"

namespace terrace::keyspace {

List::List() = default;
List::~List() = default;

List::List(const List& other)
    : pack_(other.chain_ != nullptr ? Listpack::Adopt(nullptr) : Listpack(other.pack_)),
      chain_(other.chain_ != nullptr ? std::make_unique<Chain>(*other.chain_) : nullptr) {}

std::string_view List::encoding() const { return chain_ == nullptr ? "listpack" : "quicklist"; }

size_t List::bytes() const {
  const size_t own = base::AllocationSize(sizeof(List));
  if (chain_ == nullptr) return own + pack_.heap_bytes();
  return own + base::AllocationSize(sizeof(Chain)) + chain_->heap_bytes();
}

size_t List::size() const { return chain_ == nullptr ? pack_.size() : chain_->size(); }

std::unique_ptr<Object> List::Clone() const { return std::unique_ptr<Object>(new List(*this)); }

size_t List::free_effort() const { return node_count(); }

size_t List::node_count() const { return chain_ == nullptr ? 1 : chain_->node_count(); }

const Listpack* List::PackAt(size_t node) const {
  if (chain_ == nullptr) return &pack_;
  return chain_->node(node).plain != nullptr ? nullptr : &chain_->node(node).pack;
}

List::Cursor List::Seek(int64_t index) const {
  const auto count = static_cast<int64_t>(size());
  if (index < 0) index += count;
  if (index < 0 || index >= count) return {};
  if (chain_ == nullptr) return {0, pack_.At(index)};
  return chain_->Seek(static_cast<size_t>(index));
}

List::Cursor List::Next(Cursor at) const {
  if (const Listpack* pack = PackAt(at.node)) {
    const Listpack::Position next = pack->Next(at.at);
    if (next != Listpack::kNone) return {at.node, next};
  }
  if (++at.node >= node_count()) return {};
  const Listpack* pack = PackAt(at.node);
  return {at.node, pack != nullptr ? pack->First() : kPlainPosition};
}

List::Cursor List::Previous(Cursor at) const {
  if (const Listpack* pack = PackAt(at.node)) {
    const Listpack::Position previous = pack->Previous(at.at);
    if (previous != Listpack::kNone) return {at.node, previous};
  }
  if (at.node-- == 0) return {};
  const Listpack* pack = PackAt(at.node);
  return {at.node, pack != nullptr ? pack->Last() : kPlainPosition};
}

List::Value List::Get(Cursor at) const {
  if (const Listpack* pack = PackAt(at.node)) return pack->Get(at.at);
  return {.text = *chain_->node(at.node).plain};
}

bool List::Equals(Cursor at, std::string_view text) const {
  if (const Listpack* pack = PackAt(at.node)) return pack->Equals(at.at, text);
  return *chain_->node(at.node).plain == text;
}

void List::MakeChain(const EncodingLimits& limits) {
  chain_ = std::make_unique<Chain>(ListNodeLimit(limits));
  if (!pack_.empty()) chain_->Append(Node(std::move(pack_)));
  pack_ = Listpack::Adopt(nullptr);
}

void List::MakeRoom(size_t added_bytes, size_t added_count, const EncodingLimits& limits) {
  if (chain_ != nullptr) return;
  const ListNodeLimit limit(limits);
  if (limit.Exceeds(pack_.total_bytes() + added_bytes, pack_.size() + added_count)) {
    MakeChain(limits);
  }
}

void List::ShrinkIfSmall(const EncodingLimits& limits, size_t divisor) {
  if (chain_ == nullptr || chain_->node_count() != 1) return;
  const Listpack* pack = PackAt(0);
  if (pack == nullptr) return;
  if (!ListNodeLimit(limits).AllowsOnePack(pack->total_bytes(), chain_->size(), divisor)) return;
  pack_ = chain_->TakeOnlyPack();
  chain_.reset();
}

void List::Push(ListEnd end, std::span<const std::string_view> values,
                const EncodingLimits& limits) {
  size_t bytes = 0;
  for (const std::string_view value : values) bytes += value.size();
  MakeRoom(bytes, values.size(), limits);
  for (const std::string_view value : values) {
    if (chain_ != nullptr) {
      chain_->Push(end, value);
    } else {
      pack_.Insert(end == ListEnd::kHead ? pack_.First() : Listpack::kNone, value);
    }
  }
}

void List::Push(ListEnd end, std::string_view value, const EncodingLimits& limits) {
  Push(end, std::span(&value, 1), limits);
}

bool List::Set(int64_t index, std::string_view value, const EncodingLimits& limits) {
  MakeRoom(value.size(), 1, limits);
  const Cursor at = Seek(index);
  if (!at.valid()) return false;
  if (chain_ != nullptr) {
    chain_->Replace(at, value);
    ShrinkIfSmall(limits, kShrinkDivisor);
  } else {
    pack_.Replace(at.at, value);
  }
  return true;
}

void List::Insert(Cursor at, ListSide side, std::string_view value, const EncodingLimits& limits) {
  // A listpack becomes the first node as it is, so that the cursor stays right.
  MakeRoom(value.size(), 1, limits);
  if (chain_ != nullptr) {
    chain_->Insert(at, side, value);
  } else {
    pack_.Insert(side == ListSide::kAfter ? pack_.Next(at.at) : at.at, value);
  }
}

void List::Erase(size_t start, size_t count, const EncodingLimits& limits) {
  if (count > 0 && start < size()) {
    if (chain_ == nullptr) {
      pack_.Erase(pack_.At(static_cast<int64_t>(start)), count);
    } else {
      chain_->EraseRange(chain_->Seek(start), count);
    }
  }
  ShrinkIfSmall(limits, kShrinkDivisor);
}

Listpack::Position List::EraseAt(Cursor at) {
  return chain_ == nullptr ? pack_.Erase(at.at) : chain_->EraseAt(at);
}

size_t List::RemoveForward(size_t count_max, std::string_view value) {
  size_t removed = 0;
  for (size_t node = 0; node < node_count() && removed < count_max; ++node) {
    const Listpack* pack = PackAt(node);
    if (pack == nullptr) {
      if (!Equals({node, kPlainPosition}, value)) continue;
      EraseAt({node, kPlainPosition});
      ++removed;
      continue;
    }
    Listpack::Position at = pack->Find(pack->First(), value, 0);
    while (at != Listpack::kNone && removed < count_max) {
      at = pack->Find(EraseAt({node, at}), value, 0);
      ++removed;
    }
  }
  return removed;
}

size_t List::RemoveBackward(size_t count_max, std::string_view value) {
  size_t removed = 0;
  for (size_t node = node_count(); node-- > 0 && removed < count_max;) {
    const Listpack* pack = PackAt(node);
    if (pack == nullptr) {
      if (!Equals({node, kPlainPosition}, value)) continue;
      EraseAt({node, kPlainPosition});
      ++removed;
      continue;
    }
    Listpack::Position at = pack->Last();
    while (at != Listpack::kNone && removed < count_max) {
      if (!pack->Equals(at, value)) {
        at = pack->Previous(at);
        continue;
      }
      const Listpack::Position next = EraseAt({node, at});
      at = next == Listpack::kNone ? pack->Last() : pack->Previous(next);
      ++removed;
    }
  }
  return removed;
}

size_t List::Remove(int64_t count, std::string_view value, const EncodingLimits& limits) {
  const uint64_t count_max = count == 0  ? std::numeric_limits<size_t>::max()
                             : count > 0 ? static_cast<uint64_t>(count)
                                         : 0 - static_cast<uint64_t>(count);
  const size_t removed =
      count < 0 ? RemoveBackward(count_max, value) : RemoveForward(count_max, value);
  if (removed > 0 && chain_ != nullptr) {
    chain_->DropEmptyNodes();
    ShrinkIfSmall(limits, kShrinkDivisor);
  }
  return removed;
}

void List::AppendNode(Listpack node, const EncodingLimits& limits) {
  if (chain_ == nullptr) MakeChain(limits);
  chain_->Append(Node(std::move(node)));
}

void List::AppendPlainNode(std::string_view element, const EncodingLimits& limits) {
  if (chain_ == nullptr) MakeChain(limits);
  chain_->Append(Node(element));
}

void List::FinishLoading(const EncodingLimits& limits) {
  if (chain_ == nullptr) {
    MakeRoom(0, 0, limits);
  } else {
    ShrinkIfSmall(limits, 1);
  }
}

}  // namespace terrace::keyspace
