#pragma once

// SpillLedger: what the regional tier still has to be told about the keys of spill routes: values
// that were evicted here (puts) and values there that are no longer true (tombstones).
//
// Promises:
//   - an evicted value is in the ledger until the regional tier has acknowledged it; a read that
//     comes in between finds it here;
//   - a key whose regional copy is out of date is in the ledger, as a put or a tombstone, until the
//     regional tier knows; a read in between is answered from here and never asks below. So an old
//     value is never seen (traps C36, C37);
//   - one key has at most one pending operation; the later one replaces the earlier, and the one
//     ordered connection keeps what was sent in order;
//   - pending puts are bounded by spill_pending_bytes_max, and by a part of the memory limit (then
//     keys of spill routes are not evicted), tombstones by tombstones_max (then writes that would
//     need one are refused);
//   - no more than a window of them is on its way at once, so that others who use the same regional
//     tier find room; while it does not answer, it is asked now and then, not for each.
//
// Threads: OnMutation, MayEvict, Recall and Pending under the key's shard lock, on any thread; the
//          sending on the home loop.

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/live.h"
#include "keyspace/database.h"
#include "keyspace/mutation.h"
#include "runtime/loop.h"
#include "tiers/route.h"
#include "tiers/rules.h"

namespace terrace::tiers {

struct SpillLimits {
  base::Live<uint64_t> pending_bytes_max = 64u << 20;
  base::Live<int64_t> tombstones_max = 100000;
};

class SpillLedger : public keyspace::MutationSink {
 public:
  SpillLedger(keyspace::Keyspace* keyspace, const RouteTable* routes, runtime::Loop* home,
              SpillLimits limits, const Rules& rules = {});
  ~SpillLedger() override;

  // What is on its way already goes on. Any thread.
  void SetLimits(const SpillLimits& limits) { limits_ = limits; }

  // keyspace::MutationSink
  void OnMutation(const keyspace::Mutation& mutation) override;
  bool MayEvict(int database, const keyspace::Key& key, keyspace::Entry* entry) override;

  enum class Recalled : uint8_t {
    kUnknown,  // nothing pending: the regional tier knows
    kAbsent,   // a tombstone is pending: the key does not exist
    kValue,    // the value was still here and is in the local tier again
  };
  Recalled Recall(keyspace::Database& database, const keyspace::Key& key, const Route& route);

  // What Recall would say, without doing it.
  Recalled Pending(int database, const keyspace::Key& key, int64_t now_ms) const;

  // May a write to a spill route go ahead? False when too many tombstones are pending.
  bool AcceptsWrites() const {
    return tombstones_.load(std::memory_order_relaxed) < limits_.tombstones_max;
  }

  // Moves every value of the spill routes that the regional tier does not have into it, then calls
  // done with how many could not be moved by the deadline. Home loop; no more requests run.
  void Drain(int64_t deadline_us, base::Function<void(size_t lost)> done);

  int64_t pending_bytes() const { return pending_bytes_.load(std::memory_order_relaxed); }
  int64_t tombstones() const { return tombstones_.load(std::memory_order_relaxed); }
  // This regional tier has a new connection: no need to wait any longer. Home loop.
  void Resume(const RegionalTier* regional);

 private:
  struct Operation {
    uint64_t sequence = 0;
    const Route* route = nullptr;
    int database = 0;
    std::string key;
    bool is_put = false;
    bool is_queued = false;  // stands in its lane, or will soon: whoever replaces it inherits that
    Value value;             // of a put
    size_t bytes() const { return key.size() + value.bytes.size() + sizeof(Operation); }
  };
  using PerShard = std::unordered_map<std::string, Operation>;  // guarded by the shard's lock

  // Where the operation of a key is found.
  struct Place {
    int shard;
    std::string qualified;
  };
  // What one regional tier still has to be sent. Home loop.
  struct Lane {
    std::deque<Place> to_send;
    size_t in_flight = 0;
    size_t in_flight_bytes = 0;
    int failures = 0;  // in a row
    runtime::TimerId pause = runtime::kNoTimer;
  };

  static bool IsBelow(const Route& route, const keyspace::Entry& entry);
  uint64_t PendingBytesMax() const;
  void Queue(Operation operation, const keyspace::Key& key);
  void Forget(const Operation& operation);
  void Enqueue(const RegionalTier* regional, Place place);
  void Pump(Lane* lane);
  void Send(Lane* lane, Place place);
  void Acknowledge(Lane* lane, const Place& place, uint64_t sequence, Failure failure);
  bool Settle(const Place& place, uint64_t sequence, bool done);
  void PauseLane(Lane* lane);

  keyspace::Keyspace* const keyspace_;
  const RouteTable* const routes_;
  runtime::Loop* const home_;
  SpillLimits limits_;
  const Rules rules_;
  std::vector<PerShard> shards_;
  std::unordered_map<const RegionalTier*, Lane> lanes_;  // one for each, from the start
  std::atomic<uint64_t> next_sequence_{1};
  std::atomic<int64_t> pending_bytes_{0};
  std::atomic<int64_t> tombstones_{0};
  std::atomic<int64_t> operations_{0};
};

}  // namespace terrace::tiers
