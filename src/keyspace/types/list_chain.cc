#include "keyspace/types/list_chain.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/background.h"
#include "base/check.h"
#include "base/memory.h"

namespace terrace::keyspace {
namespace {

constexpr uint32_t kCountedNodeBytesMax = 8192;  // where the limit is a count
constexpr uint32_t kSmallestNodeBytes = 4096;    // of limit -1; each step doubles it
constexpr int kLargestStep = 4;
// What an entry costs beside its text, rounded up; also Redis's estimate, so that nodes fill alike.
constexpr size_t kEntryOverheadBytes = 8;
constexpr size_t kPackOverheadBytes = 7;

}  // namespace

ListNodeLimit::ListNodeLimit(const EncodingLimits& limits)
    : bytes_max_(kCountedNodeBytesMax),
      count_max_(std::numeric_limits<uint32_t>::max()),
      counts_(limits.list_max_listpack_size >= 0) {
  const int64_t size = limits.list_max_listpack_size;
  if (counts_) {
    count_max_ = static_cast<uint32_t>(std::clamp<int64_t>(size, 1, count_max_));
  } else {
    bytes_max_ = kSmallestNodeBytes << std::min<int64_t>(-1 - size, kLargestStep);
  }
}

bool ListNodeLimit::AllowsOnePack(size_t bytes, size_t count, size_t divisor) const {
  return counts_ ? count <= count_max_ / divisor : bytes <= bytes_max_ / divisor;
}

List::Node::Node() : pack(Listpack::Adopt(nullptr)), count(0) {}

List::Node::Node(Listpack packed) : pack(std::move(packed)), count(pack.size()) {}

List::Node::Node(std::string_view element)
    : pack(Listpack::Adopt(nullptr)), plain(std::make_unique<std::string>(element)), count(1) {}

List::Node::Node(const Node& other)
    : pack(other.count == 0 || other.plain != nullptr ? Listpack::Adopt(nullptr)
                                                      : Listpack(other.pack)),
      plain(other.plain != nullptr ? std::make_unique<std::string>(*other.plain) : nullptr),
      count(other.count) {}

size_t List::Node::heap_bytes() const {
  if (plain == nullptr) return pack.heap_bytes();
  return base::AllocationSize(sizeof(std::string)) + base::AllocationSize(plain->capacity() + 1);
}

bool List::Node::Allows(std::string_view value, const ListNodeLimit& limit) const {
  if (plain != nullptr || limit.IsLarge(value)) return false;
  return !limit.Exceeds(pack.total_bytes() + value.size() + kEntryOverheadBytes, count + 1);
}

List::Chain::~Chain() {
  base::Turns turns(base::Turns::kLargeBlocks);
  for (; !nodes_.empty(); nodes_.pop_back()) turns.Step();
}

size_t List::Chain::heap_bytes() const {
  return node_bytes_ + base::AllocationSize(nodes_.capacity() * sizeof(Node));
}

Listpack List::Chain::TakeOnlyPack() {
  TERRACE_CHECK(node_count() == 1 && node(0).plain == nullptr);
  return std::move(MutableNode(0).pack);
}

void List::Chain::InsertNode(size_t index, Node node) {
  size_ += node.count;
  node_bytes_ += node.heap_bytes();
  if (index == 0 && head_ == 0) {
    // As many free slots as nodes: the cost of the move is spread over that many pushes.
    std::vector<Node> grown(nodes_.size() + 1);
    head_ = grown.size();
    grown.reserve(head_ + nodes_.size());
    for (Node& old : nodes_) grown.push_back(std::move(old));
    nodes_ = std::move(grown);
  }
  if (index == 0) {
    nodes_[--head_] = std::move(node);
  } else {
    nodes_.insert(nodes_.begin() + static_cast<ptrdiff_t>(head_ + index), std::move(node));
  }
}

void List::Chain::EraseNodes(size_t first, size_t count) {
  if (count == 0) return;
  for (size_t i = first; i < first + count; ++i) {
    size_ -= node(i).count;
    node_bytes_ -= node(i).heap_bytes();
  }
  if (first == 0) {
    for (size_t i = 0; i < count; ++i) MutableNode(i) = Node();
    head_ += count;
    if (head_ > node_count()) {
      nodes_.erase(nodes_.begin(), nodes_.begin() + static_cast<ptrdiff_t>(head_));
      head_ = 0;
    }
  } else {
    const auto begin = nodes_.begin() + static_cast<ptrdiff_t>(head_ + first);
    nodes_.erase(begin, begin + static_cast<ptrdiff_t>(count));
  }
  if (nodes_.size() * 4 < nodes_.capacity()) nodes_.shrink_to_fit();
}

// The one way to change a node's content: the sums follow.
template <typename Change>
auto List::Chain::ChangeNode(size_t index, Change change) {
  Node& node = MutableNode(index);
  const size_t bytes_before = node.heap_bytes();
  const size_t count_before = node.count;
  const auto result = change(&node);
  node_bytes_ += node.heap_bytes() - bytes_before;
  size_ += node.count - count_before;
  return result;
}

List::Cursor List::Chain::Seek(size_t index) const {
  if (index >= size_) return {};
  size_t which = 0;
  if (index <= size_ / 2) {
    while (index >= node(which).count) index -= node(which++).count;
  } else {
    size_t from_end = size_ - 1 - index;
    which = node_count() - 1;
    while (from_end >= node(which).count) from_end -= node(which--).count;
    index = node(which).count - 1 - from_end;
  }
  const Node& found = node(which);
  if (found.plain != nullptr) return {which, kPlainPosition};
  return {which, found.pack.At(static_cast<int64_t>(index))};
}

void List::Chain::Push(ListEnd end, std::string_view value) {
  const size_t edge = end == ListEnd::kHead || node_count() == 0 ? 0 : node_count() - 1;
  if (node_count() > 0 && node(edge).Allows(value, limit_)) {
    ChangeNode(edge, [&](Node* node) {
      ++node->count;
      return node->pack.Insert(end == ListEnd::kHead ? node->pack.First() : Listpack::kNone, value);
    });
    return;
  }
  InsertAlone(end == ListEnd::kHead ? 0 : node_count(), value);
}

void List::Chain::Replace(Cursor cursor, std::string_view value) {
  const bool is_plain = node(cursor.node).plain != nullptr;
  // In its place however large it is, as in Redis 7.2, if the listpack can hold it at all.
  if (!is_plain && node(cursor.node).pack.total_bytes() + Listpack::EntryBytesMax(value.size()) <=
                       Listpack::kBytesMax) {
    ChangeNode(cursor.node, [&](Node* node) { return node->pack.Replace(cursor.at, value); });
    return;
  }
  if (is_plain) {
    EraseNodes(cursor.node, 1);
    InsertAlone(cursor.node, value);
    return;
  }
  // The element leaves its listpack; what follows it there becomes a node of its own.
  const Listpack::Position next = EraseAt(cursor);
  if (next != Listpack::kNone) SplitNode(cursor.node, next);
  InsertAlone(cursor.node + 1, value);
  DropEmptyNodes();
}

void List::Chain::InsertAlone(size_t index, std::string_view value) {
  if (limit_.IsLarge(value)) {
    InsertNode(index, Node(value));
    return;
  }
  Listpack pack;
  pack.Append(value);
  InsertNode(index, Node(std::move(pack)));
}

// Entries from `at` on move to a new node behind this one.
void List::Chain::SplitNode(size_t index, Listpack::Position position) {
  Node right(node(index));
  size_t kept = 0;
  for (auto p = right.pack.First(); p != position; p = right.pack.Next(p)) ++kept;
  if (kept > 0) right.pack.Erase(right.pack.First(), kept);
  right.count -= kept;
  ChangeNode(index, [&](Node* left) {
    left->count = kept;
    return left->pack.Erase(position, right.count);
  });
  InsertNode(index + 1, std::move(right));
}

bool List::Chain::MergeWithNext(size_t index) {
  if (index + 1 >= node_count()) return false;
  const Node& next = node(index + 1);
  const Node& first = node(index);
  if (first.plain != nullptr || next.plain != nullptr ||
      limit_.Exceeds(first.pack.total_bytes() + next.pack.total_bytes() - kPackOverheadBytes,
                     first.count + next.count)) {
    return false;
  }
  ChangeNode(index, [&](Node* target) {
    base::Int64Text buffer;
    for (auto p = next.pack.First(); p != Listpack::kNone; p = next.pack.Next(p)) {
      target->pack.Append(next.pack.Get(p).Text(buffer));
    }
    target->count += next.count;
    return true;
  });
  EraseNodes(index + 1, 1);
  return true;
}

void List::Chain::Insert(Cursor cursor, ListSide side, std::string_view value) {
  const bool after = side == ListSide::kAfter;
  const size_t index = cursor.node;
  const Node& here = node(index);
  const bool is_plain = here.plain != nullptr;
  const Listpack::Position before =
      is_plain ? Listpack::kNone : (after ? here.pack.Next(cursor.at) : cursor.at);
  if (here.Allows(value, limit_)) {
    ChangeNode(index, [&](Node* node) {
      ++node->count;
      return node->pack.Insert(before, value);
    });
    return;
  }
  const bool at_edge =
      is_plain || (after ? before == Listpack::kNone : before == here.pack.First());
  if (!at_edge) {
    SplitNode(index, before);
    if (node(index).Allows(value, limit_)) {
      Insert({index, node(index).pack.Last()}, ListSide::kAfter, value);
    } else {
      Insert({index + 1, node(index + 1).pack.First()}, ListSide::kBefore, value);
    }
    for (size_t i = std::min(index + 2, node_count() - 1) + 1; i-- > (index > 0 ? index - 1 : 0);) {
      MergeWithNext(i);
    }
    return;
  }
  if (after && index + 1 < node_count() && node(index + 1).Allows(value, limit_)) {
    ChangeNode(index + 1, [&](Node* node) {
      ++node->count;
      return node->pack.Insert(node->pack.First(), value);
    });
  } else if (!after && index > 0 && node(index - 1).Allows(value, limit_)) {
    ChangeNode(index - 1, [&](Node* node) {
      ++node->count;
      return node->pack.Insert(Listpack::kNone, value);
    });
  } else {
    InsertAlone(after ? index + 1 : index, value);
  }
}

void List::Chain::EraseRange(Cursor from, size_t count) {
  size_t first_gone = from.node;
  size_t gone = 0;
  for (size_t index = from.node; index < node_count() && count > 0; ++index) {
    const bool is_whole =
        count >= node(index).count &&
        (node(index).plain != nullptr || from.node != index || from.at == node(index).pack.First());
    if (is_whole) {
      if (gone++ == 0) first_gone = index;
      count -= node(index).count;
      continue;
    }
    count -= ChangeNode(index, [&](Node* node) {
      const size_t before = node->count;
      node->pack.Erase(index == from.node ? from.at : node->pack.First(), count);
      node->count = node->pack.size();
      return before - node->count;
    });
  }
  EraseNodes(first_gone, gone);
}

Listpack::Position List::Chain::EraseAt(Cursor cursor) {
  return ChangeNode(cursor.node, [&](Node* node) {
    --node->count;
    if (node->plain == nullptr) return node->pack.Erase(cursor.at);
    *node = Node(Listpack());
    return Listpack::kNone;
  });
}

void List::Chain::DropEmptyNodes() {
  for (size_t index = 0; index < node_count(); ++index) {
    if (node(index).count == 0) node_bytes_ -= node(index).heap_bytes();
  }
  std::erase_if(nodes_, [](const Node& node) { return node.count == 0; });
  head_ = 0;
}

}  // namespace terrace::keyspace
