#pragma once

// ShardMutex: a shard's lock. A thread that holds it may take it again: EXEC and scripts hold the
// locks of all they touch while the commands inside them take their own.
//
// Threads: thread-safe. Several are taken in index order only (see ShardLock), so a thread that
//          holds some and needs one that it does not hold is wrong, not slow.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace terrace::keyspace {

// LockWait: is told of threads that wait long for a lock, as somebody else's command takes long.
class LockWait {
 public:
  virtual ~LockWait() = default;
  // Called by the waiting thread, again and again; false: give up if that is possible.
  virtual bool KeepWaiting() = 0;
};

class ShardMutex {
 public:
  void lock() {
    if (try_lock()) return;
    bool ignored;
    while (!WaitABit(&ignored)) {
    }
  }
  // Like lock, but answers false without the lock when the LockWait wants that.
  bool lock_or_give_up() {
    if (try_lock()) return true;
    bool keeps_waiting = true;
    while (keeps_waiting) {
      if (WaitABit(&keeps_waiting)) return true;
    }
    return false;
  }
  bool try_lock() {
    if (IsMine()) {
      ++depth_;
      return true;
    }
    if (!mutex_.try_lock()) return false;
    owner_.store(Self(), std::memory_order_relaxed);
    return true;
  }
  void unlock() {
    if (depth_ > 0) {
      --depth_;
      return;
    }
    owner_.store(kNobody, std::memory_order_relaxed);
    mutex_.unlock();
  }
  // Not thread-safe: set before the first request.
  void set_lock_wait(LockWait* lock_wait) { lock_wait_ = lock_wait; }

  // Does the calling thread hold it?
  bool IsMine() const { return owner_.load(std::memory_order_relaxed) == Self(); }

 private:
  static constexpr uintptr_t kNobody = 0;
  // The thread descriptor's address: one register read, where std::this_thread::get_id is a call.
  static uintptr_t Self() { return reinterpret_cast<uintptr_t>(__builtin_thread_pointer()); }

  bool WaitABit(bool* keeps_waiting) {
    constexpr std::chrono::milliseconds kPatience{5};
    if (mutex_.try_lock_for(kPatience)) {
      owner_.store(Self(), std::memory_order_relaxed);
      return true;
    }
    *keeps_waiting = lock_wait_ == nullptr || lock_wait_->KeepWaiting();
    return false;
  }

  std::timed_mutex mutex_;
  LockWait* lock_wait_ = nullptr;
  // Only the owner can find itself here, so a stale value of another thread misleads nobody.
  std::atomic<uintptr_t> owner_{kNobody};
  int depth_ = 0;  // of the owner's further locks
};

}  // namespace terrace::keyspace
