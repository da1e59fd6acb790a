#include "tiers/spill.h"

#include <algorithm>
#include <utility>

#include "tiers/fetch.h"
#include "tiers/value_codec.h"

namespace terrace::tiers {
namespace {

// A lane whose regional tier does not answer rests for this long, doubled up to the longest.
constexpr int64_t kPauseMinMs = 50;
constexpr int64_t kPauseMaxMs = 1000;
// When an operation that was refused is tried again; the others go on meanwhile.
constexpr int64_t kRefusedDelayMs = 200;
// The window of a lane.
constexpr size_t kInFlightMax = 1000;
constexpr size_t kInFlightBytesMax = size_t{1} << 20;
// Values on their way down are no longer in the account of the keyspace, so they may take no more
// than this part of the memory limit.
constexpr uint64_t kPendingShare = 4;
// How often Drain looks whether everything has been acknowledged.
constexpr int64_t kDrainPollMs = 5;

}  // namespace

using keyspace::Entry;
using keyspace::Key;
using keyspace::MutationKind;

SpillLedger::SpillLedger(keyspace::Keyspace* keyspace, const RouteTable* routes,
                         runtime::Loop* home, SpillLimits limits, const Rules& rules)
    : keyspace_(keyspace),
      routes_(routes),
      home_(home),
      limits_(limits),
      rules_(rules),
      shards_(static_cast<size_t>(keyspace->shard_count())) {
  for (const auto& route : routes->routes()) lanes_[route->regional];
}

SpillLedger::~SpillLedger() {
  for (auto& [regional, lane] : lanes_) home_->Cancel(lane.pause);
}

uint64_t SpillLedger::PendingBytesMax() const {
  const uint64_t limit = keyspace_->memory_limit();
  const uint64_t pending_max = limits_.pending_bytes_max;
  return limit == 0 ? pending_max : std::min(pending_max, limit / kPendingShare + 1);
}

// Does the regional tier have this very value? One that has been connected to anew may have come
// back empty, so it is told once more. Not where an origin lies below: that value may end while it
// waits here, and the ledger cannot tell readers to ask the origin.
bool SpillLedger::IsBelow(const Route& route, const Entry& entry) {
  return entry.has_tier() && entry.tier().regional_copy &&
         (route.origin != nullptr ||
          entry.tier().generation == route.generation.load(std::memory_order_acquire));
}

bool SpillLedger::MayEvict(int database, const Key& key, Entry* entry) {
  const Route* route = routes_->Match(key.bytes);
  if (route == nullptr || route->authority != Authority::kSpill) return true;
  if (IsBelow(*route, *entry)) return true;
  return pending_bytes() < static_cast<int64_t>(PendingBytesMax());
}

void SpillLedger::OnMutation(const keyspace::Mutation& mutation) {
  if (mutation.kind == MutationKind::kDropped || mutation.kind == MutationKind::kRefreshed ||
      mutation.kind == MutationKind::kCleared) {
    return;
  }
  const Route* route = routes_->Match(mutation.key.bytes);
  if (route == nullptr || route->authority != Authority::kSpill) return;
  Entry* const entry = mutation.entry;
  const bool has_copy =
      mutation.had_regional_copy || (entry->has_tier() && entry->tier().regional_copy);
  Operation operation;
  operation.route = route;
  operation.database = mutation.database;
  operation.key = std::string(mutation.key.bytes);
  switch (mutation.kind) {
    case MutationKind::kEvicted:
      if (IsBelow(*route, *entry)) return;
      operation.is_put = true;
      operation.value = Encode(*entry);
      break;
    case MutationKind::kChanged:
      // A key that appears here without having been asked for below may have an old copy there.
      if (!mutation.created && !has_copy) return;
      break;
    case MutationKind::kRemoved:
      if (!has_copy) return;
      break;
    case MutationKind::kExpired:  // the copy below has the same deadline
    default:
      return;
  }
  if (!operation.is_put && !rules_.tombstones) return;
  Queue(std::move(operation), mutation.key);
}

void SpillLedger::Queue(Operation operation, const Key& key) {
  const int shard = keyspace_->ShardIndex(key);
  PerShard& mine = shards_[static_cast<size_t>(shard)];
  std::string qualified = QualifiedKey(operation.database, key.bytes);
  operation.sequence = next_sequence_.fetch_add(1, std::memory_order_relaxed);
  if (operation.is_put) {
    pending_bytes_.fetch_add(static_cast<int64_t>(operation.bytes()), std::memory_order_relaxed);
  } else {
    tombstones_.fetch_add(1, std::memory_order_relaxed);
  }
  const auto [slot, is_new] = mine.try_emplace(qualified);
  if (is_new) {
    operations_.fetch_add(1, std::memory_order_relaxed);
  } else {
    Forget(slot->second);
  }
  const bool was_queued = slot->second.is_queued;
  slot->second = std::move(operation);
  slot->second.is_queued = true;
  if (was_queued) return;
  home_->Post([this, regional = slot->second.route->regional, shard,
               qualified = std::move(qualified)]() mutable {
    Enqueue(regional, {shard, std::move(qualified)});
  });
}

// Takes a replaced or acknowledged operation out of the account.
void SpillLedger::Forget(const Operation& operation) {
  if (operation.is_put) {
    pending_bytes_.fetch_sub(static_cast<int64_t>(operation.bytes()), std::memory_order_relaxed);
  } else {
    tombstones_.fetch_sub(1, std::memory_order_relaxed);
  }
}

SpillLedger::Recalled SpillLedger::Recall(keyspace::Database& database, const Key& key,
                                          const Route& route) {
  if (operations_.load(std::memory_order_relaxed) == 0 || !rules_.recall) return Recalled::kUnknown;
  PerShard& mine = shards_[static_cast<size_t>(keyspace_->ShardIndex(key))];
  const auto found = mine.find(QualifiedKey(database.index(), key.bytes));
  if (found == mine.end()) return Recalled::kUnknown;
  const Operation& operation = found->second;
  if (!operation.is_put) return Recalled::kAbsent;
  keyspace::Database::Fill fill;
  if (operation.value.EndsBy(database.now_ms())) return Recalled::kAbsent;
  fill.deadline_ms = operation.value.deadline_ms;
  ReadyValue ready;
  if (!Decode(operation.value, keyspace_->hash_seed(), &ready)) return Recalled::kAbsent;
  fill.string = ready.string;
  fill.object = std::move(ready.object);
  fill.tier.route = route.index;
  fill.tier.generation = route.generation.load(std::memory_order_acquire);
  fill.tier.fetched_at_s = static_cast<uint32_t>(database.now_ms() / 1000);
  // The put goes on; when the key is written again, a tombstone follows it.
  fill.tier.regional_copy = true;
  database.FillCopy(key, std::move(fill));
  route.stats.fills.fetch_add(1, std::memory_order_relaxed);
  return Recalled::kValue;
}

SpillLedger::Recalled SpillLedger::Pending(int database, const Key& key, int64_t now_ms) const {
  const PerShard& mine = shards_[static_cast<size_t>(keyspace_->ShardIndex(key))];
  const auto found = mine.find(QualifiedKey(database, key.bytes));
  if (found == mine.end()) return Recalled::kUnknown;
  const Operation& operation = found->second;
  const bool is_live = operation.is_put && !operation.value.EndsBy(now_ms);
  return is_live ? Recalled::kValue : Recalled::kAbsent;
}

// ---- Sending, on the home loop ------------------------------------------------------------------

void SpillLedger::Enqueue(const RegionalTier* regional, Place place) {
  Lane* const lane = &lanes_.at(regional);
  lane->to_send.push_back(std::move(place));
  Pump(lane);
}

void SpillLedger::Pump(Lane* lane) {
  const size_t bytes_max = std::min(kInFlightBytesMax, static_cast<size_t>(PendingBytesMax()) / 4);
  while (!lane->to_send.empty() && lane->pause == runtime::kNoTimer &&
         lane->in_flight < kInFlightMax && lane->in_flight_bytes <= bytes_max) {
    Place place = std::move(lane->to_send.front());
    lane->to_send.pop_front();
    Send(lane, std::move(place));
  }
}

void SpillLedger::Send(Lane* lane, Place place) {
  const Route* route;
  PutRequest put;
  bool is_put;
  uint64_t sequence;
  size_t bytes;
  {
    keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << place.shard);
    PerShard& mine = shards_[static_cast<size_t>(place.shard)];
    const auto found = mine.find(place.qualified);
    if (found == mine.end()) return;
    Operation& operation = found->second;
    operation.is_queued = false;
    sequence = operation.sequence;
    bytes = operation.bytes();
    route = operation.route;
    is_put = operation.is_put;
    put.database = operation.database;
    put.key = operation.key;
    if (is_put) put.value = operation.value;
    // Expired on the way: the regional tier must not keep an older copy either.
    if (put.value.EndsBy(home_->clock().NowMs())) is_put = false;
  }
  ++lane->in_flight;
  lane->in_flight_bytes += bytes;
  put.deadline_us = home_->clock().MonoUs() + route->regional_timeout_ms * 1000;
  auto done = [this, lane, route, is_put, bytes, place = std::move(place),
               sequence](PutResult result) {
    --lane->in_flight;
    lane->in_flight_bytes -= bytes;
    if (result.failure != Failure::kNone) {
      route->stats.regional.errors.fetch_add(1, std::memory_order_relaxed);
    } else if (is_put) {
      route->stats.spills.fetch_add(1, std::memory_order_relaxed);
    }
    Acknowledge(lane, place, sequence, result.failure);
  };
  if (is_put) {
    route->regional->Put(std::move(put), std::move(done));
  } else {
    route->regional->Invalidate(put.database, std::move(put.key), put.deadline_us, std::move(done));
  }
}

