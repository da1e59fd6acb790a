#pragma once

// HugePages: transparent huge pages for a process that has become large. A page of 2 MiB in place
// of 512 small ones leaves the kernel that much less to walk: whoever measures or reclaims memory
// there (DAMON, kswapd, a hypervisor's balloon) holds the workers up for a fraction of the time, a
// fork for a snapshot copies a fraction of the tables, and lookups miss the TLB less often. A small
// process would only pay: each area of the allocator that ends within a page has all of it.
//
// Nothing happens where the kernel has none to give (transparent_hugepage/enabled: never).

#include <cstddef>
#include <thread>

namespace terrace::base {

class HugePages {
 public:
  // Small pages only, until the process has this much in memory.
  static constexpr size_t kResidentBytesMin = size_t{128} << 20;

  enum class Use { kWhenLarge, kNever };

  // One for a process, before it grows. A thread of its own watches it grow, and ends then.
  explicit HugePages(Use use);

 private:
  std::jthread watch_;
};

}  // namespace terrace::base
