#include "tiers/spill.h"

#include <algorithm>
#include <utility>

#include "tiers/fetch.h"
#include "tiers/value_codec.h"

namespace terrace::tiers {
namespace {

// How soon an operation that failed is tried again.
constexpr int64_t kResendDelayMs = 200;
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
      shards_(static_cast<size_t>(keyspace->shard_count())) {}

SpillLedger::~SpillLedger() = default;

bool SpillLedger::MayEvict(int database, const Key& key, Entry* entry) {
  const Route* route = routes_->Match(key.bytes);
  if (route == nullptr || route->authority != Authority::kSpill) return true;
  if (entry->has_tier() && entry->tier().regional_copy) return true;
  return pending_bytes() < static_cast<int64_t>(limits_.pending_bytes_max);
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
      if (has_copy) return;  // the regional tier has this very value
      operation.is_put = true;
      operation.value = Encode(*entry);
      break;
    case MutationKind::kChanged:
      // A key that appears here without having been asked for below may have an old copy there.
      if (!mutation.created && !has_copy) return;
      if (entry->has_tier()) {
        keyspace::TierBlock tier = entry->tier();
        tier.regional_copy = false;
        entry->set_tier(tier);
      }
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
  const uint64_t sequence = next_sequence_.fetch_add(1, std::memory_order_relaxed);
  operation.sequence = sequence;
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
  slot->second = std::move(operation);
  home_->Post([this, shard, qualified = std::move(qualified), sequence] {
    Send(shard, qualified, sequence);
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

void SpillLedger::Send(int shard, std::string qualified, uint64_t sequence) {
  const Route* route;
  PutRequest put;
  bool is_put;
  {
    keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << shard);
    PerShard& mine = shards_[static_cast<size_t>(shard)];
    const auto found = mine.find(qualified);
    if (found == mine.end() || found->second.sequence != sequence || found->second.in_flight) {
      return;
    }
    Operation& operation = found->second;
    operation.in_flight = true;
    route = operation.route;
    is_put = operation.is_put;
    put.database = operation.database;
    put.key = operation.key;
    if (is_put) put.value = operation.value;
    // Expired on the way: the regional tier must not keep an older copy either.
    if (put.value.EndsBy(home_->clock().NowMs())) is_put = false;
  }
  put.deadline_us = home_->clock().MonoUs() + route->regional_timeout_ms * 1000;
  auto done = [this, route, is_put, shard, qualified = std::move(qualified),
               sequence](PutResult result) {
    if (result.failure != Failure::kNone) {
      route->stats.regional.errors.fetch_add(1, std::memory_order_relaxed);
    } else if (is_put) {
      route->stats.spills.fetch_add(1, std::memory_order_relaxed);
    }
    Acknowledge(shard, qualified, sequence, result.failure == Failure::kNone);
  };
  if (is_put) {
    route->regional->Put(std::move(put), std::move(done));
  } else {
    route->regional->Invalidate(put.database, std::move(put.key), put.deadline_us, std::move(done));
  }
}

void SpillLedger::Acknowledge(int shard, const std::string& qualified, uint64_t sequence,
                              bool done) {
  keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << shard);
  PerShard& mine = shards_[static_cast<size_t>(shard)];
  const auto found = mine.find(qualified);
  if (found == mine.end() || found->second.sequence != sequence) return;  // replaced meanwhile
  if (!done) {
    found->second.in_flight = false;
    ScheduleResend();
    return;
  }
  Forget(found->second);
  mine.erase(found);
  operations_.fetch_sub(1, std::memory_order_relaxed);
}

void SpillLedger::ScheduleResend() {
  if (std::exchange(resend_scheduled_, true)) return;
  home_->After(kResendDelayMs, [this] {
    resend_scheduled_ = false;
    Resend();
  });
}

void SpillLedger::Resend() {
  for (int shard = 0; shard < keyspace_->shard_count(); ++shard) {
    std::vector<std::pair<std::string, uint64_t>> waiting;
    {
      keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << shard);
      for (const auto& [qualified, operation] : shards_[static_cast<size_t>(shard)]) {
        if (!operation.in_flight) waiting.emplace_back(qualified, operation.sequence);
      }
    }
    for (auto& [qualified, sequence] : waiting) Send(shard, std::move(qualified), sequence);
  }
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
        if (entry->has_tier() && entry->tier().regional_copy) return;
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
