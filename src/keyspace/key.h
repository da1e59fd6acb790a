#pragma once

// Key: the bytes of a key with their hash, computed once per request.

#include <cstdint>
#include <string_view>

namespace terrace::keyspace {

struct Key {
  std::string_view bytes;
  uint64_t hash = 0;

  // The part of the hash that chooses within a shard; see table.h.
  uint32_t table_hash() const { return static_cast<uint32_t>(hash); }
};

}  // namespace terrace::keyspace
