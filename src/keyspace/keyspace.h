#pragma once

// Keyspace: all shards together: which shard a key is in, how shards are locked, how memory is kept
// within its limit, and how expired keys leave. Commands reach the data through Database.
//
// Promises:  a command that holds the locks of its keys' shards runs atomically.
// Threads:   thread-safe where not stated otherwise. Locks are taken in index order only, through
//            ShardLock; nothing waits or does I/O while it holds one.
// Units:     bytes; milliseconds on NowMs time.

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/reclaimer.h"
#include "keyspace/shard.h"

namespace terrace::keyspace {

struct KeyspaceOptions {
  int database_count = 16;
  int shard_count = 16;    // a power of two, at most kShardsMax
  bool concurrent = true;  // false: one thread only, locks are skipped
  // Large values and databases are freed by a thread of their own.
  bool background_free = false;
  uint64_t seed = 0;  // of the key hash and of random choices
  std::string policy = "noeviction";
  uint64_t memory_bytes_max = 0;  // 0: no limit
};

// Does a sink care for what it is told from the beginning?
enum class Listening : uint8_t { kNo, kYes };

// A set of shards as a bit mask.
using ShardSet = uint64_t;
inline constexpr int kShardsMax = 64;

class Keyspace {
 public:
  explicit Keyspace(const KeyspaceOptions& options);
  ~Keyspace();
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  Key MakeKey(std::string_view bytes) const;
  uint64_t hash_seed() const { return hash_seed_; }

  int shard_count() const { return static_cast<int>(shards_.size()); }
  int database_count() const { return database_count_; }
  bool concurrent() const { return concurrent_; }
  Shard& shard(int index) { return *shards_[static_cast<size_t>(index)]; }
  int ShardIndex(const Key& key) const { return static_cast<int>(key.hash >> 32) & shard_mask_; }
  Shard& ShardOf(const Key& key) { return shard(ShardIndex(key)); }
  ShardSet SetOf(const Key& key) const { return ShardSet{1} << ShardIndex(key); }
  ShardSet AllShards() const;

  // The shards that have keys somebody waits for that have become ready; see docs/waiting.md. Exact
  // for the shards whose locks are held.
  ShardSet ready_shards() const { return ready_.shards.load(std::memory_order_relaxed); }
  // Takes all of these locks, or none and returns false. In any order: it does not wait.
  [[nodiscard]] bool TryLockAll(ShardSet shards);
  void UnlockAll(ShardSet shards);
  // Does the calling thread hold any?
  bool HoldsLock() const;

  // Not thread-safe: set before the first request.
  void SetLockWait(LockWait* lock_wait) {
    for (const auto& shard : shards_) shard->mutex.set_lock_wait(lock_wait);
  }
  void AddSink(MutationSink* sink, Listening listening = Listening::kYes) {
    sinks_.push_back(sink);
    if (listening == Listening::kYes) ChangeListening(1);
  }
  // Any thread: a sink begins (1) or ends (-1) to care. While none does, sinks are told nothing;
  // otherwise all are.
  void ChangeListening(int change) { listening_.fetch_add(change, std::memory_order_relaxed); }
  bool is_listened_to() const { return listening_.load(std::memory_order_relaxed) > 0; }
  const std::vector<MutationSink*>& sinks() const { return sinks_; }

  // The eviction policy by its configuration name. REQUIRES: the name is in the registry.
  void SetPolicy(std::string_view name, int64_t now_ms);
  void SetTuning(const eviction::Tuning& tuning);
  std::string policy_name() const;
  void SetMemoryLimit(uint64_t bytes);
  uint64_t memory_limit() const { return memory_bytes_max_.load(std::memory_order_relaxed); }

  // Bytes of entries, tables, indices and policies.
  int64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  // Bytes the process allocates beside the keyspace (buffers and so on), set by a periodic job.
  void set_other_bytes(int64_t bytes) { other_bytes_.store(bytes, std::memory_order_relaxed); }
  int64_t other_bytes() const { return other_bytes_.load(std::memory_order_relaxed); }

  bool IsOverLimit() const {
    const uint64_t limit = memory_limit();
    return limit != 0 && used_bytes() + other_bytes() > static_cast<int64_t>(limit);
  }
  // Evicts until memory is within its limit; false when that cannot be (nothing may be evicted, or
  // too many in a row must stay for now) or takes more victims than allowed.
  // REQUIRES: the caller holds no shard lock.
  bool MakeRoom(int64_t now_ms, size_t victims_max = std::numeric_limits<size_t>::max());

