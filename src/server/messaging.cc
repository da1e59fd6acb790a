#include "server/messaging.h"

#include <utility>

#include "base/glob.h"

namespace terrace::server {

namespace {

// The thread descriptor's address, as in keyspace/shard_mutex.h.
uintptr_t ThisThread() { return reinterpret_cast<uintptr_t>(__builtin_thread_pointer()); }

}  // namespace

void Messaging::OnWake(size_t worker, Wake wake) { inboxes_[worker].wake = std::move(wake); }

void Messaging::EnterThread(size_t worker) { inboxes_[worker].thread.store(ThisThread()); }

size_t Messaging::CurrentWorker() const {
  for (size_t worker = 0; worker < inboxes_.size(); ++worker) {
    if (inboxes_[worker].thread.load(std::memory_order_relaxed) == ThisThread()) return worker;
  }
  return kNobody;
}

int64_t Messaging::Publish(size_t sender, NameKind kind, std::string_view channel,
                           std::string_view payload) {
  if (subscription_count_.load(std::memory_order_acquire) == 0) return 0;
  int64_t receivers = 0;
  WorkerSet listening = {}, to_wake = {};
  const auto add = [&](const Audience& audience) {
    receivers += audience.total;
    for (size_t worker = 0; worker < inboxes_.size(); ++worker) {
      if (audience.by_worker[worker] > 0) listening[worker / 64] |= uint64_t{1} << worker % 64;
    }
  };
  const auto each = [&](const WorkerSet& set, auto&& visit) {
    for (size_t worker = 0; worker < inboxes_.size(); ++worker) {
      if ((set[worker / 64] >> worker % 64 & 1) != 0) visit(worker);
    }
  };
  {
    std::lock_guard lock(mutex_);
    const auto direct = OfKind(kind).find(channel);
    if (direct != OfKind(kind).end()) add(direct->second);
    std::vector<std::string> patterns;
    if (kind == NameKind::kChannel) {
      for (const auto& [pattern, audience] : OfKind(NameKind::kPattern)) {
        if (!base::GlobMatch(pattern, channel)) continue;
        patterns.push_back(pattern);
        add(audience);
      }
    }
    if (receivers == 0) return 0;
    const auto message = std::make_shared<const Message>(Message{.kind = kind,
                                                                 .channel = std::string(channel),
                                                                 .payload = std::string(payload),
                                                                 .patterns = std::move(patterns)});
    each(listening, [&](size_t worker) {
      if (LeaveLocked(worker, message)) to_wake[worker / 64] |= uint64_t{1} << worker % 64;
    });
  }
  each(to_wake, [&](size_t worker) { WakeUp(worker, sender); });
  return receivers;
}

void Messaging::Leave(size_t worker, Delivery message) {
  bool must_wake;
  {
    std::lock_guard lock(mutex_);
    must_wake = LeaveLocked(worker, message);
  }
  if (must_wake) WakeUp(worker, CurrentWorker());
}

void Messaging::LeaveForAll(Delivery message) {
  for (size_t worker = 0; worker < inboxes_.size(); ++worker) {
    bool must_wake = false;
    {
      std::lock_guard lock(mutex_);
      must_wake = LeaveLocked(worker, message);
    }
    if (must_wake) WakeUp(worker, CurrentWorker());
  }
}

void Messaging::FeedMonitors(std::string line) {
  auto message = std::make_shared<Message>();
  message->what = Message::What::kMonitorLine;
  message->payload = std::move(line);
  std::vector<size_t> to_wake;
  {
    std::lock_guard lock(mutex_);
    for (size_t worker = 0; worker < inboxes_.size(); ++worker) {
      if (inboxes_[worker].monitors == 0) continue;
      if (LeaveLocked(worker, message)) to_wake.push_back(worker);
    }
  }
  for (const size_t worker : to_wake) WakeUp(worker, CurrentWorker());
}

void Messaging::ChangeMonitors(size_t worker, int change, Deliveries* before) {
  std::lock_guard lock(mutex_);
  TakeLocked(worker, before);
  inboxes_[worker].monitors += change;
  monitor_count_.fetch_add(change, std::memory_order_release);
}

void Messaging::WakeUp(size_t worker, size_t sender) {
  const Wake& wake = inboxes_[worker].wake;
  worker == sender ? wake.by_itself() : wake.by_others();
}

void Messaging::Subscribe(size_t worker, NameKind kind, std::string_view name, Deliveries* before) {
  std::lock_guard lock(mutex_);
  TakeLocked(worker, before);
  auto found = OfKind(kind).find(name);
  if (found == OfKind(kind).end()) {
    found = OfKind(kind).emplace(std::string(name), Audience(inboxes_.size())).first;
  }
  ++found->second.total;
  ++found->second.by_worker[worker];
  subscription_count_.fetch_add(1, std::memory_order_release);
}

void Messaging::Unsubscribe(size_t worker, NameKind kind, std::string_view name,
                            Deliveries* before) {
  std::lock_guard lock(mutex_);
  TakeLocked(worker, before);
  const auto found = OfKind(kind).find(name);
  --found->second.by_worker[worker];
  if (--found->second.total == 0) OfKind(kind).erase(found);
  subscription_count_.fetch_sub(1, std::memory_order_release);
}

void Messaging::Take(size_t worker, Deliveries* mail) {
  std::lock_guard lock(mutex_);
  TakeLocked(worker, mail);
}

void Messaging::TakeLocked(size_t worker, Deliveries* mail) {
  Inbox& inbox = inboxes_[worker];
  mail->clear();
  mail->swap(inbox.mail);
  inbox.is_filled.store(false, std::memory_order_release);
}

bool Messaging::LeaveLocked(size_t worker, const Delivery& delivery) {
  Inbox& inbox = inboxes_[worker];
  const bool was_empty = inbox.mail.empty();
  inbox.mail.push_back(delivery);
  inbox.is_filled.store(true, std::memory_order_release);
  return was_empty;
}

size_t Messaging::NameCount(NameKind kind) const {
  std::lock_guard lock(mutex_);
  return OfKind(kind).size();
}

int64_t Messaging::SubscriptionCount(NameKind kind, std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto found = OfKind(kind).find(name);
  return found != OfKind(kind).end() ? found->second.total : 0;
}

std::vector<std::string> Messaging::Names(NameKind kind,
                                          std::optional<std::string_view> pattern) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, audience] : OfKind(kind)) {
    if (!pattern || base::GlobMatch(*pattern, name)) names.push_back(name);
  }
  return names;
}

}  // namespace terrace::server
