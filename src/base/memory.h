#pragma once

// Sized allocation on jemalloc, with the exact cost of each block. The keyspace counts memory with
// AllocationSize, so that what it reports is what the allocator really spends.

#include <cstddef>
#include <cstdint>
#include <string>

namespace terrace::base {

// Never returns nullptr; running out of memory aborts. REQUIRES: bytes > 0.
void* Allocate(size_t bytes);
// REQUIRES: bytes is what was asked of Allocate.
void Free(void* block, size_t bytes);

// The bytes the allocator spends on a request of this size: jemalloc's size classes (multiples of
// 16 up to 128, then four classes per doubling).
inline size_t AllocationSize(size_t bytes) {
  if (bytes <= 8) return 8;
  if (bytes <= 128) return (bytes + 15) & ~size_t{15};
  const int doubling = 63 - __builtin_clzll(bytes - 1);  // 2^doubling < bytes <= 2^(doubling+1)
  const size_t step = size_t{1} << (doubling - 2);
  return (bytes + step - 1) & ~(step - 1);
}

struct MemoryStats {
  size_t allocated = 0;  // bytes in live allocations
  size_t active = 0;     // bytes in pages that hold them
  size_t resident = 0;   // bytes mapped in physical memory by the allocator
};

// Costs some tens of microseconds: for a periodic job, not for a request. All zero where the
// allocator does not tell (sanitizer builds).
MemoryStats ReadMemoryStats();

// The process's resident set in bytes, from the kernel. The first call opens what all of them read.
size_t ReadResidentBytes();

// Lets the allocator return unused pages from a thread of its own, of lower priority.
void EnableBackgroundPurge();
// Returns what can be returned now (MEMORY PURGE).
void PurgeNow();

// Everything the allocator tells about itself, for people (MEMORY MALLOC-STATS).
std::string DescribeAllocator();

// "jemalloc-5.3.0", or "libc" where jemalloc is not linked.
const char* AllocatorName();

}  // namespace terrace::base
