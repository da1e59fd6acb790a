#pragma once

// Digest: a fingerprint of a value or a database that depends on what it holds, not on how: equal
// data has equal digests in every encoding and in any order of insertion.
//
// Threads: pure functions; a database's REQUIRES the locks of all shards.

#include <cstdint>
#include <string>

#include "keyspace/database.h"

namespace terrace::keyspace {

// Not cryptographic.
struct Digest {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const Digest&) const = default;
};

Digest DigestOfValue(const Entry& entry, int64_t now_ms);
// All databases: keys, values, and which keys have a deadline.
Digest DigestOfKeyspace(Keyspace& keyspace, int64_t now_ms);

// 40 hex digits, as Redis shows its digests.
std::string ToHex(const Digest& digest);

}  // namespace terrace::keyspace
