#pragma once

// Fetches: one upstream read of one key that all its waiters share, and what follows from it.
//
// The straight-line version, of which fetch.cc is the desugaring:
//
//   version = the key's write version; generation = the regional connection's
//   if the route has a regional tier:
//     value = await regional.Get(key)
//     if value or failed: goto end
//   if the route has an origin:
//     value = await origin.Get(key)
//     if value and the version is unchanged: regional.Put(key, value) if absent there
//   end:
//   lock the shard; take the waiters
//   if the version is unchanged (the fetch is not superseded): fill the local tier, or remember the
//     absence
//   unlock; deliver the result to every waiter
//
// Rules that make it correct (each has its test in the simulation):
//   - a fetch remembers the write version at its start; if it changed, the fetch is superseded: it
//     answers its waiters, is never filled, and later requests do not join it;
//   - a failure and an absence are answers: every fetch ends, by its deadline;
//   - what was read over an older regional connection is not filled, nor joined by later requests;
//   - lifetimes count from the moment the tier was asked, so no copy outlives what it copies.
//
// Threads: Begin and Join under the lock of the key's shard, on any thread; everything upstream on
//          the home loop, which also owns the upstreams.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/live.h"
#include "base/rng.h"
#include "keyspace/database.h"
#include "runtime/loop.h"
#include "tiers/negative_cache.h"
#include "tiers/parked.h"
#include "tiers/route.h"
#include "tiers/rules.h"

namespace terrace::tiers {

struct FetchLimits {
  base::Live<int64_t> waiters_per_fetch_max = 20000;
  base::Live<int64_t> fetches_in_flight_max = 10000;
  base::Live<int64_t> negative_entries_max = 100000;
};

class Fetches {
 public:
  // Everything passed in outlives this.
  Fetches(keyspace::Keyspace* keyspace, runtime::Loop* home, FetchLimits limits, uint64_t seed,
          const Rules& rules = {});
  ~Fetches();

  // What is waiting or remembered already stays. Any thread.
  void SetLimits(const FetchLimits& limits) { limits_ = limits; }

  enum class Started : uint8_t {
    kAwaiting,  // waiter will be answered
    kTooMany,   // a limit is reached: nothing was started
  };
  enum class Ask : uint8_t {
    kAllTiers,
    kOriginOnly,  // what the regional tier still has is known not to be true
  };
  // Joins the fetch of this key that is under way, or begins one. waiter may be null: then the
  // fetch runs ahead of a request that will want it. REQUIRES: the lock of the key's shard.
  Started Await(const Route& route, int database, const keyspace::Key& key, Ask ask,
                std::shared_ptr<ParkedRequest> waiter);

  // Is the key known to be absent below? REQUIRES: the lock of the key's shard.
  bool IsKnownAbsent(const Route& route, int database, const keyspace::Key& key, int64_t now_ms);

  // The tier whose value is known to be larger than the route's max_value, or nullptr. REQUIRES:
  // the same.
  const Upstream* TooLargeAt(const Route& route, int database, const keyspace::Key& key,
                             int64_t now_ms);

  int64_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }
  uint64_t limited() const { return limited_.load(std::memory_order_relaxed); }

 private:
  struct Fetch;
  using FetchPtr = std::shared_ptr<Fetch>;
  // Guarded by the shard's lock.
  struct PerShard {
    std::unordered_map<std::string, FetchPtr> in_flight;
    NegativeCache absent;
    // Likewise of keys whose values are too large, by the tier that has them.
    NegativeCache too_large_at_regional, too_large_at_origin;
  };

  bool MayBeJoined(const Fetch& fetch, uint32_t version) const;
  void Start(FetchPtr fetch);
  void AskRegional(FetchPtr fetch);
  void AskOrigin(FetchPtr fetch);
  void Finish(FetchPtr fetch, GetResult result, const Upstream* source);
  // Fills the local tier; returns whether the fetch was still current.
  bool Fill(Fetch& fetch, const GetResult& result, const Upstream* source);
  void Remember(NegativeCache* cache, const Fetch& fetch, int64_t ttl_ms, int64_t now_ms) const;
  using Waiters = std::vector<std::shared_ptr<ParkedRequest>>;
  void StoreRegional(const Fetch& fetch, Value value, std::shared_ptr<const FetchResult> result,
                     Waiters waiters);
  void DropDoubtful(const Route& route, int database, const keyspace::Key& key);
  int64_t JitteredTtlMs(const Route& route);
  static int64_t FreshUntilMs(const Fetch& fetch, const Value& value);

  keyspace::Keyspace* const keyspace_;
  runtime::Loop* const home_;
  FetchLimits limits_;
  const Rules rules_;
  base::Rng rng_;  // home loop
  std::vector<PerShard> shards_;
  std::atomic<int64_t> in_flight_{0};
  std::atomic<uint64_t> limited_{0};
};

// A key together with its database, for maps of both.
std::string QualifiedKey(int database, std::string_view key);

}  // namespace terrace::tiers
