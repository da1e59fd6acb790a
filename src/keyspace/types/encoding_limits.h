#pragma once

// EncodingLimits: up to what size a value keeps its compact encoding, plus the seed its hash table
// takes when it outgrows it. One instance per keyspace, passed to every call that may convert.

#include <cstddef>
#include <cstdint>

namespace terrace::keyspace {

struct EncodingLimits {
  size_t hash_max_listpack_entries = 128;
  size_t hash_max_listpack_value = 64;
  size_t set_max_intset_entries = 512;
  size_t set_max_listpack_entries = 128;
  size_t set_max_listpack_value = 64;
  size_t zset_max_listpack_entries = 128;
  size_t zset_max_listpack_value = 64;
  // Random per process, so that nobody outside can aim members at one bucket.
  uint64_t hash_seed = 0;
};

}  // namespace terrace::keyspace
