#include "server/replicas.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "server/request.h"
#include "server/server.h"
#include "server/waiter.h"

namespace terrace::server {

Replicas::Replicas(Core* core, Persistence* persistence, ChangeFeed* changes)
    : core_(core), persistence_(persistence), changes_(changes) {}

// ---- Coming and going --------------------------------------------------------------------------

std::string Replicas::Begin(Connection& connection, Replica::Wants wants) {
  const Settings settings = core_->server->settings();
  const auto replica = std::make_shared<Replica>(
      &connection, wants, settings.client_output_buffer_limit.replica.hard_bytes);
  {
    std::lock_guard lock(mutex_);
    if (all_.size() == kReplicasMax) return "too many replicas";
    all_.push_back(replica);
    waiting_.push_back(replica);
  }
  full_syncs_.fetch_add(1, std::memory_order_relaxed);
  connection.replica = replica;
  connection.view.is_replica.store(true, std::memory_order_relaxed);
  core_->log->Notice("replica_begins", {{"address", connection.view.peer_address}});
  const keyspace::ShardLock lock(*core_->keyspace, core_->keyspace->AllShards());
  if (!persistence_->background().in_progress()) StartWaiting(settings);
  return "";
}

void Replicas::ResetStats() {
  full_syncs_.store(0);
  refused_partial_syncs_.store(0);
}

// REQUIRES: the locks of all shards, which makes what is followed begin where the snapshot ends.
void Replicas::StartWaiting(const Settings& settings) {
  std::vector<std::shared_ptr<Replica>> begun;
  {
    std::lock_guard lock(mutex_);
    begun = std::exchange(waiting_, {});
    saving_.insert(saving_.end(), begun.begin(), begun.end());
  }
  if (begun.empty()) return;
  for (const auto& replica : begun) {
    changes_->Follow(replica);
    replica->AnnounceStart(changes_->stream().id(), changes_->stream().offset());
  }
  const std::string error = Save(settings);
  if (error.empty()) return;
  core_->log->Warning("replica_snapshot_failed", {{"why", error}});
  std::lock_guard lock(mutex_);
  for (const auto& replica : std::exchange(saving_, {})) replica->SendSnapshot(-1, 0);
}

std::string Replicas::Save(const Settings& settings) {
  const std::string path =
      (std::filesystem::path(settings.dir) / ("temp-replicas-" + std::to_string(getpid()) + ".rdb"))
          .string();
  return persistence_->background().Start(
      path, persistence_->Content(settings),
      [this, path](const replication::BackgroundSave::Outcome& outcome) { Saved(outcome, path); });
}

void Replicas::Saved(const replication::BackgroundSave::Outcome& outcome, const std::string& path) {
  if (!outcome.error.empty()) {
    core_->log->Warning("replica_snapshot_failed", {{"why", outcome.error}});
  }
  {
    std::lock_guard lock(mutex_);
    for (const auto& replica : std::exchange(saving_, {})) {
      const int fd = outcome.error.empty() ? open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1;
      struct stat status {};
      if (fd >= 0) fstat(fd, &status);
      replica->SendSnapshot(fd, static_cast<uint64_t>(status.st_size));
    }
  }
  unlink(path.c_str());  // it lives on until all have read it
}

void Replicas::End(Connection& connection) {
  if (connection.replica == nullptr) return;
  Forget(connection.replica.get());
  connection.replica = nullptr;
  core_->log->Notice("replica_ends", {{"address", connection.view.peer_address}});
}

void Replicas::Forget(const Replica* replica) {
  const auto is_it = [&](const auto& one) { return one.get() == replica; };
  std::lock_guard lock(mutex_);
  if (std::erase_if(all_, is_it) == 0) return;
  std::erase_if(waiting_, is_it);
  std::erase_if(saving_, is_it);
  changes_->Unfollow(replica);
}

// ---- What they have ----------------------------------------------------------------------------

void Replicas::Acknowledge(Connection& connection, int64_t offset, int64_t durable) {
  if (connection.replica == nullptr) return;
  connection.replica->Acknowledge(offset, durable, core_->clock->MonoUs() / 1000);
  JudgeWrites();
  AnswerAwaited();
}

int64_t Replicas::CountAt(int64_t offset, Where where) const {
  std::lock_guard lock(mutex_);
  return std::ranges::count_if(all_, [&](const auto& replica) {
    const int64_t has = where == Where::kOnDisk ? replica->durable() : replica->acknowledged();
    return replica->state() == Replica::State::kOnline && has >= offset &&
           replica->acknowledged_at_ms() != 0;
  });
}

void Replicas::Await(Awaited awaited) {
  {
    std::lock_guard lock(mutex_);
    awaited_.push_back(std::move(awaited));
  }
  // They tell once a second anyway; this makes them tell at once.
  changes_->stream().Append({-1, {"REPLCONF", "GETACK", "*"}, false});
  // What it waits for may have come in between.
  AnswerAwaited();
}

void Replicas::AnswerAwaited() {
  std::vector<Awaited> awaited;
  {
    std::lock_guard lock(mutex_);
    if (awaited_.empty()) return;
    awaited = std::exchange(awaited_, {});
  }
  std::vector<Awaited> kept;
  for (Awaited& one : awaited) {
    std::string answer = one.answer();
    if (answer.empty()) {
      kept.push_back(std::move(one));
      continue;
    }
    core_->server->WithConnection(
        one.connection_id, [core = core_, answer = std::move(answer)](Worker&, Connection& waits) {
          if (waits.waiter == nullptr || !waits.waiter->command->name.starts_with("wait")) return;
          RequestPath::EndWait(*core, waits.waiter, answer);
        });
  }
  std::lock_guard lock(mutex_);
  awaited_.insert(awaited_.end(), std::make_move_iterator(kept.begin()),
                  std::make_move_iterator(kept.end()));
}

void Replicas::JudgeWrites() {
  const int64_t wanted = min_replicas_.load();
  int64_t good = 0;
  if (wanted > 0) {
    const int64_t now_ms = core_->clock->MonoUs() / 1000;
    const int64_t lag_ms_max = max_lag_s_.load() * 1000;
    std::lock_guard lock(mutex_);
    good = std::ranges::count_if(all_, [&](const auto& replica) {
      return replica->state() == Replica::State::kOnline && replica->acknowledged_at_ms() != 0 &&
             now_ms - replica->acknowledged_at_ms() <= lag_ms_max;
    });
  }
  core_->hot.StopWrites(HotSettings::kFewReplicas, good < wanted);
}

// ---- Housekeeping ------------------------------------------------------------------------------

void Replicas::Apply(const Settings& settings) {
  min_replicas_.store(settings.min_replicas_to_write);
  max_lag_s_.store(settings.min_replicas_max_lag);
  JudgeWrites();
}

void Replicas::Tick(const Settings& settings) {
  constexpr int64_t kPeriodMs = 1000;
  const int64_t now_ms = core_->clock->MonoUs() / 1000;
  if (now_ms - ticked_at_ms_ < kPeriodMs) return;
  ticked_at_ms_ = now_ms;
  JudgeWrites();
  bool any_waits = false;
  {
    std::lock_guard lock(mutex_);
    for (const auto& replica : all_) {
      if (replica->state() == Replica::State::kWaits) replica->SendSignOfLife();
      const int64_t heard_ms = replica->acknowledged_at_ms();
      if (heard_ms == 0 || now_ms - heard_ms <= settings.repl_timeout * 1000) continue;
      core_->server->WithConnection(
          replica->connection_id(),
          [](Worker& worker, Connection& silent) { worker.CloseNow(silent); });
    }
    any_waits = !waiting_.empty();
    // Who has stopped waiting is not told any more, and need not be remembered for long.
    constexpr size_t kAwaitedMax = 10'000;
    if (awaited_.size() > kAwaitedMax)
      awaited_.erase(awaited_.begin(), awaited_.end() - kAwaitedMax);
  }
  if (any_waits && !persistence_->background().in_progress()) {
    const keyspace::ShardLock lock(*core_->keyspace, core_->keyspace->AllShards());
    StartWaiting(settings);
  }
  if (now_ms - pinged_at_ms_ >= settings.repl_ping_replica_period * 1000) {
    pinged_at_ms_ = now_ms;
    changes_->stream().Append({-1, {"PING"}, false});
  }
}

std::vector<Replicas::Info> Replicas::List() const {
  const int64_t now_ms = core_->clock->MonoUs() / 1000;
  std::vector<Info> infos;
  std::lock_guard lock(mutex_);
  for (const auto& replica : all_) {
    const int64_t heard_ms = replica->acknowledged_at_ms();
    infos.push_back({.address = replica->address(),
                     .port = replica->listening_port(),
                     .state = replica->state(),
                     .offset = replica->acknowledged(),
                     .lag_s = heard_ms == 0 ? 0 : (now_ms - heard_ms) / 1000});
  }
  return infos;
}

}  // namespace terrace::server
