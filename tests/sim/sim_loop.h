#pragma once

// SimLoop: all loops of the simulation: virtual time, and one seeded choice of what runs next. It
// is the home loop itself; the workers' loops are its lanes.
//
// Posted tasks keep the order of one poster, as the interface promises; between posters, timers and
// events that are due any order may come: whoever relies on more than the interface promises is
// found out. Time stands still while anything is ready.
//
// Units: microseconds, unless a name says otherwise.

#include <array>
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

  // The loop of one more thread; 0 is this one.
  static constexpr int kLanes = 3;

  void Post(base::Task task) override { PostTo(0, std::move(task)); }
  void PostTo(int lane, base::Task task) {
    posted_[static_cast<size_t>(lane_)][static_cast<size_t>(lane)].push_back(std::move(task));
  }
  runtime::TimerId After(int64_t delay_ms, base::Task task) override {
    return AfterUs(delay_ms * 1000, std::move(task));
  }
  // The task runs on this lane: what it posts keeps the order among what that lane posts.
  runtime::TimerId AfterUs(int64_t delay_us, base::Task task, int lane = 0) {
    const runtime::TimerId id = next_id_++;
    const int64_t due_us = now_us() + (delay_us + kGridUs - 1) / kGridUs * kGridUs;
    // A random middle part of the key shuffles what is due at the same moment.
    timers_.emplace(Due{due_us, rng_.Next(), id}, Timer{std::move(task), lane});
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
    std::array<std::deque<base::Task>*, size_t{kLanes} * kLanes> ready;
    std::array<int, ready.size()> lanes;
    size_t ready_count = 0;
    for (auto& from : posted_) {
      for (size_t to = 0; to < from.size(); ++to) {
        if (from[to].empty()) continue;
        lanes[ready_count] = static_cast<int>(to);
        ready[ready_count++] = &from[to];
      }
    }
    if (ready_count > 0 && (!is_due || rng_.Below(2) == 0)) {
      const size_t chosen = rng_.Below(ready_count);
      base::Task task = std::move(ready[chosen]->front());
      ready[chosen]->pop_front();
      Run(std::move(task), lanes[chosen]);
      return true;
    }
    if (timers_.empty() || timers_.begin()->first.at_us > until_us) return false;
    auto timer = timers_.extract(timers_.begin());
    if (timer.key().at_us > now_us()) {
      clock_.mono_us = timer.key().at_us;
      steps_now_ = 0;
    }
    Run(std::move(timer.mapped().task), timer.mapped().lane);
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
  struct Timer {
    base::Task task;
    int lane;
  };
  void Run(base::Task task, int lane) {
    ++steps_;
    ++steps_now_;
    lane_ = lane;
    std::move(task)();
    lane_ = 0;
  }

  SimClock clock_;
  base::Rng rng_;
  int lane_ = 0;                                                           // that runs now
  std::array<std::array<std::deque<base::Task>, kLanes>, kLanes> posted_;  // from, to
  std::map<Due, Timer> timers_;
  runtime::TimerId next_id_ = 1;
  uint64_t steps_ = 0;
  uint64_t steps_now_ = 0;
};

// SimLane: the loop of a worker's thread.
class SimLane : public runtime::Loop {
 public:
  SimLane(SimLoop* home, int lane) : home_(home), lane_(lane) {}

  const base::Clock& clock() const override { return home_->clock(); }
  void Post(base::Task task) override { home_->PostTo(lane_, std::move(task)); }
  runtime::TimerId After(int64_t delay_ms, base::Task task) override {
    return AfterUs(delay_ms * 1000, std::move(task));
  }
  runtime::TimerId AfterUs(int64_t delay_us, base::Task task) {
    return home_->AfterUs(delay_us, std::move(task), lane_);
  }
  void Cancel(runtime::TimerId id) override { home_->Cancel(id); }
  std::unique_ptr<runtime::FdWatcher> Watch(int fd, base::Function<void(int)> done) override {
    return home_->Watch(fd, std::move(done));
  }
  void Offload(base::Task work, base::Task done) override {
    home_->Offload(std::move(work), std::move(done));
  }

 private:
  SimLoop* const home_;
  const int lane_;
};

}  // namespace terrace::sim
