#include "keyspace/reclaimer.h"

#include <utility>

#include "base/background.h"

namespace terrace::keyspace {

Reclaimer::~Reclaimer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Reclaimer::Later(Load load, base::Task free) {
  if (background_) {
    std::lock_guard lock(mutex_);
    if (jobs_.size() < kPendingMax) {
      if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
      pending_objects_.fetch_add(load.objects, std::memory_order_relaxed);
      pending_bytes_.fetch_add(load.bytes, std::memory_order_relaxed);
      jobs_.push_back({load, std::move(free)});
      wake_.notify_one();
      return;
    }
  }
  free();
  freed_objects_.fetch_add(load.objects, std::memory_order_relaxed);
}

void Reclaimer::Run() {
  base::LowerThreadPriority();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job.free();
      pending_objects_.fetch_sub(job.load.objects, std::memory_order_relaxed);
      pending_bytes_.fetch_sub(job.load.bytes, std::memory_order_relaxed);
      freed_objects_.fetch_add(job.load.objects, std::memory_order_relaxed);
    }
    lock.lock();
  }
}

}  // namespace terrace::keyspace
