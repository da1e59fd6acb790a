#pragma once

// ExpiryIndex: which keys of one database in one shard come due, and when. A hierarchy of time
// buckets (Varghese and Lauck's hashed hierarchical timing wheel): finding what is due never scans
// keys that are not.
//
// A bucket holds only the keys' 32-bit hashes, 4 bytes a key. The index is a hint: the owner looks
// the key up again and trusts the entry's own deadline. That makes changes cheap:
//   - a deadline moved later leaves its slot where it is; when the slot comes due the owner adds
//     the key again at its real deadline;
//   - a deadline moved earlier gets a second slot;
//   - a removed key leaves its slot behind, to be dropped when it comes due or in a compaction,
//     which the owner runs when dead slots outnumber live ones.
//
// Threads: under the shard's lock.
// Units:   milliseconds on NowMs time; precision is kTickMs.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace terrace::keyspace {

class ExpiryIndex {
 public:
  static constexpr int64_t kTickMs = 64;

  explicit ExpiryIndex(int64_t now_ms) : tick_(now_ms / kTickMs) {}
  ~ExpiryIndex();
  ExpiryIndex(const ExpiryIndex&) = delete;
  ExpiryIndex& operator=(const ExpiryIndex&) = delete;

  void Add(uint32_t hash, int64_t deadline_ms);

  // Advances to now_ms and hands out the hashes of slots whose time bucket has passed, at most
  // limit of them; returns how many. A hash may be handed out although its key has a later
  // deadline (the owner Adds it again) or no longer exists. Fewer than limit means all are out.
  size_t TakeDue(int64_t now_ms, size_t limit, std::vector<uint32_t>* due);

  // Up to limit slots from the buckets that come due first, without removing them.
  size_t PeekSoonest(size_t limit, std::vector<uint32_t>* soonest) const;

  // A slot drawn at random (bucket first, so not uniform in time); false when empty.
  bool Random(uint64_t random, uint32_t* hash) const;

  // Removes every slot and hands them out without repeats, for the owner to Add the live ones
  // again.
  void TakeAll(std::vector<uint32_t>* slots);

  size_t slot_count() const { return slot_count_; }
  size_t bytes() const { return bytes_; }
  void Clear();

 private:
  static constexpr int kLevels = 8;
  static constexpr int kBits = 5;
  static constexpr int kBuckets = 1 << kBits;

  // Slots of a time bucket, in chunks so that growing wastes at most one of them.
  struct Chunk {
    Chunk* next;
    uint32_t count;
    uint32_t slots[29];
  };

  void Push(Chunk*& head, uint32_t hash);
  void PushDue(Chunk* head);
  void FreeChain(Chunk* head);
  Chunk*& BucketFor(int64_t tick);
  void Cascade(int level);

  int64_t tick_;  // every tick below this one has been handed out
  size_t slot_count_ = 0;
  size_t bytes_ = 0;
  Chunk* buckets_[kLevels][kBuckets] = {};
  // The coarse slots of a bucket that was opened: they are due for a second look by the owner.
  std::vector<uint32_t> due_;
};

}  // namespace terrace::keyspace
