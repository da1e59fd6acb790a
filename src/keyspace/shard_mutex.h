#pragma once

// ShardMutex: a shard's lock. A thread that holds it may take it again: EXEC and scripts hold the
// locks of all they touch while the commands inside them take their own.
//
// Threads: thread-safe. Several are taken in index order only (see ShardLock), so a thread that
//          holds some and needs one that it does not hold is wrong, not slow.

#include <atomic>
#include <cstdint>
#include <mutex>

namespace terrace::keyspace {

class ShardMutex {
 public:
  void lock() {
    if (IsMine()) {
      ++depth_;
      return;
    }
    mutex_.lock();
    owner_.store(Self(), std::memory_order_relaxed);
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
  // Does the calling thread hold it?
  bool IsMine() const { return owner_.load(std::memory_order_relaxed) == Self(); }

 private:
  static constexpr uintptr_t kNobody = 0;
  // The thread descriptor's address: one register read, where std::this_thread::get_id is a call.
  static uintptr_t Self() { return reinterpret_cast<uintptr_t>(__builtin_thread_pointer()); }

  std::mutex mutex_;
  // Only the owner can find itself here, so a stale value of another thread misleads nobody.
  std::atomic<uintptr_t> owner_{kNobody};
  int depth_ = 0;  // of the owner's further locks
};

}  // namespace terrace::keyspace
