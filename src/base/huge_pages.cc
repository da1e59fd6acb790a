#include "base/huge_pages.h"

#include <sys/prctl.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "base/memory.h"

namespace terrace::base {
namespace {

constexpr std::chrono::milliseconds kWatchPeriod{100};

// Of the whole process, for pages that it gets from now on.
void Permit(bool permitted) { prctl(PR_SET_THP_DISABLE, permitted ? 0 : 1, 0, 0, 0); }

#ifndef TERRACE_NO_JEMALLOC  // else nobody asks for them, and sanitizers want to come first

void ForbidAtFirst() { Permit(false); }

// The allocator asks for huge pages from its first block on, and the constructors of shared
// libraries have several before main(). What stands in this section of a program runs before those.
[[gnu::section(".preinit_array"), gnu::used]] void (*const forbid_at_first)() = ForbidAtFirst;

#endif

void PermitWhenLarge(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    if (ReadResidentBytes() >= HugePages::kResidentBytesMin) {
      Permit(true);
      return;
    }
    stopped.wait_for(lock, stop, kWatchPeriod, [] { return false; });
  }
}

}  // namespace

HugePages::HugePages(Use use) {
  if (use != Use::kWhenLarge) return;
  // Before there are threads: no descriptor comes and goes on one while another opens sockets.
  static_cast<void>(ReadResidentBytes());
  watch_ = std::jthread(PermitWhenLarge);
}

}  // namespace terrace::base
