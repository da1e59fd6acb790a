#pragma once

// Loop: one thread's event loop as the rest of the program sees it. The real one (UvLoop) stands on
// libuv; the simulation has its own, so that everything above runs on fake time from one seed.
//
// Promises: callbacks run on the loop's thread, one at a time, never inside the call that asked for
//           them. Posted tasks run in the order posted by one thread.
// Threads:  Post may be called from any thread; everything else only on the loop's thread.
// Units:    delays in milliseconds.

#include <cstdint>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/task.h"

namespace terrace::runtime {

using TimerId = uint64_t;
inline constexpr TimerId kNoTimer = 0;

inline constexpr int kReadable = 1;
inline constexpr int kWritable = 2;
inline constexpr int kFailed = 4;  // said with the other two: see Watch

// FdWatcher: readiness of one descriptor. The owner destroys it before it closes the descriptor;
// after destruction the callback is never called again.
class FdWatcher {
 public:
  virtual ~FdWatcher() = default;
  // Watches for these events (kReadable | kWritable) from now on; 0 watches for none.
  virtual void SetEvents(int events) = 0;
};

class Loop {
 public:
  virtual ~Loop() = default;

  virtual const base::Clock& clock() const = 0;

  // Runs task on this loop soon.
  virtual void Post(base::Task task) = 0;

  // Runs task on this loop before it next sleeps, without waking it: the place to send what a turn
  // has gathered.
  virtual void Defer(base::Task task) { Post(std::move(task)); }

  // Runs task once after delay_ms. The id is never kNoTimer and never reused.
  virtual TimerId After(int64_t delay_ms, base::Task task) = 0;
  // Unknown, fired and kNoTimer ids are ignored.
  virtual void Cancel(TimerId id) = 0;

  // Watches fd (level triggered); on_events receives the ready ones. An error of the descriptor is
  // reported as kReadable | kWritable | kFailed until a read or write finds it: there may be bytes
  // to read before. Who does neither must give the descriptor up, or is told without end.
  virtual std::unique_ptr<FdWatcher> Watch(int fd, base::Function<void(int)> on_events) = 0;

  // Runs work on a helper thread, then done on this loop. For blocking calls (files, DNS).
  virtual void Offload(base::Task work, base::Task done) = 0;
};

}  // namespace terrace::runtime