void SpillLedger::Acknowledge(Lane* lane, const Place& place, uint64_t sequence, Failure failure) {
  const bool again = Settle(place, sequence, failure == Failure::kNone);
  if (failure == Failure::kNone) {
    lane->failures = 0;
  } else if (failure != Failure::kRefused) {
    PauseLane(lane);
    if (again) lane->to_send.push_back(place);
  } else if (again) {
    // The server serves, but not this one: it may be full, or forbid it.
    home_->After(kRefusedDelayMs, [this, lane, place] {
      lane->to_send.push_back(place);
      Pump(lane);
    });
  }
  Pump(lane);
}

// Returns whether it is to be sent again.
bool SpillLedger::Settle(const Place& place, uint64_t sequence, bool done) {
  keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << place.shard);
  PerShard& mine = shards_[static_cast<size_t>(place.shard)];
  const auto found = mine.find(place.qualified);
  if (found == mine.end() || found->second.sequence != sequence) return false;  // replaced
  if (!done) return found->second.is_queued = true;
  Forget(found->second);
  mine.erase(found);
  operations_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

// What was on its way fails together: that counts once.
void SpillLedger::PauseLane(Lane* lane) {
  if (lane->pause != runtime::kNoTimer) return;
  const int64_t delay_ms = std::min(kPauseMaxMs, kPauseMinMs << std::min(lane->failures++, 10));
  lane->pause = home_->After(delay_ms, [this, lane] {
    lane->pause = runtime::kNoTimer;
    Pump(lane);
  });
}

