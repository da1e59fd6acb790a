#include "base/memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "base/background.h"
#include "base/check.h"

#ifndef TERRACE_NO_JEMALLOC
#include <jemalloc/jemalloc.h>

// Read by jemalloc when the process begins: its memory may lie in huge pages where the kernel gives
// them on request (transparent_hugepage/enabled: madvise). When they are used: base/huge_pages.h.
// The environment's MALLOC_CONF has the last word.
const char* malloc_conf = "thp:always";
#endif

namespace terrace::base {

void* Allocate(size_t bytes) {
  void* block = std::malloc(bytes);
  TERRACE_CHECK(block != nullptr);
  return block;
}

size_t ReadResidentBytes() {
  static const int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  char text[128];
  const ssize_t size = pread(statm, text, sizeof(text) - 1, 0);
  if (size <= 0) return 0;
  text[size] = '\0';
  unsigned long total = 0, resident = 0;
  const int fields = std::sscanf(text, "%lu %lu", &total, &resident);
  return fields == 2 ? resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

#ifndef TERRACE_NO_JEMALLOC

#define TERRACE_STRINGIFY(x) #x
#define TERRACE_VERSION_OF(a, b, c) \
  "jemalloc-" TERRACE_STRINGIFY(a) "." TERRACE_STRINGIFY(b) "." TERRACE_STRINGIFY(c)

void Free(void* block, size_t bytes) { sdallocx(block, bytes, 0); }

MemoryStats ReadMemoryStats() {
  MemoryStats stats;
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  size = sizeof(size_t);
  mallctl("stats.allocated", &stats.allocated, &size, nullptr, 0);
  mallctl("stats.active", &stats.active, &size, nullptr, 0);
  mallctl("stats.resident", &stats.resident, &size, nullptr, 0);
  return stats;
}

void EnableBackgroundPurge() {
  // It takes its priority from whoever starts it. After a large value has been freed it makes
  // hundreds of calls into the kernel, some of them long.
  std::thread([] {
    LowerThreadPriority();
    bool on = true;
    mallctl("background_thread", nullptr, nullptr, &on, sizeof(on));
  }).join();
}

void PurgeNow() {
  char name[64];
  std::snprintf(name, sizeof(name), "arena.%u.purge", static_cast<unsigned>(MALLCTL_ARENAS_ALL));
  mallctl(name, nullptr, nullptr, nullptr, 0);
}

std::string DescribeAllocator() {
  std::string text;
  const auto append = [](void* to, const char* piece) {
    static_cast<std::string*>(to)->append(piece);
  };
  malloc_stats_print(append, &text, nullptr);
  return text;
}

const char* AllocatorName() {
  return TERRACE_VERSION_OF(JEMALLOC_VERSION_MAJOR, JEMALLOC_VERSION_MINOR,
                            JEMALLOC_VERSION_BUGFIX);
}

#else

void Free(void* block, size_t) { std::free(block); }
MemoryStats ReadMemoryStats() { return {}; }
void EnableBackgroundPurge() {}
void PurgeNow() {}
std::string DescribeAllocator() { return "Stats not supported for the current allocator"; }
const char* AllocatorName() { return "libc"; }

#endif

}  // namespace terrace::base
