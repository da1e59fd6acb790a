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
#include <utility>
#include <vector>

#include "server/subscriptions.h"

namespace terrace::server {

// One piece of news, shared by the workers it goes to.
struct Message {
  enum class What : uint8_t {
    kMessage,         // published
    kMonitorLine,     // payload: a line for every MONITOR
    kInvalidation,    // payload: an array of keys, or empty: all; clients: who tracks, empty: all
    kRedirected,      // an invalidation for clients[0] in place of writer; payload: array or null
    kRedirectBroken,  // clients[0] redirects to a client that is gone
    kDisconnect,      // clients are to be disconnected
  };
  What what = What::kMessage;
  NameKind kind = NameKind::kChannel;  // or kShardChannel
  std::string channel;
  std::string payload;
  std::vector<std::string> patterns;  // those subscribed to that match, on any worker
  std::vector<uint64_t> clients;
  bool is_broadcast = false;  // an invalidation by prefix
  uint64_t writer = 0;        // the client that caused it; 0: none
  size_t writer_worker = 0;
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

  // Leaves something for one worker, or for all.
  void Leave(size_t worker, Delivery message);
  void LeaveForAll(Delivery message);

  // Lines of MONITOR: for the workers that have such clients.
  bool has_monitors() const { return monitor_count_.load(std::memory_order_acquire) > 0; }
  void FeedMonitors(std::string line);
  void ChangeMonitors(size_t worker, int change, Deliveries* before);

  // The client whose request the calling thread executes; 0: none. For workers' threads.
  uint64_t running_client() const {
    const size_t worker = CurrentWorker();
    return worker != kNobody ? inboxes_[worker].running_client : 0;
  }
  // Returns who it was before: for what one client's request does on behalf of another.
  uint64_t ExchangeRunningClient(uint64_t id) {
    const size_t worker = CurrentWorker();
    return worker != kNobody ? std::exchange(inboxes_[worker].running_client, id) : 0;
  }
  void set_running_client(size_t worker, uint64_t id) { inboxes_[worker].running_client = id; }

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
    int64_t monitors = 0;         // guarded by mutex_
    uint64_t running_client = 0;  // the worker's thread only
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
  std::atomic<int64_t> monitor_count_{0};        // likewise
  std::vector<Inbox> inboxes_;
};

}  // namespace terrace::server
