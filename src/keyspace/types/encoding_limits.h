#pragma once

// EncodingLimits: up to what size a value keeps its compact encoding, plus the seed its hash table
// takes when it outgrows it. One instance per keyspace, passed to every call that may convert.

#include <cstddef>
#include <cstdint>

namespace terrace::keyspace {

struct EncodingLimits {
  size_t hash_max_listpack_entries = 512;
  size_t hash_max_listpack_value = 64;
  size_t set_max_intset_entries = 512;
  size_t set_max_listpack_entries = 128;
  size_t set_max_listpack_value = 64;
  size_t zset_max_listpack_entries = 128;
  size_t zset_max_listpack_value = 64;
  // Elements of a list node when positive; -1 to -5 stand for 4 to 64 KiB.
  int64_t list_max_listpack_size = -2;
  size_t stream_node_max_bytes = 4096;   // 0: no limit
  size_t stream_node_max_entries = 100;  // 0: no limit
  size_t hll_sparse_max_bytes = 3000;
  // Random per process, so that nobody outside can aim members at one bucket.
  uint64_t hash_seed = 0;
};

}  // namespace terrace::keyspace
