#pragma once

// Shard: one lock's worth of the keyspace: a table and an expiry index per database, the eviction
// policy over all of them, the write versions, and the account of memory.
//
// Threads: everything under mutex, except the atomics.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "eviction/policy.h"
#include "keyspace/expiry_index.h"
#include "keyspace/key.h"
#include "keyspace/mutation.h"
#include "keyspace/observers.h"
#include "keyspace/shard_mutex.h"
#include "keyspace/table.h"

namespace terrace::keyspace {

struct ShardStats {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t expired = 0;        // keys
  uint64_t expired_parts = 0;  // fields of hashes
  uint64_t evicted = 0;
  uint64_t changes = 0;  // by commands
};

class Shard : public eviction::Residents {
 public:
  // One database's part of this shard.
  struct Part {
    Part(uint64_t hash_seed, int64_t now_ms) : table(hash_seed), expiry(now_ms) {}
    ~Part();
    Table table;
    ExpiryIndex expiry;
    size_t deadline_count = 0;  // entries that have a moment at which they stop being live
    size_t parts_count = 0;     // entries with parts that do
    int64_t charged_bytes = 0;  // what its entries are charged with
  };

  Shard(int database_count, uint64_t hash_seed, uint64_t rng_seed,
        std::unique_ptr<eviction::EvictionPolicy> policy, std::atomic<int64_t>* used_bytes);
  ~Shard() override = default;

  Part* part(int database) { return parts_[static_cast<size_t>(database)].get(); }
  Part& PartFor(int database, int64_t now_ms);
  int database_count() const { return static_cast<int>(parts_.size()); }
  void SwapParts(int a, int b);
  // Takes a database out of this shard in O(1) where it was the only one, else in the time of the
  // smaller side. nullptr when it has no part here. new_policy makes an empty policy, which then
  // learns of the other databases' keys.
  using NewPolicy = std::function<std::unique_ptr<eviction::EvictionPolicy>()>;
  std::unique_ptr<Part> TakePart(int database, const NewPolicy& new_policy, int64_t now_ms);

  eviction::EvictionPolicy& policy() { return *policy_; }
  // Replaces the policy and tells the new one of every key.
  void ReplacePolicy(std::unique_ptr<eviction::EvictionPolicy> policy, int64_t now_ms);

  base::Rng& rng() { return rng_; }

  // The write version of a key's neighbourhood: grows with every write to any key that shares the
  // counter. A fetch whose version has changed is superseded.
  uint32_t version(uint32_t table_hash) const { return versions_[table_hash % kVersions]; }
  void BumpVersion(uint32_t table_hash) { ++versions_[table_hash % kVersions]; }
  void BumpAllVersions();

  // Charges an entry of part, or what it grew by. Small changes are gathered before they reach the
  // total of all shards.
  void Charge(Part& part, int64_t delta_bytes) {
    part.charged_bytes += delta_bytes;
    pending_bytes_ += delta_bytes;
    if (pending_bytes_ > kPendingMax || pending_bytes_ < -kPendingMax) FlushAccount();
  }
  void FlushAccount();
  // Brings what the tables, indices and the policy take into the account.
  void AccountStructures();

  // eviction::Residents
  bool Find(uint32_t hash, eviction::Word value, eviction::Word mask,
            eviction::Resident* found) override;
  size_t Sample(eviction::SampleFrom from, size_t limit, eviction::Resident* out) override;
  bool SoonestToExpire(eviction::Resident* found) override;

  // The entry and database behind Resident::handle.
  struct Handle {
    Entry* entry;
    int database;
  };
  Handle Unpack(const eviction::Resident& resident) const;

  ShardMutex mutex;
  ShardStats stats;
  Observers observers;

 private:
  static constexpr size_t kVersions = 256;
  static constexpr int64_t kPendingMax = 4096;

  eviction::Resident Describe(Entry* entry, int database, uint32_t hash) const;
  bool SampleOne(eviction::SampleFrom from, eviction::Resident* out);

  const uint64_t hash_seed_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::unique_ptr<eviction::EvictionPolicy> policy_;
  base::Rng rng_;
  std::array<uint32_t, kVersions> versions_ = {};
  std::atomic<int64_t>* const used_bytes_;  // of all shards together
  int64_t pending_bytes_ = 0;
  int64_t structure_bytes_ = 0;  // what AccountStructures last brought in
};

}  // namespace terrace::keyspace
