#pragma once

// UvLoop: the Loop of one real thread, on libuv.
//
// Ownership: FdWatchers must be destroyed before their loop. Tasks still queued when the loop is
//            destroyed are dropped unrun.
// Threads:   Run() makes the calling thread the loop's thread. Post and Stop from any thread.

#include <cstddef>
#include <memory>

#include "runtime/loop.h"

namespace terrace::runtime {

// The system's clocks. One for the process; safe from any thread.
class SystemClock : public base::Clock {
 public:
  SystemClock();
  int64_t MonoUs() const override;
  int64_t WallMs() const override;
  int64_t NowMs() const override;
  int64_t WallUs() const override;
  int64_t NowUs() const override;

 private:
  int64_t wall_minus_mono_us_;  // as it was at start-up
};

// Has Offload run so many tasks of all loops at once, unless the environment says otherwise
// (UV_THREADPOOL_SIZE). REQUIRES: no other thread yet; before the first Offload of the process.
void SetHelperThreads(size_t count);

class UvLoop : public Loop {
 public:
  // REQUIRES: clock outlives the loop.
  explicit UvLoop(const base::Clock* clock);
  ~UvLoop() override;
  UvLoop(const UvLoop&) = delete;
  UvLoop& operator=(const UvLoop&) = delete;

  // Runs until Stop().
  void Run();
  void Stop();

  const base::Clock& clock() const override;
  void Post(base::Task task) override;
  void Defer(base::Task task) override;
  TimerId After(int64_t delay_ms, base::Task task) override;
  void Cancel(TimerId id) override;
  std::unique_ptr<FdWatcher> Watch(int fd, base::Function<void(int)> on_events) override;
  void Offload(base::Task work, base::Task done) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace terrace::runtime
