#include "keyspace/types/zset.h"

#include <cmath>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/background.h"
#include "base/check.h"
#include "base/memory.h"

namespace terrace::keyspace {
namespace {

// Whole scores are stored as integers, others as text.
Listpack::Position InsertScore(Listpack& pack, Listpack::Position at, double score) {
  if (const auto whole = base::ExactInt64(score)) return pack.Insert(at, *whole);
  base::DoubleText buffer;
  return pack.Insert(at, base::FormatDouble(score, buffer));
}

std::optional<double> ScoreOf(const Listpack::Value& value) {
  if (value.is_number) return static_cast<double>(value.number);
  return base::ParseDouble(value.text);
}

}  // namespace

Zset::Tree::~Tree() {
  base::Turns turns(base::Turns::kSmallBlocks);
  members.ForEach([&](ZsetRecord* record) {
    ZsetRecord::Free(record);
    turns.Step();
  });
}

void Zset::Tree::Insert(std::string_view member, double score, uint64_t hash) {
  ZsetRecord* const record = ZsetRecord::New(member, score);
  record_bytes += ZsetRecord::HeapBytes(record);
  members.Insert(record, hash);
  order.Insert({score, record});
}

bool Zset::Tree::Remove(std::string_view member) {
  ZsetRecord* const record = members.Remove(member);
  if (record == nullptr) return false;
  order.Erase({ZsetRecord::Score(record), record});
  record_bytes -= ZsetRecord::HeapBytes(record);
  ZsetRecord::Free(record);
  return true;
}

Zset::Zset() : body_(Listpack().Release(), kPairs) {}
Zset::Zset(Listpack pack) : body_(pack.Release(), kPairs) {}
Zset::~Zset() { FreeBody(); }

void Zset::FreeBody() {
  if (kind() == kTree) {
    delete body_.As<Tree>();
  } else {
    Listpack::Adopt(body_.As<uint8_t>());
  }
}

std::string_view Zset::encoding() const { return kind() == kTree ? "skiplist" : "listpack"; }

size_t Zset::bytes() const {
  const size_t own = base::AllocationSize(sizeof(Zset));
  if (kind() == kPairs) return own + body_.Read<Listpack>()->heap_bytes();
  return own + base::AllocationSize(sizeof(Tree)) + tree().members.heap_bytes() +
         tree().order.heap_bytes() + tree().record_bytes;
}

size_t Zset::size() const {
  return kind() == kTree ? tree().order.size() : body_.Read<Listpack>()->size() / 2;
}

size_t Zset::free_effort() const { return kind() == kTree ? size() : 1; }

std::unique_ptr<Object> Zset::Clone() const {
  if (kind() == kPairs) return std::make_unique<Zset>(Listpack(*body_.Read<Listpack>()));
  auto copy = std::make_unique<Zset>();
  auto body = std::make_unique<Tree>(tree().members.seed());
  ForEach([&](const Entry& entry) {
    body->Insert(entry.member, entry.score, body->members.HashOf(entry.member));
  });
  copy->FreeBody();
  copy->body_ = Body(body.release(), kTree);
  return copy;
}

bool Zset::IsOrdered(const Listpack& pack) {
  std::unordered_set<std::string> seen;
  base::Int64Text buffer;
  std::string last_member;
  double last_score = -INFINITY;
  for (auto at = pack.First(); at != Listpack::kNone;) {
    const std::string member(pack.Get(at).Text(buffer));
    at = pack.Next(at);
    if (at == Listpack::kNone) return false;
    const std::optional<double> score = ScoreOf(pack.Get(at));
    if (!score || *score < last_score || !seen.insert(member).second) return false;
    if (*score == last_score && seen.size() > 1 && member < last_member) return false;
    last_member = member;
    last_score = *score;
    at = pack.Next(at);
  }
  return true;
}

double Zset::PackedScore(const Listpack& pack, Listpack::Position member_at) {
  const std::optional<double> score = ScoreOf(pack.Get(pack.Next(member_at)));
  TERRACE_CHECK(score.has_value());
  return *score;
}

Zset::Entry Zset::PackedEntry(const Listpack& pack, Listpack::Position at,
                              base::Int64Text& buffer) {
  return {pack.Get(at).Text(buffer), PackedScore(pack, at)};
}

void Zset::InsertPacked(Listpack& pack, std::string_view member, double score) {
  base::Int64Text buffer;
  auto at = pack.First();
  while (at != Listpack::kNone) {
    const Entry other = PackedEntry(pack, at, buffer);
    if (other.score > score || (other.score == score && other.member > member)) break;
    at = pack.Next(pack.Next(at));
  }
  at = InsertScore(pack, at, score);
  pack.Insert(at, member);
}

void Zset::Reserve(size_t count, const EncodingLimits& limits) {
  if (kind() == kPairs && count > limits.zset_max_listpack_entries) ConvertToTree(limits);
}

void Zset::ConvertToTree(const EncodingLimits& limits) {
  auto body = std::make_unique<Tree>(limits.hash_seed);
  ForEach([&](const Entry& entry) {
    body->Insert(entry.member, entry.score, body->members.HashOf(entry.member));
  });
  FreeBody();
  body_ = Body(body.release(), kTree);
}

void Zset::Pack(const EncodingLimits& limits) {
  if (kind() == kPairs || size() > limits.zset_max_listpack_entries) return;
  bool all_short = true;
  ForEach([&](const Entry& entry) {
    all_short = all_short && entry.member.size() <= limits.zset_max_listpack_value;
  });
  if (!all_short) return;
  Listpack pack;
  ForEach([&](const Entry& entry) {
    pack.Append(entry.member);
    InsertScore(pack, Listpack::kNone, entry.score);
  });
  FreeBody();
  body_ = Body(pack.Release(), kPairs);
}

Zset::SetResult Zset::Set(std::string_view member, double score, const EncodingLimits& limits) {
  if (kind() == kPairs) {
    auto pack = body_.Edit<Listpack>();
    const auto at = pack->Find(pack->First(), member, 1);
    if (at != Listpack::kNone) {
      if (PackedScore(*pack, at) == score) return SetResult::kUnchanged;
      pack->Erase(at, 2);
      InsertPacked(*pack, member, score);
      return SetResult::kUpdated;
    }
    if (pack->size() / 2 < limits.zset_max_listpack_entries &&
        member.size() <= limits.zset_max_listpack_value) {
      InsertPacked(*pack, member, score);
      return SetResult::kAdded;
    }
  }
  if (kind() == kPairs) ConvertToTree(limits);
  const uint64_t hash = tree().members.HashOf(member);
  const auto slot = tree().members.Find(member, hash);
  if (!slot) {
    tree().Insert(member, score, hash);
    return SetResult::kAdded;
  }
  const double old_score = ZsetRecord::Score(slot.record());
  if (old_score == score) return SetResult::kUnchanged;
  tree().order.Update({old_score, slot.record()}, score);
  ZsetRecord::SetScore(slot.record(), score);
  return SetResult::kUpdated;
}

bool Zset::Remove(std::string_view member) {
  if (kind() == kTree) return tree().Remove(member);
  auto pack = body_.Edit<Listpack>();
  const auto at = pack->Find(pack->First(), member, 1);
  if (at == Listpack::kNone) return false;
  pack->Erase(at, 2);
  return true;
}

std::optional<double> Zset::Score(std::string_view member) const {
  if (kind() == kTree) {
    const auto slot = tree().members.Find(member);
    if (!slot) return std::nullopt;
    return ZsetRecord::Score(slot.record());
  }
  const auto pack = body_.Read<Listpack>();
  const auto at = pack->Find(pack->First(), member, 1);
  if (at == Listpack::kNone) return std::nullopt;
  return PackedScore(*pack, at);
}

std::optional<size_t> Zset::Rank(std::string_view member) const {
  if (kind() == kTree) {
    const auto slot = tree().members.Find(member);
    if (!slot) return std::nullopt;
    const ScoreTree::Item self{ZsetRecord::Score(slot.record()), slot.record()};
    return tree().order.CountWhile(
        [&](const ScoreTree::Item& item) { return ScoreTree::Less(item, self); });
  }
  const auto pack = body_.Read<Listpack>();
  const auto found = pack->Find(pack->First(), member, 1);
  if (found == Listpack::kNone) return std::nullopt;
  size_t rank = 0;
  for (auto at = pack->First(); at != found; at = pack->Next(pack->Next(at))) ++rank;
  return rank;
}

size_t Zset::CountBelow(double score, Bound bound) const {
  const auto is_below = [&](double other) {
    return bound == Bound::kInclusive ? other <= score : other < score;
  };
  if (kind() == kTree) {
    return tree().order.CountWhile(
        [&](const ScoreTree::Item& item) { return is_below(item.score); });
  }
  const auto pack = body_.Read<Listpack>();
  size_t count = 0;
  for (auto at = pack->First(); at != Listpack::kNone && is_below(PackedScore(*pack, at));
       at = pack->Next(pack->Next(at))) {
    ++count;
  }
  return count;
}

size_t Zset::CountBelow(std::string_view member, Bound bound) const {
  const auto is_below = [&](std::string_view other) {
    return bound == Bound::kInclusive ? other <= member : other < member;
  };
  if (kind() == kTree) {
    return tree().order.CountWhile(
        [&](const ScoreTree::Item& item) { return is_below(ZsetRecord::Key(item.record)); });
  }
  const auto pack = body_.Read<Listpack>();
  base::Int64Text buffer;
  size_t count = 0;
  for (auto at = pack->First(); at != Listpack::kNone && is_below(pack->Get(at).Text(buffer));
       at = pack->Next(pack->Next(at))) {
    ++count;
  }
  return count;
}

Zset::Entry Zset::Random(base::Rng& rng, base::Int64Text& buffer) const {
  return At(rng.Below(size()), buffer);
}

Zset::Entry Zset::At(size_t rank, base::Int64Text& buffer) const {
  if (kind() == kTree) return EntryOf(tree().order.At(rank));
  const auto pack = body_.Read<Listpack>();
  return PackedEntry(*pack, pack->At(static_cast<int64_t>(rank * 2)), buffer);
}

void Zset::RemoveRange(size_t rank, size_t count) {
  if (count == 0) return;
  if (kind() == kPairs) {
    auto pack = body_.Edit<Listpack>();
    pack->Erase(pack->At(static_cast<int64_t>(rank * 2)), count * 2);
    return;
  }
  for (; count > 0; --count) tree().Remove(ZsetRecord::Key(tree().order.At(rank).record));
}

std::optional<std::string_view> Zset::listpack_bytes() const {
  if (kind() != kPairs) return std::nullopt;
  return body_.Read<Listpack>()->bytes();
}

}  // namespace terrace::keyspace
