#pragma once

// Replicas: the servers that follow this one (SYNC, PSYNC), the stream of what they are told, and
// what waits for them. See docs/replication.md.
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
#include <span>
#include <string>
#include <vector>

#include "keyspace/mutation.h"
#include "replication/effect_stream.h"
#include "server/core.h"
#include "server/persistence.h"
#include "server/replica.h"
#include "server/settings.h"

namespace terrace::server {

class Replicas : private keyspace::MutationSink {
 public:
  static constexpr size_t kReplicasMax = 64;

  Replicas(Core* core, Persistence* persistence, std::string id);

  replication::EffectStream& stream() { return stream_; }
  // Are changes repeated anywhere? Exact for who holds a shard lock.
  bool is_followed() const { return stream_.is_followed(); }
  // Is this key theirs, too?
  bool Has(std::string_view key) const { return persistence_->Keeps(key); }

  // The connection is that of a replica from now on: it is sent a snapshot, and before it, if it
  // wants to know, where in the stream that is. "" or why not. Takes the locks of all shards.
  std::string Begin(Connection& connection, Replica::Wants wants);
  // Its connection closes.
  void End(Connection& connection);

  // A replica has said how far it is.
  void Acknowledge(Connection& connection, int64_t offset);
  // How many have all of the stream up to there.
  int64_t CountAt(int64_t offset) const;
  // The connection, which waits, is to be answered once so many have it. Forgotten by itself.
  struct Awaited {
    uint64_t connection_id = 0;
    int64_t offset = 0;
    int64_t count = 0;
  };
  void Await(Awaited awaited);

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

 private:
  void OnMutation(const keyspace::Mutation& mutation) override;
  void OnPartsExpired(int database, const keyspace::Key& key,
                      std::span<const std::string> parts) override;

  std::string Save(const Settings& settings);
  void Saved(const replication::BackgroundSave::Outcome& outcome, const std::string& path);
  void StartWaiting(const Settings& settings);
  void Forget(const Replica* replica);
  void AnswerAwaited();
  void JudgeWrites();

  Core* const core_;
  Persistence* const persistence_;
  replication::EffectStream stream_;
  std::atomic<bool> lazy_expire_{false};
  std::atomic<bool> lazy_eviction_{false};
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
