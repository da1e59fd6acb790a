#pragma once

// Replicas: the servers that follow this one (SYNC, PSYNC), and what waits for them. See
// docs/replication.md.
//
// Promises:  a replica has the state of one moment, and all changes after it in their order; of
//            keys whose route has lower tiers, it has none.
// Ownership: everything it is given outlives it.
// Threads:   any, but for what says otherwise.
// Units:     milliseconds on MonoUs time; seconds where named so.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/change_feed.h"
#include "server/core.h"
#include "server/persistence.h"
#include "server/replica.h"
#include "server/settings.h"

namespace terrace::server {

class Replicas {
 public:
  static constexpr size_t kReplicasMax = 64;

  Replicas(Core* core, Persistence* persistence, ChangeFeed* changes);

  // The connection is that of a replica from now on: it is sent a snapshot, and before it, if it
  // wants to know, where in the stream that is. "" or why not. Takes the locks of all shards.
  std::string Begin(Connection& connection, Replica::Wants wants);
  // Its connection closes.
  void End(Connection& connection);

  // A replica has said how far it is, and its disk (-1: it has not said that).
  void Acknowledge(Connection& connection, int64_t offset, int64_t durable);
  // Who has all of the stream up to there; on their disks, or at all.
  enum class Where : uint8_t { kAnywhere, kOnDisk };
  int64_t CountAt(int64_t offset, Where where) const;
  // The connection, which waits, is to be answered by this once it has something to say (""
  // means not yet). Forgotten by itself.
  struct Awaited {
    uint64_t connection_id = 0;
    std::function<std::string()> answer;
  };
  void Await(Awaited awaited);
  // Any thread: replicas or this server's disk have more than before.
  void AnswerAwaited();

  // The home loop's, every second: signs of life, silent replicas, what stops writes.
  void Tick(const Settings& settings);
  void Apply(const Settings& settings);

  struct Info {
    std::string address;
    int port = 0;
    Replica::State state = Replica::State::kWaits;
    int64_t offset = 0;
    int64_t lag_s = 0;
  };
  std::vector<Info> List() const;

  // Since the start or CONFIG RESETSTAT. Any thread.
  uint64_t full_syncs() const { return full_syncs_.load(std::memory_order_relaxed); }
  uint64_t refused_partial_syncs() const {
    return refused_partial_syncs_.load(std::memory_order_relaxed);
  }
  // A replica wanted to go on where it was.
  void CountRefusedPartial() { refused_partial_syncs_.fetch_add(1, std::memory_order_relaxed); }
  void ResetStats();

 private:
  std::string Save(const Settings& settings);
  void Saved(const replication::BackgroundSave::Outcome& outcome, const std::string& path);
  void StartWaiting(const Settings& settings);
  void Forget(const Replica* replica);
  void JudgeWrites();

  Core* const core_;
  Persistence* const persistence_;
  ChangeFeed* const changes_;
  std::atomic<uint64_t> full_syncs_{0};
  std::atomic<uint64_t> refused_partial_syncs_{0};
  std::atomic<int64_t> min_replicas_{0};
  std::atomic<int64_t> max_lag_s_{10};
  int64_t ticked_at_ms_ = 0;  // these are the home loop's
  int64_t pinged_at_ms_ = 0;

  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Replica>> all_;      // guarded by mutex_
  std::vector<std::shared_ptr<Replica>> waiting_;  // for a snapshot that has not begun; likewise
  std::vector<std::shared_ptr<Replica>> saving_;   // for the one that is being written; likewise
  std::vector<Awaited> awaited_;                   // likewise
};

}  // namespace terrace::server
