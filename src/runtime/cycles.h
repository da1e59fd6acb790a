#pragma once

// ReadCycles: a counter that is cheap enough to read twice a command, in units that only
// CyclesToUs understands. The time-stamp counter on x86, the monotonic clock elsewhere.
//
// Promises: monotonic on one thread; comparable between threads on machines with an invariant TSC.

#include <chrono>
#include <cstdint>

namespace terrace::runtime {

inline uint64_t ReadCycles() {
#ifdef __x86_64__
  return __builtin_ia32_rdtsc();  // <x86intrin.h> would bring 40,000 lines for it
#else
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// Learns the length of a cycle from two readings of both clocks: made at start-up, asked later.
class CycleScale {
 public:
  explicit CycleScale(int64_t mono_us) : start_us_(mono_us), start_cycles_(ReadCycles()) {}

  // Microseconds a cycle takes. mono_us: the same clock as at construction, now.
  double UsPerCycle(int64_t mono_us) const {
    const double cycles = static_cast<double>(ReadCycles() - start_cycles_);
    return cycles > 0 ? static_cast<double>(mono_us - start_us_) / cycles : 0;
  }

 private:
  const int64_t start_us_;
  const uint64_t start_cycles_;
};

}  // namespace terrace::runtime
