#pragma once

// FakeLoop: a Loop on which time stands still until the test moves it. For state machines; whatever
// needs descriptors or files is tested on the real loop.
//
// Threads: one. Offloaded work runs in RunOffloaded, so that a test can leave it hanging.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "runtime/loop.h"

namespace terrace::test {

class FakeClock : public base::Clock {
 public:
  int64_t MonoUs() const override { return mono_us; }
  int64_t WallMs() const override { return 1600000000000 + mono_us / 1000; }
  int64_t NowMs() const override { return WallMs(); }

  int64_t mono_us = 1000000;
};

class FakeLoop : public runtime::Loop {
 public:
  const base::Clock& clock() const override { return clock_; }
  int64_t InMs(int64_t ms) const { return clock_.mono_us + ms * 1000; }

  void Post(base::Task task) override { posted_.push_back(std::move(task)); }

  runtime::TimerId After(int64_t delay_ms, base::Task task) override {
    const runtime::TimerId id = next_timer_id_++;
    timers_.emplace(std::pair(InMs(delay_ms), id), std::move(task));
    return id;
  }

  void Cancel(runtime::TimerId id) override {
    for (auto timer = timers_.begin(); timer != timers_.end(); ++timer) {
      if (timer->first.second != id) continue;
      timers_.erase(timer);
      return;
    }
  }

  std::unique_ptr<runtime::FdWatcher> Watch(int, base::Function<void(int)>) override {
    base::CheckFailed("FakeLoop has no descriptors", __FILE__, __LINE__);
  }

  void Offload(base::Task work, base::Task done) override {
    offloaded_.emplace_back(std::move(work), std::move(done));
  }

  void RunPosted() {
    while (!posted_.empty()) {
      base::Task task = std::move(posted_.front());
      posted_.pop_front();
      std::move(task)();
    }
  }

  // Lets the oldest offloaded work happen.
  void RunOffloaded() {
    TERRACE_CHECK(!offloaded_.empty());
    auto [work, done] = std::move(offloaded_.front());
    offloaded_.pop_front();
    std::move(work)();
    std::move(done)();
    RunPosted();
  }

  void Advance(int64_t ms) {
    const int64_t until_us = InMs(ms);
    RunPosted();
    while (!timers_.empty() && timers_.begin()->first.first <= until_us) {
      auto timer = timers_.extract(timers_.begin());
      clock_.mono_us = timer.key().first;
      std::move(timer.mapped())();
      RunPosted();
    }
    clock_.mono_us = until_us;
  }

  size_t timer_count() const { return timers_.size(); }
  size_t offloaded_count() const { return offloaded_.size(); }

 private:
  FakeClock clock_;
  std::deque<base::Task> posted_;
  std::map<std::pair<int64_t, runtime::TimerId>, base::Task> timers_;
  std::deque<std::pair<base::Task, base::Task>> offloaded_;
  runtime::TimerId next_timer_id_ = 1;
};

}  // namespace terrace::test
