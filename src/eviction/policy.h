#pragma once

// EvictionPolicy: decides which key leaves when memory is short. It only decides: the store owns
// the keys, finds them, removes them and frees them.
//
// A policy keeps its per-key state in one 32-bit Word inside the entry, plus whatever compact
// queues of its own it needs. A queue slot need not point at an entry: it holds the key's 32-bit
// hash, and the store finds the entry again by hash and Word (Residents::Find). So a deleted key
// leaves a dead slot behind, which costs nothing until it is met, and no entry carries list links.
//
// Ownership: Resident::handle belongs to the store and is valid only until the store changes.
// Threads:   one instance per shard, always called under the shard's lock.
// Units:     charge in bytes; now_ms is the low 32 bits of the clock in milliseconds.
// Errors:    none; a policy that has nothing to offer returns false from PickVictim.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace terrace::eviction {

using Word = uint32_t;

inline constexpr int64_t kNoDeadline = -1;

// One key of the store, as a policy sees it.
struct Resident {
  uint32_t hash = 0;     // 32 bits of the key's hash, stable for the key's life
  Word* word = nullptr;  // the policy's own state, inside the entry
  uint32_t charge = 0;   // bytes the key costs
  int64_t deadline_ms = kNoDeadline;
  void* handle = nullptr;  // the store's; opaque here
};

enum class RemoveCause : uint8_t { kDeleted, kExpired, kEvicted, kReplaced };

enum class SampleFrom : uint8_t { kAllKeys, kKeysWithDeadline };

// What a policy may ask of the store that owns the keys.
class Residents {
 public:
  virtual ~Residents() = default;

  // The key with this hash whose word, under mask, equals value. False when it has left.
  virtual bool Find(uint32_t hash, Word value, Word mask, Resident* found) = 0;

  // Fills out with up to limit keys drawn at random (repeats possible); returns how many.
  virtual size_t Sample(SampleFrom from, size_t limit, Resident* out) = 0;

  // A key whose deadline lies among the nearest (to the precision of the store's time buckets).
  virtual bool SoonestToExpire(Resident* found) = 0;
};

// What operators may tune while a policy runs; each policy uses what concerns it.
struct Tuning {
  static constexpr size_t kSamplesMax = 64;

  size_t samples = 8;              // maxmemory-samples: keys drawn for each pick
  uint32_t lfu_log_factor = 10;    // lfu-log-factor: how slowly counters saturate
  uint64_t lfu_decay_ms = 60'000;  // lfu-decay-time: for one off a counter; 0: they do not decay
};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;

  // The name in the configuration, in INFO and in the registry.
  virtual std::string_view name() const = 0;

  // A key entered. The policy initialises word.
  virtual void OnInsert(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) = 0;

  // A key was read or overwritten. This is on the path of every hit: a few instructions.
  virtual void OnHit(uint32_t hash, Word& word, uint32_t now_ms) = 0;

  // A key's cost changed in place.
  virtual void OnResize(Word& word, uint32_t old_charge, uint32_t new_charge) {}

  // A key is about to leave, for whatever cause; also called for the victim this policy picked.
  virtual void OnRemove(uint32_t hash, Word& word, uint32_t charge, RemoveCause cause) = 0;

  // Should a value fetched from a lower tier enter at all? Writes by clients always enter.
  virtual bool AdmitFetched(uint32_t hash, uint32_t charge) { return true; }

  // Chooses the key to leave next. May move its own queues and change words of keys it meets.
  // False when there is nothing it may evict (noeviction, or no key has a deadline).
  virtual bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) = 0;

  // The key that was just picked may not leave now: it stays, as if it had been used, and the next
  // pick passes it over where there are others.
  virtual void OnKept(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) {
    OnHit(hash, word, now_ms);
  }

  // The bytes this instance should assume the store holds at most; 0 means unlimited. Queues with
  // a share of the whole (small, ghost) size themselves from it.
  virtual void SetCapacity(uint64_t bytes) {}

  virtual void SetTuning(const Tuning& tuning) {}

  // Bytes of the policy's own memory, beyond the word in each entry.
  virtual size_t metadata_bytes() const { return 0; }

  // Milliseconds since last use and access frequency of a key, where the policy keeps them; -1
  // where it does not (OBJECT IDLETIME, OBJECT FREQ).
  virtual int64_t IdleMs(Word word, uint32_t now_ms) const { return -1; }
  virtual int64_t Frequency(Word word, uint32_t now_ms) const { return -1; }

  // Sets what IdleMs or Frequency will answer (RESTORE IDLETIME, FREQ). Ignored elsewhere.
  virtual void SetIdleSeconds(Word& word, int64_t idle_s, uint32_t now_ms) {}
  virtual void SetFrequency(Word& word, uint8_t frequency, uint32_t now_ms) {}

  // Named counters (queue lengths, promotions, ghost hits) for INFO.
  virtual void VisitStats(const std::function<void(std::string_view, uint64_t)>& visit) const {}

  // Recomputes what it keeps about live keys and aborts on a difference. For tests.
  virtual void SelfCheck(Residents& residents) const {}
};

}  // namespace terrace::eviction
