#pragma once

// TestLoop: a real UvLoop that a test drives from its own thread, a while at a time.

#include <cstdint>
#include <functional>

#include "runtime/uv_loop.h"

namespace terrace::test {

class TestLoop {
 public:
  TestLoop() : loop_(&clock_) {}

  runtime::Loop* get() { return &loop_; }
  int64_t InMs(int64_t ms) const { return clock_.MonoUs() + ms * 1000; }

  // Runs the loop until condition holds or limit_ms have passed; says whether it holds.
  bool RunUntil(const std::function<bool()>& condition, int64_t limit_ms = 10000) {
    const int64_t end_us = InMs(limit_ms);
    while (!condition() && clock_.MonoUs() < end_us) RunSome(1);
    return condition();
  }

  void RunFor(int64_t ms) {
    RunUntil([] { return false; }, ms);
  }

 private:
  void RunSome(int64_t ms_max) {
    const runtime::TimerId timer = loop_.After(ms_max, [this] { loop_.Stop(); });
    loop_.Run();
    loop_.Cancel(timer);
  }

  runtime::SystemClock clock_;
  runtime::UvLoop loop_;
};

}  // namespace terrace::test
