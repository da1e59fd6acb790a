#pragma once

// Set: distinct members without order. An intset while all are integers, a listpack while few and
// short, else a hash table.
//
// Promises:  conversions only grow, at Redis 7.2's thresholds; Scan keeps MemberTable's guarantee
//            (compact sets are visited whole by one call); Random is uniform.
// Ownership: members handed out are views into the set, or into the buffer given for integers.
//
// Encodings: "intset", "listpack", "hashtable".

#include <memory>
#include <optional>
#include <string_view>

#include "base/numbers.h"
#include "base/rng.h"
#include "keyspace/object.h"
#include "keyspace/types/body.h"
#include "keyspace/types/encoding_limits.h"
#include "keyspace/types/intset.h"
#include "keyspace/types/listpack.h"
#include "keyspace/types/member_table.h"

namespace terrace::keyspace {

class Set final : public Object {
 public:
  Set();
  explicit Set(Intset intset);
  // REQUIRES: the entries are distinct (IsDistinct tells).
  explicit Set(Listpack pack);
  ~Set() override;
  Set& operator=(const Set&) = delete;

  Type type() const override { return Type::kSet; }
  std::string_view encoding() const override;
  size_t bytes() const override;
  size_t size() const override;
  std::unique_ptr<Object> Clone() const override;
  size_t free_effort() const override;

  // For untrusted listpacks.
  static bool IsDistinct(const Listpack& pack);

  // An empty set that starts with the encoding that fits the first of `count` members to come.
  static std::unique_ptr<Set> For(std::string_view first_member, size_t count,
                                  const EncodingLimits& limits);
  // Converts a compact set that is about to get more members than it may hold.
  void Reserve(size_t count, const EncodingLimits& limits);

  // False if it was there already.
  bool Add(std::string_view member, const EncodingLimits& limits);
  // False if it was not there.
  bool Remove(std::string_view member);
  bool Contains(std::string_view member) const;

  // REQUIRES: not empty.
  std::string_view Random(base::Rng& rng, base::Int64Text& buffer) const;

  // visit(std::string_view member); must not change the set.
  template <typename Visitor>
  void ForEach(Visitor visit) const;
  template <typename Visitor>
  uint64_t Scan(uint64_t cursor, Visitor visit) const;

  // The compact block, for dumping it as it is; nullopt when the encoding is another.
  std::optional<std::string_view> intset_bytes() const;
  std::optional<std::string_view> listpack_bytes() const;

 private:
  enum Kind : unsigned { kIntset, kListpack, kTable };

  struct Record {
    static Record* New(std::string_view member);
    static std::string_view Key(const Record* record);
    static size_t Bytes(const Record* record);
  };
  struct Table {
    explicit Table(uint64_t seed) : members(seed) {}
    ~Table();
    void Insert(std::string_view member) { Insert(member, members.HashOf(member)); }
    void Insert(std::string_view member, uint64_t hash);
    MemberTable<Record> members;
    size_t record_bytes = 0;
  };

  Kind kind() const { return static_cast<Kind>(body_.kind()); }
  bool AddToIntset(std::string_view member, const EncodingLimits& limits);
  void ConvertToTable(const EncodingLimits& limits);
  void ConvertToListpack();
  void FreeBody();

  Body body_;
};

template <typename Visitor>
void Set::ForEach(Visitor visit) const {
  base::Int64Text buffer;
  switch (kind()) {
    case kIntset: {
      const auto intset = body_.Read<Intset>();
      const size_t count = intset->size();
      for (size_t i = 0; i < count; ++i) visit(base::FormatInt64(intset->At(i), buffer));
      return;
    }
    case kListpack: {
      const auto pack = body_.Read<Listpack>();
      for (auto at = pack->First(); at != Listpack::kNone; at = pack->Next(at)) {
        visit(pack->Get(at).Text(buffer));
      }
      return;
    }
    case kTable:
      body_.As<Table>()->members.ForEach([&](Record* record) { visit(Record::Key(record)); });
      return;
  }
}

template <typename Visitor>
uint64_t Set::Scan(uint64_t cursor, Visitor visit) const {
  if (kind() == kTable) {
    return body_.As<Table>()->members.Scan(cursor,
                                           [&](Record* record) { visit(Record::Key(record)); });
  }
  ForEach(visit);
  return 0;
}

}  // namespace terrace::keyspace
