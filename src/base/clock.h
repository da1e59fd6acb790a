#pragma once

// Clock: the only source of time. Passed in, so that the simulation owns it.
//
// Units:   MonoUs is microseconds on a clock that never steps; use it for timeouts and latencies.
//          WallMs is Unix time in milliseconds; it may step.
//          NowMs is Unix time as it was at start-up plus the monotonic time since: it reads like
//          wall time but never steps. Deadlines of keys are kept on it, so that a step of the wall
//          clock neither expires nor revives anything; convert at the edges (EXPIREAT, EXPIRETIME)
//          with WallAheadMs().
// Threads: implementations are safe to read from any thread.

#include <cstdint>

namespace terrace::base {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t MonoUs() const = 0;
  virtual int64_t WallMs() const = 0;
  // WallMs in microseconds, as far as the clock tells.
  virtual int64_t WallUs() const { return WallMs() * 1000; }
  virtual int64_t NowMs() const = 0;
  // NowMs likewise.
  virtual int64_t NowUs() const { return NowMs() * 1000; }

  // WallMs - NowMs, to the nearest: how far the wall clock has been stepped. The same every time
  // until it is stepped again, though the two are read one after the other.
  int64_t WallAheadMs() const {
    constexpr int kAttempts = 3;
    constexpr int64_t kInterruptedUs = 250;
    int64_t ahead_us = 0;
    for (int i = 0; i < kAttempts; ++i) {
      const int64_t before_us = NowUs();
      ahead_us = WallUs() - before_us;
      if (NowUs() - before_us < kInterruptedUs) break;
    }
    const int64_t rounded_us = ahead_us + 500;
    return rounded_us >= 0 ? rounded_us / 1000 : (rounded_us - 999) / 1000;
  }
};

}  // namespace terrace::base
