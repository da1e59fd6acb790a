#pragma once

// Hash: fields with values, and on request a deadline per field. A listpack of pairs while small, a
// listpack of triples (with the deadlines) while small with deadlines, else a hash table.
//
// Deadlines: a field whose deadline has passed is invisible to every call that takes now_ms, but
// stays until RemoveExpired; NextDeadline says when that has something to do.
//
// Promises:  conversions only grow, at Redis's thresholds; Scan keeps MemberTable's guarantee
//            (compact hashes are visited whole by one call); Random is uniform over the fields
//            stored.
// Ownership: fields and values handed out are views into the hash, or into the buffers given for
//            integers; they die with the next change.
// Units:     deadlines and now_ms on the same clock, in ms; kNoDeadline where there is none.
//
// Encodings: "listpack", "listpackex", "hashtable".

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/numbers.h"
#include "base/rng.h"
#include "keyspace/object.h"
#include "keyspace/types/body.h"
#include "keyspace/types/encoding_limits.h"
#include "keyspace/types/hash_record.h"
#include "keyspace/types/listpack.h"
#include "keyspace/types/member_table.h"

namespace terrace::keyspace {

class Hash final : public Object {
 public:
  static constexpr int64_t kNoDeadline = HashEntry::kNoDeadline;

  // What happens to a field's deadline when its value is replaced.
  enum class Deadlines : uint8_t { kClear, kKeep };

  Hash();
  // REQUIRES: pairs with distinct fields (IsDistinct tells).
  explicit Hash(Listpack pairs);
  ~Hash() override;
  Hash& operator=(const Hash&) = delete;

  Type type() const override { return Type::kHash; }
  std::string_view encoding() const override;
  size_t bytes() const override;
  // All fields stored, those past their deadline included.
  size_t size() const override;
  std::unique_ptr<Object> Clone() const override;
  size_t free_effort() const override;
  int64_t next_part_deadline_ms() const override { return NextDeadline(); }
  size_t RemoveDueParts(int64_t now_ms, size_t count_max, const Leaving& leaving) override {
    return RemoveExpired(now_ms, count_max, leaving);
  }
  // Fields not past their deadline; O(1) unless some are.
  size_t LiveCount(int64_t now_ms) const;

  // For untrusted listpacks: pairs, and no field twice.
  static bool IsDistinct(const Listpack& pack);

  // Converts a compact hash at once if it is about to get more fields than it may hold.
  void Reserve(size_t count, const EncodingLimits& limits);

  // True if the field is new.
  bool Set(std::string_view field, std::string_view value, const EncodingLimits& limits,
           Deadlines deadlines = Deadlines::kClear);
  // False if it was not there.
  bool Remove(std::string_view field);
  std::optional<std::string_view> Get(std::string_view field, int64_t now_ms,
                                      base::Int64Text& buffer) const;
  bool Contains(std::string_view field, int64_t now_ms) const;

  // kNoDeadline takes the deadline off. False if the field is not there.
  bool SetDeadline(std::string_view field, int64_t deadline_ms);
  // nullopt if the field is not there or past its deadline, kNoDeadline if it has none.
  std::optional<int64_t> Deadline(std::string_view field, int64_t now_ms) const;
  // The earliest deadline of any field, or kNoDeadline.
  int64_t NextDeadline() const;
  // Removes up to `count_max` fields whose deadline is now_ms or earlier, earliest first; calls
  // removed(std::string_view field) before each. Returns how many.
  template <typename Removed>
  size_t RemoveExpired(int64_t now_ms, size_t count_max, Removed removed);

  using Entry = HashEntry;
  // Where the text of integers goes; what is returned holds until their next use.
  struct Buffers {
    base::Int64Text field;
    base::Int64Text value;
  };
  // Any field stored: check its deadline. REQUIRES: not empty.
  Entry Random(base::Rng& rng, Buffers& buffers) const;

  // visit(const Entry&), for each field not past its deadline; must not change the hash.
  template <typename Visitor>
  void ForEach(int64_t now_ms, Visitor visit) const;
  template <typename Visitor>
  uint64_t Scan(uint64_t cursor, int64_t now_ms, Visitor visit) const;

  // The block of pairs, for dumping it as it is; nullopt when the encoding is another.
  std::optional<std::string_view> listpack_bytes() const;

 private:
  enum Kind : unsigned { kPairs, kTriples, kTable };

  // The hash table with its deadlines.
  class Table;

  Kind kind() const { return static_cast<Kind>(body_.kind()); }
  const MemberTable<HashRecord>& members() const;
  size_t entry_width() const { return kind() == kTriples ? 3 : 2; }
  static bool IsLive(int64_t deadline_ms, int64_t now_ms) {
    return deadline_ms == kNoDeadline || deadline_ms > now_ms;
  }
  // The entry of a listpack whose field is at `at`.
  Entry ReadPacked(const Listpack& pack, Listpack::Position at, Buffers& buffers) const;
  std::optional<Entry> FindEntry(std::string_view field, Buffers& buffers) const;
  std::optional<Entry> FirstToExpire(Buffers& buffers) const;
  // Set in a listpack of either kind.
  bool SetPacked(std::string_view field, std::string_view value, Deadlines deadlines);
  void ConvertToTriples();
  void ConvertToTable(const EncodingLimits& limits);
  void InsertTriple(std::string_view field, std::string_view value, int64_t deadline_ms);
  void FreeBody();

  Body body_;
};

template <typename Removed>
size_t Hash::RemoveExpired(int64_t now_ms, size_t count_max, Removed removed) {
  Buffers buffers;
  size_t count = 0;
  for (; count < count_max; ++count) {
    const std::optional<Entry> next = FirstToExpire(buffers);
    if (!next || IsLive(next->deadline_ms, now_ms)) break;
    removed(next->field);
    Remove(next->field);
  }
  return count;
}

template <typename Visitor>
void Hash::ForEach(int64_t now_ms, Visitor visit) const {
  if (kind() == kTable) {
    members().ForEach([&](const HashRecord* record) {
      const Entry entry = HashRecord::Read(record);
      if (IsLive(entry.deadline_ms, now_ms)) visit(entry);
    });
    return;
  }
  Buffers buffers;
  const auto pack = body_.Read<Listpack>();
  for (auto at = pack->First(); at != Listpack::kNone;) {
    const Entry entry = ReadPacked(*pack, at, buffers);
    if (IsLive(entry.deadline_ms, now_ms)) visit(entry);
    for (size_t i = entry_width(); i > 0; --i) at = pack->Next(at);
  }
}

template <typename Visitor>
uint64_t Hash::Scan(uint64_t cursor, int64_t now_ms, Visitor visit) const {
  if (kind() == kTable) {
    return members().Scan(cursor, [&](const HashRecord* record) {
      const Entry entry = HashRecord::Read(record);
      if (IsLive(entry.deadline_ms, now_ms)) visit(entry);
    });
  }
  ForEach(now_ms, visit);
  return 0;
}

}  // namespace terrace::keyspace