  // Frees an entry that is out of its table: at once, or in the background if that takes long.
  void Discard(Entry* entry);
  // Empties a database. REQUIRES: the locks of all shards.
  void ClearDatabase(int database, int64_t now_ms);
  Reclaimer& reclaimer() { return reclaimer_; }

  // Removes keys whose deadline has passed from this shard, at most limit; true when there are
  // more. Leaves a shard alone that somebody else has locked: that may be for long, and there will
  // be a next time. REQUIRES: the caller holds no shard lock.
  bool ExpireDue(int shard_index, int64_t now_ms, size_t limit);

  ShardStats TotalStats();
  void ResetStats();
  // Keys, and keys with a deadline, of one database.
  struct Count {
    size_t keys = 0;
    size_t keys_with_deadline = 0;
    size_t keys_with_part_deadlines = 0;
  };
  Count CountOf(int database);
  // Keys that clients wait for, of all databases; and those of them whose end is waited for, too.
  struct Awaited {
    size_t keys = 0;
    size_t keys_to_end = 0;
  };
  Awaited CountAwaited();

 private:
  friend class ShardLock;
  // Victims that must stay for now (MutationSink::MayEvict) and are passed over: under one lock,
  // and in one attempt to make room. An attempt in vain is costly, so for a while after it the next
  // ones pass over one a shard.
  static constexpr size_t kKeptPerLockMax = 64;
  static constexpr size_t kKeptMax = 8192;
  static constexpr int64_t kInVainMs = 20;
  struct Passes {
    size_t per_lock = kKeptPerLockMax;
    size_t left = kKeptMax;
  };
  enum class Evicted : uint8_t { kOne, kNone, kAllKept };
  Evicted EvictOne(Shard& shard, int64_t now_ms, Passes* passes);
  std::unique_ptr<eviction::EvictionPolicy> NewPolicy(int shard_index);

  const int database_count_;
  const bool concurrent_;
  const uint64_t hash_seed_;
  const uint64_t seed_;
  int shard_mask_;
  Reclaimer reclaimer_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<MutationSink*> sinks_;
  std::atomic<int> listening_{0};
  alignas(64) ReadyShards ready_;
  std::atomic<int64_t> used_bytes_{0};
  std::atomic<int64_t> other_bytes_{0};
  std::atomic<uint64_t> memory_bytes_max_;
  std::atomic<uint32_t> evict_next_{0};
  std::atomic<int64_t> in_vain_until_ms_{0};
  mutable std::mutex policy_mutex_;
  std::string policy_name_;  // guarded by policy_mutex_
  eviction::Tuning tuning_;
};

// ShardLock: holds the locks of a set of shards for its scope.
class ShardLock {
 public:
  // Who has done nothing yet may give up where a script holds on to a lock; who is served while his
  // thread holds locks must not wait at all.
  enum class Patience : uint8_t { kEndless, kMayGiveUp, kNone };

  ShardLock(Keyspace& keyspace, ShardSet shards, Patience patience = Patience::kEndless)
      : keyspace_(keyspace), shards_(shards) {
    if (!keyspace.concurrent_) return;
    for (ShardSet left = shards; left != 0; left &= left - 1) {
      ShardMutex& mutex = keyspace.shards_[static_cast<size_t>(__builtin_ctzll(left))]->mutex;
      if (patience == Patience::kEndless) {
        mutex.lock();
      } else if (patience == Patience::kNone ? !mutex.try_lock() : !mutex.lock_or_give_up()) {
        shards_ = shards & ~left;
        is_held_ = false;
        return;
      }
    }
  }
  ~ShardLock() {
    if (!keyspace_.concurrent_) return;
    for (ShardSet left = shards_; left != 0; left &= left - 1) {
      keyspace_.shards_[static_cast<size_t>(__builtin_ctzll(left))]->mutex.unlock();
    }
  }
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;

  bool is_held() const { return is_held_; }

 private:
  Keyspace& keyspace_;
  ShardSet shards_;  // that are locked
  bool is_held_ = true;
};

}  // namespace terrace::keyspace
