#pragma once

// FakeStore: the smallest store a policy can live in, for the contract suite and the behaviour
// tests. Keys are numbers; the hash of a key is chosen by the test, so that collisions can be
// forced.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "eviction/policy.h"

namespace terrace::eviction {

class FakeStore final : public Residents {
 public:
  struct Entry {
    uint64_t key = 0;
    uint32_t hash = 0;
    uint32_t charge = 0;
    int64_t deadline_ms = kNoDeadline;
    Word word = 0;
    size_t position = 0;  // in order_
  };

  FakeStore(std::unique_ptr<EvictionPolicy> policy, uint64_t seed, uint32_t hash_mask = ~0u)
      : policy_(std::move(policy)), rng_(seed), hash_mask_(hash_mask) {}

  EvictionPolicy& policy() { return *policy_; }
  uint32_t now_ms = 1;

  bool Contains(uint64_t key) const { return entries_.contains(key); }
  size_t size() const { return order_.size(); }
  uint64_t used_bytes() const { return used_bytes_; }
  Entry& entry(uint64_t key) { return *entries_.at(key); }

  void Insert(uint64_t key, uint32_t charge = 1, int64_t deadline_ms = kNoDeadline) {
    auto entry = std::make_unique<Entry>();
    *entry = {key, HashOf(key), charge, deadline_ms, 0, order_.size()};
    policy_->OnInsert(entry->hash, entry->word, charge, now_ms);
    by_hash_.emplace(entry->hash, entry.get());
    order_.push_back(entry.get());
    if (deadline_ms != kNoDeadline) by_deadline_.emplace(deadline_ms, entry.get());
    used_bytes_ += charge;
    entries_.emplace(key, std::move(entry));
  }

  void Hit(uint64_t key) {
    Entry& hit = entry(key);
    policy_->OnHit(hit.hash, hit.word, now_ms);
  }

  void Resize(uint64_t key, uint32_t charge) {
    Entry& resized = entry(key);
    policy_->OnResize(resized.word, resized.charge, charge);
    used_bytes_ += charge - uint64_t{resized.charge};
    resized.charge = charge;
  }

  void Persist(uint64_t key) {
    Entry& persisted = entry(key);
    EraseFrom(by_deadline_, persisted.deadline_ms, &persisted);
    persisted.deadline_ms = kNoDeadline;
  }

  void Remove(uint64_t key, RemoveCause cause) {
    Entry* gone = entries_.at(key).get();
    policy_->OnRemove(gone->hash, gone->word, gone->charge, cause);
    used_bytes_ -= gone->charge;
    order_[gone->position] = order_.back();
    order_[gone->position]->position = gone->position;
    order_.pop_back();
    EraseFrom(by_hash_, gone->hash, gone);
    if (gone->deadline_ms != kNoDeadline) EraseFrom(by_deadline_, gone->deadline_ms, gone);
    entries_.erase(key);
  }

  // Reads the key if it is here, else makes room and inserts it. True on a hit.
  bool Access(uint64_t key, uint64_t capacity_bytes, uint32_t charge = 1) {
    ++now_ms;
    if (Contains(key)) {
      Hit(key);
      return true;
    }
    while (used_bytes_ + charge > capacity_bytes && EvictOne() != kNothing) {
    }
    Insert(key, charge);
    return false;
  }

  static constexpr uint64_t kNothing = ~uint64_t{0};

  // Evicts what the policy picks and returns its key; kNothing when the policy has none.
  uint64_t EvictOne() {
    Resident victim;
    if (!policy_->PickVictim(*this, now_ms, &victim)) return kNothing;
    const uint64_t key = static_cast<Entry*>(victim.handle)->key;
    Remove(key, RemoveCause::kEvicted);
    return key;
  }

  uint64_t RandomKey() { return order_[rng_.Below(order_.size())]->key; }

  bool Find(uint32_t hash, Word value, Word mask, Resident* found) override {
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
      if ((it->second->word & mask) != value) continue;
      *found = AsResident(*it->second);
      return true;
    }
    return false;
  }

  size_t Sample(SampleFrom from, size_t limit, Resident* out) override {
    if (from == SampleFrom::kAllKeys) {
      if (order_.empty()) return 0;
      for (size_t i = 0; i < limit; ++i) out[i] = AsResident(*order_[rng_.Below(order_.size())]);
      return limit;
    }
    size_t count = 0;
    auto it = by_deadline_.begin();
    if (!by_deadline_.empty())
      std::advance(it, rng_.Below(std::min<size_t>(by_deadline_.size(), 64)));
    for (; it != by_deadline_.end() && count < limit; ++it) out[count++] = AsResident(*it->second);
    return count;
  }

  bool SoonestToExpire(Resident* found) override {
    if (by_deadline_.empty()) return false;
    *found = AsResident(*by_deadline_.begin()->second);
    return true;
  }

  uint32_t HashOf(uint64_t key) const {
    uint64_t z = (key + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    return static_cast<uint32_t>((z ^ (z >> 27)) >> 16) & hash_mask_;
  }

 private:
  static Resident AsResident(Entry& entry) {
    return {entry.hash, &entry.word, entry.charge, entry.deadline_ms, &entry};
  }

  template <typename Map, typename Key>
  static void EraseFrom(Map& map, const Key& key, const Entry* entry) {
    const auto [begin, end] = map.equal_range(key);
    for (auto it = begin; it != end; ++it) {
      if (it->second == entry) {
        map.erase(it);
        return;
      }
    }
  }

  std::unique_ptr<EvictionPolicy> policy_;
  base::Rng rng_;
  const uint32_t hash_mask_;
  std::unordered_map<uint64_t, std::unique_ptr<Entry>> entries_;
  std::unordered_multimap<uint32_t, Entry*> by_hash_;
  std::multimap<int64_t, Entry*> by_deadline_;
  std::vector<Entry*> order_;
  uint64_t used_bytes_ = 0;
};

}  // namespace terrace::eviction
