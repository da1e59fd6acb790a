#pragma once

// Zset: distinct members, each with a score, in the order of (score, member bytes). A listpack of
// (member, score) pairs while small, else a hash table and a ScoreTree over the same records.
//
// Promises:  conversions only grow, at Redis's thresholds (but for Pack); ranks and counts cost
// O(log n) in the
//            large form; Scan keeps MemberTable's guarantee; Random is uniform.
// Ownership: members handed out are views into the set, or into the buffer given for integers; they
//            die with the next change.
// Units:     a rank counts from 0 in ascending order. Scores are never NaN: the callers see to it.
//
// Encodings: "listpack", "skiplist" (the name clients expect of the large form).

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/numbers.h"
#include "base/rng.h"
#include "keyspace/object.h"
#include "keyspace/types/body.h"
#include "keyspace/types/encoding_limits.h"
#include "keyspace/types/listpack.h"
#include "keyspace/types/member_table.h"
#include "keyspace/types/score_tree.h"

namespace terrace::keyspace {

class Zset final : public Object {
 public:
  enum class SetResult : uint8_t { kAdded, kUpdated, kUnchanged };
  // Whether a bound itself counts as below it.
  enum class Bound : uint8_t { kExclusive, kInclusive };
  struct Entry {
    std::string_view member;
    double score;
  };

  Zset();
  // REQUIRES: IsOrdered(pack).
  explicit Zset(Listpack pack);
  ~Zset() override;
  Zset& operator=(const Zset&) = delete;

  Type type() const override { return Type::kZset; }
  std::string_view encoding() const override;
  size_t bytes() const override;
  size_t size() const override;
  std::unique_ptr<Object> Clone() const override;
  size_t free_effort() const override;

  // For untrusted listpacks: pairs of distinct members and scores, in order.
  static bool IsOrdered(const Listpack& pack);

  // Converts a compact set that is about to get more members than it may hold.
  void Reserve(size_t count, const EncodingLimits& limits);

  // Gives a large form whose content is within the limits its compact one: the only way back.
  void Pack(const EncodingLimits& limits);

  SetResult Set(std::string_view member, double score, const EncodingLimits& limits);
  // False if it was not there.
  bool Remove(std::string_view member);
  std::optional<double> Score(std::string_view member) const;
  std::optional<size_t> Rank(std::string_view member) const;

  // How many members have a lower score (or the same one, if inclusive).
  size_t CountBelow(double score, Bound bound) const;
  // How many members come before this text (or are this text, if inclusive). REQUIRES: all scores
  // equal, else the answer is some number up to size().
  size_t CountBelow(std::string_view member, Bound bound) const;

  // REQUIRES: not empty.
  Entry Random(base::Rng& rng, base::Int64Text& buffer) const;
  // REQUIRES: rank < size().
  Entry At(size_t rank, base::Int64Text& buffer) const;

  // visit(const Entry&) of `count` members from `rank` on, upwards or downwards. REQUIRES: they
  // exist. The visitor must not change the set.
  template <typename Visitor>
  void VisitUp(size_t rank, size_t count, Visitor visit) const;
  template <typename Visitor>
  void VisitDown(size_t rank, size_t count, Visitor visit) const;
  template <typename Visitor>
  void ForEach(Visitor visit) const {
    VisitUp(0, size(), visit);
  }
  template <typename Visitor>
  uint64_t Scan(uint64_t cursor, Visitor visit) const;

  // Removes `count` members from `rank` on. REQUIRES: they exist.
  void RemoveRange(size_t rank, size_t count);

  // The block of pairs, for dumping it as it is; nullopt when the encoding is another.
  std::optional<std::string_view> listpack_bytes() const;

 private:
  enum Kind : unsigned { kPairs, kTree };
  struct Tree {
    explicit Tree(uint64_t seed) : members(seed) {}
    ~Tree();
    void Insert(std::string_view member, double score, uint64_t hash);
    bool Remove(std::string_view member);
    MemberTable<ZsetRecord> members;
    ScoreTree order;
    size_t record_bytes = 0;
  };

  Kind kind() const { return static_cast<Kind>(body_.kind()); }
  Tree& tree() const { return *body_.As<Tree>(); }
  static double PackedScore(const Listpack& pack, Listpack::Position member_at);
  static Entry PackedEntry(const Listpack& pack, Listpack::Position at, base::Int64Text& buffer);
  static void InsertPacked(Listpack& pack, std::string_view member, double score);
  static Entry EntryOf(const ScoreTree::Item& item) {
    return {ZsetRecord::Key(item.record), item.score};
  }
  void ConvertToTree(const EncodingLimits& limits);
  void FreeBody();

  Body body_;
};

template <typename Visitor>
void Zset::VisitUp(size_t rank, size_t count, Visitor visit) const {
  if (kind() == kTree) {
    tree().order.VisitUp(rank, count, [&](const ScoreTree::Item& item) { visit(EntryOf(item)); });
    return;
  }
  if (count == 0) return;
  const auto pack = body_.Read<Listpack>();
  base::Int64Text buffer;
  for (auto at = pack->At(static_cast<int64_t>(rank * 2)); count > 0; --count) {
    visit(PackedEntry(*pack, at, buffer));
    at = pack->Next(at);
    at = pack->Next(at);
  }
}

template <typename Visitor>
void Zset::VisitDown(size_t rank, size_t count, Visitor visit) const {
  if (kind() == kTree) {
    tree().order.VisitDown(rank, count, [&](const ScoreTree::Item& item) { visit(EntryOf(item)); });
    return;
  }
  if (count == 0) return;
  const auto pack = body_.Read<Listpack>();
  base::Int64Text buffer;
  auto at = pack->At(static_cast<int64_t>(rank * 2));
  while (true) {
    visit(PackedEntry(*pack, at, buffer));
    if (--count == 0) return;
    at = pack->Previous(pack->Previous(at));
  }
}

template <typename Visitor>
uint64_t Zset::Scan(uint64_t cursor, Visitor visit) const {
  if (kind() == kTree) {
    return tree().members.Scan(cursor, [&](const ZsetRecord* record) {
      visit(Entry{ZsetRecord::Key(record), ZsetRecord::Score(record)});
    });
  }
  ForEach(visit);
  return 0;
}

}  // namespace terrace::keyspace
