#pragma once

// Messaging: what is to be told to connections of other workers, in one order for all. Knows how
// many subscriptions each worker has to each name; which connections those are is the affair of
// the worker's PushDesk.
//
// Promises:  every worker takes messages in the order in which they were published, and a message
//            that was published before another began to be is before it.
// Threads:   thread-safe. Its mutex comes after those of shards and before those of mailboxes.
// See:       docs/messaging.md

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/subscriptions.h"

namespace terrace::server {

// One published message, shared by the workers it goes to.
struct Message {
  NameKind kind = NameKind::kChannel;  // or kShardChannel
  std::string channel;
  std::string payload;
  std::vector<std::string> patterns;  // those subscribed to that match, on any worker
};

using Delivery = std::shared_ptr<const Message>;
using Deliveries = std::vector<Delivery>;

class Messaging {
 public:
  explicit Messaging(size_t worker_count) : inboxes_(worker_count) {}

  static constexpr size_t kNobody = static_cast<size_t>(-1);

  // What is called, without any lock of ours, when a worker's inbox fills: by_others on any other
  // thread, by_itself on its own.
  struct Wake {
    std::function<void()> by_others;
    std::function<void()> by_itself;
  };
  // Not thread-safe: set before the workers start.
  void OnWake(size_t worker, Wake wake);

  // The calling thread is this worker's from now on.
  void EnterThread(size_t worker);
  // The worker whose thread calls, or kNobody.
  size_t CurrentWorker() const;

  // Leaves the message for everybody who listens and returns how many subscriptions that are.
  // sender: CurrentWorker().
  int64_t Publish(size_t sender, NameKind kind, std::string_view channel, std::string_view payload);

  // One subscription more, or less, of a worker. *before gets what the worker had in its inbox up
  // to this moment: it is for who was subscribed before.
  void Subscribe(size_t worker, NameKind kind, std::string_view name, Deliveries* before);
  void Unsubscribe(size_t worker, NameKind kind, std::string_view name, Deliveries* before);

  // Does the inbox of this worker hold anything? Takes no lock.
  bool HasMail(size_t worker) const {
    return inboxes_[worker].is_filled.load(std::memory_order_acquire);
  }
  // Moves the inbox of this worker into *mail, which is cleared before.
  void Take(size_t worker, Deliveries* mail);

  // Names of this kind that have a subscriber.
  size_t NameCount(NameKind kind) const;
  // Subscriptions to one name.
  int64_t SubscriptionCount(NameKind kind, std::string_view name) const;
  // The names that match the pattern, or all.
  std::vector<std::string> Names(NameKind kind, std::optional<std::string_view> pattern) const;

 private:
  struct Inbox {
    Deliveries mail;  // guarded by mutex_
    std::atomic<bool> is_filled{false};
    Wake wake;
    std::atomic<uintptr_t> thread{0};
  };
  struct Audience {
    explicit Audience(size_t worker_count) : by_worker(worker_count) {}
    int64_t total = 0;
    std::vector<uint32_t> by_worker;
  };
  using Audiences = std::unordered_map<std::string, Audience, NameHash, std::equal_to<>>;
  // Up to 128 workers.
  using WorkerSet = std::array<uint64_t, 2>;

  Audiences& OfKind(NameKind kind) { return audiences_[static_cast<size_t>(kind)]; }
  const Audiences& OfKind(NameKind kind) const { return audiences_[static_cast<size_t>(kind)]; }
  void TakeLocked(size_t worker, Deliveries* mail);
  void WakeUp(size_t worker, size_t sender);
  // Returns whether the worker must be woken.
  bool LeaveLocked(size_t worker, const Delivery& delivery);

  mutable std::mutex mutex_;
  std::array<Audiences, kNameKinds> audiences_;  // guarded by mutex_
  std::atomic<int64_t> subscription_count_{0};   // changed under mutex_
  std::vector<Inbox> inboxes_;
};

}  // namespace terrace::server
