#pragma once

// Between values on their way (tiers::Value) and values in the keyspace.
//
// Threads: pure functions, but what reads an entry needs its shard's lock.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "keyspace/entry.h"
#include "tiers/upstream.h"

namespace terrace::tiers {

// A value ready for the keyspace: a string, or an object of any other type.
struct ReadyValue {
  std::string string;
  std::unique_ptr<keyspace::Object> object;
};

// False when the bytes make no sense. hash_seed: the keyspace's, for values that need a hash table.
[[nodiscard]] bool Decode(Value value, uint64_t hash_seed, ReadyValue* ready);

// A value to be stored elsewhere: a string as itself, anything else as a DUMP payload.
Value Encode(const keyspace::Entry& entry);

// A detached entry for Database::Overlay. The caller frees it.
keyspace::Entry* MakeEntry(std::string_view key, ReadyValue ready, int64_t deadline_ms);

}  // namespace terrace::tiers