void SpillLedger::Resume(const RegionalTier* regional) {
  Lane& lane = lanes_.at(regional);
  home_->Cancel(lane.pause);
  lane.pause = runtime::kNoTimer;
  lane.failures = 0;
  Pump(&lane);
}

void SpillLedger::Drain(int64_t deadline_us, base::Function<void(size_t lost)> done) {
  const int64_t now_ms = home_->clock().NowMs();
  for (int index = 0; index < keyspace_->database_count(); ++index) {
    for (int shard = 0; shard < keyspace_->shard_count(); ++shard) {
      keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << shard);
      keyspace::Shard::Part* part = keyspace_->shard(shard).part(index);
      if (part == nullptr) continue;
      part->table.ForEach([&](Entry* entry) {
        const Route* route = routes_->Match(entry->key());
        if (route == nullptr || route->authority != Authority::kSpill) return;
        if (!entry->IsLive(now_ms)) return;
        if (IsBelow(*route, *entry)) return;
        Operation operation;
        operation.route = route;
        operation.database = index;
        operation.key = std::string(entry->key());
        operation.is_put = true;
        operation.value = Encode(*entry);
        Queue(std::move(operation), keyspace_->MakeKey(entry->key()));
      });
    }
  }
  // Polls rather than counts: acknowledgements and failures both end here.
  struct Poll {
    SpillLedger* ledger;
    int64_t deadline_us;
    std::shared_ptr<base::Function<void(size_t)>> done;
    void operator()() const {
      const auto left = static_cast<size_t>(ledger->operations_.load());
      if (left == 0 || ledger->home_->clock().MonoUs() >= deadline_us) {
        (*done)(left);
        return;
      }
      ledger->home_->After(kDrainPollMs, *this);
    }
  };
  Poll{this, deadline_us, std::make_shared<base::Function<void(size_t)>>(std::move(done))}();
}

}  // namespace terrace::tiers
