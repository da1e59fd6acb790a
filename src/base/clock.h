#pragma once

// Clock: the only source of time. Passed in, so that the simulation owns it.
//
// Units:   MonoUs is microseconds on a clock that never steps; use it for timeouts and latencies.
//          WallMs is Unix time in milliseconds; it may step.
//          NowMs is Unix time as it was at start-up plus the monotonic time since: it reads like
//          wall time but never steps. Deadlines of keys are kept on it, so that a step of the wall
//          clock neither expires nor revives anything; convert at the edges (EXPIREAT, EXPIRETIME)
//          with WallMs() - NowMs().
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
};

}  // namespace terrace::base
