#pragma once

// Reclaimer: frees what takes long (a list of millions, a whole database) off the request path, on
// a thread of its own. What is handed over is unreachable already and out of the account, so
// nobody can tell when it goes, except by the process's memory.
//
// Ownership: takes over what a job owns.
// Threads:   thread-safe. The thread starts with the first job and ends, all jobs done, with the
//            reclaimer.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

#include "base/task.h"

namespace terrace::keyspace {

class Reclaimer {
 public:
  // Jobs that wait at most; above that the caller frees by itself, which slows down who deletes.
  static constexpr size_t kPendingMax = size_t{1} << 20;

  // Bytes that wait to be freed above which whoever deletes a large value frees it by himself: else
  // writers could make garbage faster than it goes, without end. A database that is emptied waits
  // whatever its size, as that makes no garbage anew.
  static constexpr int64_t kBehindBytes = int64_t{4} << 30;

  // background false: everything is freed at once, by the caller. For the simulation.
  explicit Reclaimer(bool background) : background_(background) {}
  ~Reclaimer();
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;

  // What a job will free: keys and values, and their bytes.
  struct Load {
    size_t objects;
    int64_t bytes;
  };
  // Runs free soon.
  void Later(Load load, base::Task free);

  // Keys and values that wait to be freed, their bytes, and those freed since the last reset.
  uint64_t pending_objects() const { return pending_objects_.load(std::memory_order_relaxed); }
  int64_t pending_bytes() const { return pending_bytes_.load(std::memory_order_relaxed); }
  bool is_behind() const { return pending_bytes() > kBehindBytes; }
  uint64_t freed_objects() const { return freed_objects_.load(std::memory_order_relaxed); }
  void ResetStats() { freed_objects_.store(0, std::memory_order_relaxed); }

 private:
  struct Job {
    Load load;
    base::Task free;
  };
  void Run();

  const bool background_;
  std::atomic<uint64_t> pending_objects_{0};
  std::atomic<int64_t> pending_bytes_{0};
  std::atomic<uint64_t> freed_objects_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // guarded by mutex_
};

}  // namespace terrace::keyspace
