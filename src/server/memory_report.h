#pragma once

// MemoryReport: where the bytes of the process are, for INFO memory and MEMORY STATS.
//
// Threads: any thread.
// Units:   bytes.

#include <cstdint>

#include "base/memory.h"
#include "server/core.h"

namespace terrace::server {

struct MemoryReport {
  uint64_t used = 0;      // that the process has allocated
  uint64_t peak = 0;      // the most that `used` has been
  uint64_t startup = 0;   // what was used before the first key
  int64_t overhead = 0;   // used, beside the keyspace
  uint64_t dataset = 0;   // of the keyspace
  uint64_t resident = 0;  // of the process, as the kernel says
  base::MemoryStats allocator;
  uint64_t clients = 0;
  uint64_t replicas = 0;
  uint64_t append_buffer = 0;
  uint64_t script_vms = 0;
  uint64_t function_vms = 0;
  uint64_t scripts = 0;    // sources of EVAL
  uint64_t functions = 0;  // libraries

  // Of what has been allocated since the start, from 0 to 1.
  double dataset_share() const;
};

MemoryReport ReadMemoryReport(const Core& core);

// 0 where there is no whole.
double Ratio(uint64_t part, uint64_t whole);
int64_t Difference(uint64_t more, uint64_t less);

}  // namespace terrace::server
