// sieve: SIEVE (Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE is Simpler than LRU", NSDI 2024).
//
// Keys stand in order of arrival and never move. A hand sweeps from the oldest to the newest: a key
// read since the hand last passed is spared and its mark cleared, the first unmarked key leaves.
// Unlike FIFO with reinsertion, a spared key keeps its place, so newcomers are examined soon after
// they arrive while the proven keys behind the hand are left alone.
//
// The word is [visited, 1 bit | unused, 5 bits | slot number, 26 bits].
// Memory beyond the word: the slot queue, 4.6 bytes a key when nothing leaves from the middle and 6
// otherwise: thin chunks are merged as the hand reaches them, and what it has thinned out as
// it leaves, since a sweep may take a million requests.

#include "base/check.h"
#include "eviction/builtin.h"
#include "eviction/slot_queue.h"

namespace terrace::eviction {
namespace {

constexpr uint32_t kSieveNumberBits = 26;
constexpr Word kSieveNumberMask = (Word{1} << kSieveNumberBits) - 1;
constexpr Word kVisited = Word{1} << 31;
constexpr uint64_t kNoChunk = ~uint64_t{0};

class SievePolicy final : public EvictionPolicy {
 public:
  std::string_view name() const override { return "sieve"; }

  void OnInsert(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    word = static_cast<Word>(queue_.Push(hash)) & kSieveNumberMask;
  }

  void OnHit(uint32_t hash, Word& word, uint32_t now_ms) override { word |= kVisited; }

  void OnRemove(uint32_t hash, Word& word, uint32_t charge, RemoveCause cause) override {
    queue_.Erase(hash, word & kSieveNumberMask);
    if (cause == RemoveCause::kEvicted) ++evictions_;
  }

  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    // One sweep clears every mark, so the second one ends at the latest.
    while (queue_.size() > 0) {
      SlotQueue::Slot slot;
      if (!queue_.Next(hand_, &slot)) {
        StartSweep();
        continue;
      }
      if (SlotQueue::ChunkOf(slot.number) != hand_chunk_) {
        MergeBehind(residents);
        hand_chunk_ = SlotQueue::ChunkOf(slot.number);
        MergeThin(residents, hand_chunk_);
        continue;
      }
      const Word number = static_cast<Word>(slot.number) & kSieveNumberMask;
      if (!residents.Find(slot.hash, number, kSieveNumberMask, victim)) {
        queue_.Erase(slot.hash, number);
      } else if (*victim->word & kVisited) {
        *victim->word &= ~kVisited;
        ++spared_;
        hand_ = slot.number + 1;
      } else {
        // Past the newest key the sweep ends even if more keys arrive before the next pick.
        hand_ = slot.number;
        if (!queue_.Next(slot.number + 1, &slot)) StartSweep();
        return true;
      }
    }
    return false;
  }

  size_t metadata_bytes() const override { return queue_.memory_bytes(); }

  void VisitStats(const std::function<void(std::string_view, uint64_t)>& visit) const override {
    visit("queue_keys", queue_.size());
    visit("evictions", evictions_);
    visit("spared", spared_);
    visit("sweeps", sweeps_);
  }

  void SelfCheck(Residents& residents) const override {
    size_t found_count = 0;
    SlotQueue::Slot slot;
    for (uint64_t from = 0; queue_.Next(from, &slot); from = slot.number + 1) {
      Resident found;
      TERRACE_CHECK(residents.Find(slot.hash, static_cast<Word>(slot.number) & kSieveNumberMask,
                                   kSieveNumberMask, &found));
      ++found_count;
    }
    TERRACE_CHECK(found_count == queue_.size());
  }

 private:
  void StartSweep() {
    hand_ = 0;
    hand_chunk_ = behind_chunk_ = kNoChunk;
    ++sweeps_;
  }

  // The hand leaves its chunk. All in it was spared, and goes to the chunk before if it fits.
  void MergeBehind(Residents& residents) {
    if (behind_chunk_ == kNoChunk || !MergeThin(residents, behind_chunk_))
      behind_chunk_ = hand_chunk_;
  }

  // Merges a chunk with the one behind it, if both are thin.
  bool MergeThin(Residents& residents, uint64_t chunk) {
    const uint64_t number = SlotQueue::FirstOf(chunk);
    return queue_.MergeThinChunks(number, [&](uint32_t hash, uint64_t from, uint64_t to) {
      Resident moved;
      const Word old_number = static_cast<Word>(from) & kSieveNumberMask;
      if (!residents.Find(hash, old_number, kSieveNumberMask, &moved)) return;
      *moved.word = (*moved.word & ~kSieveNumberMask) | (static_cast<Word>(to) & kSieveNumberMask);
    });
  }

  SlotQueue queue_{kSieveNumberBits};
  uint64_t hand_ = 0;  // slots before it were spared in this sweep
  uint64_t hand_chunk_ = kNoChunk;
  uint64_t behind_chunk_ = kNoChunk;  // the last one before it, in this sweep
  uint64_t evictions_ = 0;
  uint64_t spared_ = 0;
  uint64_t sweeps_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeSieve(uint64_t seed) { return std::make_unique<SievePolicy>(); }

}  // namespace terrace::eviction
