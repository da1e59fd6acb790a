#pragma once

// Hash::Table: the hash table representation of a hash, with the index of its fields' deadlines.
// Private to hash.cc and its own source.
//
// Promises: the top of the deadline index is always current, so NextDeadline is O(1).

#include <memory>
#include <string_view>

#include "keyspace/types/field_deadlines.h"
#include "keyspace/types/hash.h"

namespace terrace::keyspace {

class Hash::Table {
 public:
  explicit Table(uint64_t seed) : members_(seed) {}
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const MemberTable<HashRecord>& members() const { return members_; }
  size_t heap_bytes() const;

  // REQUIRES: the field is not there.
  void Insert(const Entry& entry) { Insert(entry, members_.HashOf(entry.field)); }
  bool Set(std::string_view field, std::string_view value, Deadlines deadlines);
  bool Remove(std::string_view field);
  bool SetDeadline(std::string_view field, int64_t deadline_ms);
  std::optional<Entry> FirstToExpire() const;

 private:
  using Slot = MemberTable<HashRecord>::Slot;

  void Insert(const Entry& entry, uint64_t hash);
  // Puts the new entry where the old one is, and keeps the deadline index.
  void Update(Slot slot, const Entry& entry, uint64_t hash);
  void TrackDeadline(int64_t old_deadline_ms, int64_t new_deadline_ms, uint64_t hash);
  Slot Find(const FieldDeadlines::Item& item) const;
  void TidyDeadlines();

  MemberTable<HashRecord> members_;
  size_t record_bytes_ = 0;
  size_t deadline_count_ = 0;  // fields that have one
  std::unique_ptr<FieldDeadlines> deadlines_;
};

}  // namespace terrace::keyspace
