#include "keyspace/keyspace.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "eviction/registry.h"
#include "keyspace/database.h"

namespace terrace::keyspace {

Keyspace::Keyspace(const KeyspaceOptions& options)
    : database_count_(options.database_count),
      concurrent_(options.concurrent),
      hash_seed_(options.seed),
      seed_(options.seed),
      shard_mask_(options.shard_count - 1),
      reclaimer_(options.background_free),
      memory_bytes_max_(options.memory_bytes_max),
      policy_name_(options.policy) {
  TERRACE_CHECK(options.shard_count > 0 && options.shard_count <= kShardsMax);
  TERRACE_CHECK((options.shard_count & (options.shard_count - 1)) == 0);
  const eviction::PolicyInfo* policy = eviction::FindPolicy(options.policy);
  TERRACE_CHECK(policy != nullptr);
  for (int i = 0; i < options.shard_count; ++i) {
    const uint64_t seed = seed_ + static_cast<uint64_t>(i) + 1;
    shards_.push_back(std::make_unique<Shard>(database_count_, hash_seed_, seed, policy->make(seed),
                                              &used_bytes_));
    shards_.back()->observers.Attach(&ready_, ShardSet{1} << i);
  }
  SetMemoryLimit(options.memory_bytes_max);
}

Keyspace::~Keyspace() = default;

bool Keyspace::TryLockAll(ShardSet shards) {
  if (!concurrent_) return true;
  for (ShardSet left = shards; left != 0; left &= left - 1) {
    if (shard(__builtin_ctzll(left)).mutex.try_lock()) continue;
    UnlockAll(shards & ~left);
    return false;
  }
  return true;
}

void Keyspace::UnlockAll(ShardSet shards) {
  if (!concurrent_) return;
  for (ShardSet left = shards; left != 0; left &= left - 1) {
    shard(__builtin_ctzll(left)).mutex.unlock();
  }
}

bool Keyspace::HoldsLock() const {
  return concurrent_ &&
         std::ranges::any_of(shards_, [](const auto& shard) { return shard->mutex.IsMine(); });
}

Key Keyspace::MakeKey(std::string_view bytes) const {
  return {bytes, base::HashBytes(bytes, hash_seed_)};
}

ShardSet Keyspace::AllShards() const {
  return shard_count() == kShardsMax ? ~ShardSet{0} : (ShardSet{1} << shard_count()) - 1;
}

void Keyspace::SetPolicy(std::string_view name, int64_t now_ms) {
  const eviction::PolicyInfo* policy = eviction::FindPolicy(name);
  TERRACE_CHECK(policy != nullptr);
  {
    std::lock_guard lock(policy_mutex_);
    policy_name_ = std::string(policy->name);
  }
  for (int i = 0; i < shard_count(); ++i) {
    ShardLock lock(*this, ShardSet{1} << i);
    shard(i).ReplacePolicy(NewPolicy(i), now_ms);
    shard(i).AccountStructures();
  }
}

void Keyspace::SetTuning(const eviction::Tuning& tuning) {
  {
    std::lock_guard lock(policy_mutex_);
    tuning_ = tuning;
  }
  for (int i = 0; i < shard_count(); ++i) {
    ShardLock lock(*this, ShardSet{1} << i);
    shard(i).policy().SetTuning(tuning);
  }
}

std::unique_ptr<eviction::EvictionPolicy> Keyspace::NewPolicy(int shard_index) {
  auto policy =
      eviction::FindPolicy(policy_name())->make(seed_ + static_cast<uint64_t>(shard_index) + 1);
  policy->SetCapacity(memory_limit() / static_cast<uint64_t>(shard_count()));
  std::lock_guard lock(policy_mutex_);
  policy->SetTuning(tuning_);
  return policy;
}

std::string Keyspace::policy_name() const {
  std::lock_guard lock(policy_mutex_);
  return policy_name_;
}

void Keyspace::SetMemoryLimit(uint64_t bytes) {
  memory_bytes_max_.store(bytes, std::memory_order_relaxed);
  for (int i = 0; i < shard_count(); ++i) {
    ShardLock lock(*this, ShardSet{1} << i);
    shard(i).policy().SetCapacity(bytes / static_cast<uint64_t>(shard_count()));
  }
}

bool Keyspace::MakeRoom(int64_t now_ms, size_t victims_max) {
  // One victim a shard in turn: keys spread evenly by hash, so this is fair. Giving up takes a
  // whole round without a victim, or as many victims as are passed over at most.
  const bool is_resting = now_ms < in_vain_until_ms_.load(std::memory_order_relaxed);
  Passes passes;
  if (is_resting) passes = {.per_lock = 1, .left = static_cast<size_t>(shard_count())};
  int fruitless = 0;
  while (IsOverLimit()) {
    const auto index =
        static_cast<int>(evict_next_.fetch_add(1, std::memory_order_relaxed)) & shard_mask_;
    ShardLock lock(*this, ShardSet{1} << index);
    switch (EvictOne(shard(index), now_ms, &passes)) {
      case Evicted::kOne:
        fruitless = 0;
        if (--victims_max == 0) return !IsOverLimit();
        break;
      case Evicted::kNone:
        if (++fruitless > shard_count()) return false;
        break;
      case Evicted::kAllKept:
        fruitless = 0;
        if (passes.left > 0) break;
        if (!is_resting) in_vain_until_ms_.store(now_ms + kInVainMs, std::memory_order_relaxed);
        return false;
    }
  }
  return true;
}

// Evicts a key of this shard, passing over those that must stay for now.
Keyspace::Evicted Keyspace::EvictOne(Shard& shard, int64_t now_ms, Passes* passes) {
  Evicted evicted = Evicted::kNone;
  for (size_t tries = 0; tries < passes->per_lock && passes->left > 0; ++tries) {
    eviction::Resident victim;
    if (!shard.policy().PickVictim(shard, static_cast<uint32_t>(now_ms), &victim)) break;
    const Shard::Handle handle = shard.Unpack(victim);
    Database database(this, handle.database, now_ms);
    if (database.Evict(handle.entry)) {
      evicted = Evicted::kOne;
      break;
    }
    evicted = Evicted::kAllKept;
    --passes->left;
  }
  shard.AccountStructures();
  return evicted;
}

void Keyspace::Discard(Entry* entry) {
  // Below this, handing over costs more than freeing.
  constexpr size_t kFreeEffortMax = 64;
  if (entry->is_string() || entry->object()->free_effort() <= kFreeEffortMax ||
      reclaimer_.is_behind()) {
    return Entry::Free(entry);
  }
  reclaimer_.Later({1, static_cast<int64_t>(entry->charge())}, [entry] { Entry::Free(entry); });
}

void Keyspace::ClearDatabase(int database, int64_t now_ms) {
  for (int i = 0; i < shard_count(); ++i) {
    auto part = shard(i).TakePart(
        database, [&] { return NewPolicy(i); }, now_ms);
    if (part == nullptr) continue;
    const Reclaimer::Load load{part->table.size(),
                               part->charged_bytes + static_cast<int64_t>(part->table.bytes())};
    reclaimer_.Later(load, [part = std::move(part)]() mutable { part.reset(); });
  }
}

bool Keyspace::ExpireDue(int shard_index, int64_t now_ms, size_t limit) {
  std::vector<uint32_t> due;
  bool more = false;
  ShardLock lock(*this, ShardSet{1} << shard_index, ShardLock::Patience::kNone);
  if (!lock.is_held()) return false;
  Shard& target = shard(shard_index);
  for (int index = 0; index < database_count_; ++index) {
    Shard::Part* part = target.part(index);
    if (part == nullptr || part->expiry.slot_count() == 0) continue;
    Database database(this, index, now_ms);
    // Dead slots may at most double the index.
    constexpr size_t kCompactSlack = 4096;
    due.clear();
    if (part->expiry.slot_count() >
        2 * (part->deadline_count + part->parts_count) + kCompactSlack) {
      part->expiry.TakeAll(&due);
    } else {
      more |= part->expiry.TakeDue(now_ms, limit, &due) == limit;
    }
    for (const uint32_t hash : due) database.ExpireOrReschedule(target, *part, hash);
  }
  target.AccountStructures();
  return more;
}

ShardStats Keyspace::TotalStats() {
  ShardStats total;
  for (int i = 0; i < shard_count(); ++i) {
    ShardLock lock(*this, ShardSet{1} << i);
    total.hits += shard(i).stats.hits;
    total.misses += shard(i).stats.misses;
    total.expired += shard(i).stats.expired;
    total.expired_parts += shard(i).stats.expired_parts;
    total.evicted += shard(i).stats.evicted;
    total.changes += shard(i).stats.changes;
  }
  return total;
}

void Keyspace::ResetStats() {
  for (int i = 0; i < shard_count(); ++i) {
    ShardLock lock(*this, ShardSet{1} << i);
    // How much has changed since a snapshot is no statistic.
    shard(i).stats = {.changes = shard(i).stats.changes};
  }
  reclaimer_.ResetStats();
}

Keyspace::Awaited Keyspace::CountAwaited() {
  Awaited count;
  for (int i = 0; i < shard_count(); ++i) {
    ShardLock lock(*this, ShardSet{1} << i);
    count.keys += shard(i).observers.awaited_keys();
    count.keys_to_end += shard(i).observers.keys_awaited_to_end();
  }
  return count;
}

Keyspace::Count Keyspace::CountOf(int database) {
  Count count;
  for (int i = 0; i < shard_count(); ++i) {
    ShardLock lock(*this, ShardSet{1} << i);
    if (const Shard::Part* part = shard(i).part(database)) {
      count.keys += part->table.size();
      count.keys_with_deadline += part->deadline_count;
      count.keys_with_part_deadlines += part->parts_count;
    }
  }
  return count;
}

}  // namespace terrace::keyspace
