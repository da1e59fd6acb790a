#pragma once

// BackgroundSave: a snapshot of one moment, written by a forked process while this one goes on.
//
//   Start: take every shard's lock; fork; let go        (any thread)
//     the child: write the file, put it in place, report through a pipe, end
//     the home loop: hears the pipe, collects the child, calls on_end
//
// The fork happens while no shard is being changed, so the child's memory is the keyspace at that
// moment. Of the threads the child has only the one that forked, and so it must not touch what
// another may have been holding: it writes no log, turns no loop, takes no lock. The allocator
// makes itself usable after a fork. It closes every descriptor it was born with, or connections
// that the parent closes would stay open; it ends with its parent, and is nicer than it.
//
// Promises:  one child at a time. on_end is called once for each Start that answered "", on the
//            home loop; not once this is being destroyed.
// Ownership: keyspace and loop outlive it. Destruction ends the child and removes what it wrote.
// Threads:   as said above; everything else from any thread.
// Units:     milliseconds on MonoUs time; bytes.
// Errors:    Start answers why there is no child; a failing child is told in the outcome.

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/task.h"
#include "keyspace/keyspace.h"
#include "replication/snapshot_writer.h"
#include "runtime/loop.h"

namespace terrace::replication {

class BackgroundSave {
 public:
  struct Outcome {
    std::string error;  // "": the file is in its place
    uint64_t bytes = 0;
    uint64_t keys = 0;
    uint64_t copied_bytes = 0;  // memory that the two processes no longer shared at the end
    int64_t elapsed_ms = 0;
  };
  using OnEnd = base::Function<void(const Outcome&)>;

  BackgroundSave(keyspace::Keyspace* keyspace, runtime::Loop* home);
  ~BackgroundSave();
  BackgroundSave(const BackgroundSave&) = delete;
  BackgroundSave& operator=(const BackgroundSave&) = delete;

  static constexpr const char* kInProgress = "Background save already in progress";
  // REQUIRES: the caller holds no shard lock, or all of them.
  [[nodiscard]] std::string Start(const std::string& path, const SnapshotContent& content,
                                  OnEnd on_end);
  // Ends the child, if there is one; on_end then hears of a failure.
  void Kill();

  bool in_progress() const { return in_progress_.load(std::memory_order_acquire); }
  // How long the present child has been at work; -1: there is none.
  int64_t running_ms() const;
  int64_t last_fork_us() const { return last_fork_us_.load(std::memory_order_relaxed); }
  uint64_t forks() const { return forks_.load(std::memory_order_relaxed); }

 private:
  struct Child;

  void Attend();
  void ReadReport();
  void Collect();

  keyspace::Keyspace* const keyspace_;
  runtime::Loop* const home_;
  std::atomic<bool> in_progress_{false};
  std::atomic<int64_t> begin_us_{0};
  std::atomic<int64_t> last_fork_us_{0};
  std::atomic<uint64_t> forks_{0};
  mutable std::mutex mutex_;
  std::unique_ptr<Child> child_;                 // guarded by mutex_; set while in_progress_
  std::unique_ptr<runtime::FdWatcher> watcher_;  // the home loop's
};

}  // namespace terrace::replication
