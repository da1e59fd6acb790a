#pragma once

// HashRecord: a field and its value in one block, under a large hash.
//
// Layout: length of the field times two, plus one if there is a deadline | deadline (8 bytes) |
// field | length of the value | value.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace terrace::keyspace {

struct HashEntry {
  static constexpr int64_t kNoDeadline = -1;
  std::string_view field;
  std::string_view value;
  int64_t deadline_ms = kNoDeadline;
};

struct HashRecord {
  static HashRecord* New(const HashEntry& entry);
  static void Free(HashRecord* record);
  static HashEntry Read(const HashRecord* record);
  static std::string_view Key(const HashRecord* record);
  // What its block costs.
  static size_t HeapBytes(const HashRecord* record);
  // Rewrites the record in its own block if the new entry (same field) needs a block of that size.
  static bool UpdateInPlace(HashRecord* record, const HashEntry& entry);
};

}  // namespace terrace::keyspace
