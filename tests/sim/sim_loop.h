#pragma once

// SimLoop: the Loop of the simulation: virtual time, and one seeded choice of what runs next.
//
// Posted tasks keep the order of one poster, as the interface promises. Timers and events that are
// due run in any order between each other and between posted tasks: whoever relies on more than
// the interface promises is found out. Time stands still while anything is ready.
//
// Units: microseconds, unless a name says otherwise.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/rng.h"
#include "runtime/loop.h"

namespace terrace::sim {

class SimClock : public base::Clock {
 public:
  int64_t MonoUs() const override { return mono_us; }
  int64_t WallMs() const override { return 1600000000000 + mono_us / 1000; }
  int64_t NowMs() const override { return WallMs(); }

  int64_t mono_us = 1000000;
};

class SimLoop : public runtime::Loop {
 public:
  // Events fall on a coarse grid, so that many are due at the same moment.
  static constexpr int64_t kGridUs = 250;

  explicit SimLoop(uint64_t seed) : rng_(seed) {}

  const base::Clock& clock() const override { return clock_; }
  int64_t now_us() const { return clock_.mono_us; }
  uint64_t steps() const { return steps_; }

  void Post(base::Task task) override { posted_.push_back(std::move(task)); }
  runtime::TimerId After(int64_t delay_ms, base::Task task) override {
    return AfterUs(delay_ms * 1000, std::move(task));
  }
  runtime::TimerId AfterUs(int64_t delay_us, base::Task task) {
    const runtime::TimerId id = next_id_++;
    const int64_t due_us = now_us() + (delay_us + kGridUs - 1) / kGridUs * kGridUs;
    // A random middle part of the key shuffles what is due at the same moment.
    timers_.emplace(Due{due_us, rng_.Next(), id}, std::move(task));
    return id;
  }
  void Cancel(runtime::TimerId id) override {
    std::erase_if(timers_, [id](const auto& timer) { return timer.first.id == id; });
  }
  std::unique_ptr<runtime::FdWatcher> Watch(int, base::Function<void(int)>) override {
    base::CheckFailed("the simulation has no descriptors", __FILE__, __LINE__);
  }
  void Offload(base::Task, base::Task) override {
    base::CheckFailed("the simulation has no helper threads", __FILE__, __LINE__);
  }

  // Runs one task; false when there is none at or before until_us.
  bool Step(int64_t until_us) {
    const bool is_due = !timers_.empty() && timers_.begin()->first.at_us <= now_us();
    if (!posted_.empty() && (!is_due || rng_.Below(2) == 0)) {
      base::Task task = std::move(posted_.front());
      posted_.pop_front();
      Run(std::move(task));
      return true;
    }
    if (timers_.empty() || timers_.begin()->first.at_us > until_us) return false;
    auto timer = timers_.extract(timers_.begin());
    if (timer.key().at_us > now_us()) {
      clock_.mono_us = timer.key().at_us;
      steps_now_ = 0;
    }
    Run(std::move(timer.mapped()));
    return true;
  }
  // Tasks that have run without time passing: a livelock when it keeps growing.
  uint64_t steps_now() const { return steps_now_; }

 private:
  struct Due {
    int64_t at_us;
    uint64_t shuffle;
    runtime::TimerId id;
    auto operator<=>(const Due&) const = default;
  };
  void Run(base::Task task) {
    ++steps_;
    ++steps_now_;
    std::move(task)();
  }

  SimClock clock_;
  base::Rng rng_;
  std::deque<base::Task> posted_;
  std::map<Due, base::Task> timers_;
  runtime::TimerId next_id_ = 1;
  uint64_t steps_ = 0;
  uint64_t steps_now_ = 0;
};

}  // namespace terrace::sim
