// s3-fifo: S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache
// eviction", SOSP 2023), hardened against loops.
//
// A new key enters the small queue, a tenth of the bytes. At its end a key read twice or more moves
// to the main queue, any other leaves. The main queue gives a key one more round for each read. A
// ghost remembers what left, so that a key that returns soon can go to the main queue at once.
//
// Plain S3-FIFO never hits when keys come round in a loop somewhat larger than the cache: every key
// returns as a ghost and pushes out another one that was about to return. Four changes, in the
// spirit of the admission duel of TinyLFU (Einziger, Friedman, Manes, TOS 2017), where a newcomer
// that is no better than the incumbent loses:
//
//   - The main queue is filled first, with whatever comes, so there are incumbents to keep.
//   - A returning key enters the main queue only if the oldest key there is idle. If that one has
//     been read, the newcomer has lost: it takes its chance in the small queue, where one read is
//     enough for it. Each loser costs the incumbent one read of credit, so that keys that were
//     popular once do not hold their place for ever.
//   - A returning key that wins is credited with one read, which its return was. In a loop this
//     turns a main queue that churns into one that holds.
//   - The ghost remembers what left the main queue as well.
//
// The word is [reads, 2 bits | unused, 3 bits | in main, 1 bit | slot number, 26 bits].
// Memory beyond the word: about 7 bytes a key, 4.6 for the slot queues and 2.1 to 2.4 for the
// ghost.

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "eviction/builtin.h"
#include "eviction/ghost.h"
#include "eviction/slot_queue.h"

namespace terrace::eviction {
namespace {

constexpr uint32_t kS3NumberBits = 26;
constexpr Word kS3NumberMask = (Word{1} << kS3NumberBits) - 1;
constexpr Word kInMain = Word{1} << kS3NumberBits;
constexpr Word kIdentityMask = kInMain | kS3NumberMask;
constexpr uint32_t kHitsShift = 30;
constexpr Word kOneHit = Word{1} << kHitsShift;
constexpr Word kHitsMask = Word{3} << kHitsShift;

constexpr Word kHitsToPromote = 2 * kOneHit;
constexpr Word kHitsOfReturned = kOneHit;
constexpr uint64_t kSmallPercent = 10;

// Returning keys that wait for the next pick to be settled. More than one only while memory is not
// short; those beyond the limit are treated as new.
constexpr size_t kReturnsMax = 16;

class S3FifoPolicy final : public EvictionPolicy {
 public:
  std::string_view name() const override { return "s3-fifo"; }

  void OnInsert(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    Enter(small_, hash, word, charge);
    if (!ghost_.Take(hash)) return;
    ++ghost_hits_;
    if (returns_.size() < kReturnsMax) returns_.push_back({hash, word});
  }

  void OnHit(uint32_t hash, Word& word, uint32_t now_ms) override {
    if (word < kHitsMask) word += kOneHit;
  }

  void OnResize(Word& word, uint32_t old_charge, uint32_t new_charge) override {
    Queue& queue = QueueOf(word);
    queue.bytes = queue.bytes - old_charge + new_charge;
  }

  void OnRemove(uint32_t hash, Word& word, uint32_t charge, RemoveCause cause) override {
    Queue& queue = QueueOf(word);
    Leave(queue, hash, word, charge);
    if (cause != RemoveCause::kEvicted) return;
    ++queue.evictions;
    ghost_.SetCapacity(small_.slots.size() + main_.slots.size());
    ghost_.Add(hash);
  }

  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    for (const Return& returned : returns_) Settle(returned, residents);
    returns_.clear();
    if (main_.bytes < small_.bytes) filling_main_ = true;
    while (small_.slots.size() + main_.slots.size() > 0) {
      const bool from_small = SmallIsOverItsShare();
      if (!from_small) filling_main_ = false;
      if (from_small ? PickFromSmall(residents, victim) : PickFromMain(residents, victim)) {
        return true;
      }
    }
    return false;
  }

  // To the end of the other queue: at the end of its own it could come round for ever, since the
  // shares of the queues would not change, while the other one has keys that may leave.
  void OnKept(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    Queue& queue = QueueOf(word);
    Leave(queue, hash, word, charge);
    Enter(&queue == &main_ ? small_ : main_, hash, word, charge);
  }

  size_t metadata_bytes() const override {
    return small_.slots.memory_bytes() + main_.slots.memory_bytes() + ghost_.memory_bytes() +
           returns_.capacity() * sizeof(Return);
  }

  void VisitStats(const std::function<void(std::string_view, uint64_t)>& visit) const override {
    visit("small_keys", small_.slots.size());
    visit("small_bytes", small_.bytes);
    visit("small_evictions", small_.evictions);
    visit("main_keys", main_.slots.size());
    visit("main_bytes", main_.bytes);
    visit("main_evictions", main_.evictions);
    visit("promotions", promotions_);
    visit("reinsertions", reinsertions_);
    visit("ghost_hits", ghost_hits_);
    visit("ghost_hits_lost", losers_);
  }

  void SelfCheck(Residents& residents) const override {
    CheckQueue(small_, residents);
    CheckQueue(main_, residents);
  }

 private:
  struct Queue {
    SlotQueue slots{kS3NumberBits};
    Word tag = 0;
    uint64_t bytes = 0;
    uint64_t evictions = 0;
  };

  struct Return {
    uint32_t hash = 0;
    Word identity = 0;
  };

  Queue& QueueOf(Word word) { return word & kInMain ? main_ : small_; }

  static Word Identity(const Queue& queue, uint64_t number) {
    return queue.tag | (static_cast<Word>(number) & kS3NumberMask);
  }

  void Enter(Queue& queue, uint32_t hash, Word& word, uint32_t charge) {
    word = Identity(queue, queue.slots.Push(hash));
    queue.bytes += charge;
  }

  void Leave(Queue& queue, uint32_t hash, Word word, uint32_t charge) {
    queue.slots.Erase(hash, word & kS3NumberMask);
    queue.bytes -= charge;
  }

  // The key at the head of the queue; a slot without a key is dropped.
  bool Head(Queue& queue, Residents& residents, Resident* head) {
    SlotQueue::Slot slot;
    if (!queue.slots.Next(0, &slot)) return false;
    const Word identity = Identity(queue, slot.number);
    if (residents.Find(slot.hash, identity, kIdentityMask, head)) return true;
    queue.slots.Erase(slot.hash, identity & kS3NumberMask);
    return false;
  }

  bool SmallIsOverItsShare() const {
    if (main_.slots.size() == 0) return true;
    return small_.slots.size() > 0 &&
           small_.bytes * 100 > (small_.bytes + main_.bytes) * kSmallPercent;
  }

  // Decides between a key that returned and the oldest one of the main queue.
  void Settle(const Return& returned, Residents& residents) {
    Resident newcomer, incumbent;
    if (!residents.Find(returned.hash, returned.identity, kIdentityMask, &newcomer)) return;
    const Word hits = std::max(*newcomer.word & kHitsMask, kHitsOfReturned);
    const bool occupied = Head(main_, residents, &incumbent);
    if (!occupied || (*incumbent.word & kHitsMask) == 0) {
      MoveToMain(newcomer, hits);
      return;
    }
    ++losers_;
    *newcomer.word |= hits;
    MoveToMain(incumbent, (*incumbent.word & kHitsMask) - kOneHit);
  }

  // Puts a key of either queue at the end of the main queue with this many reads to its credit.
  void MoveToMain(const Resident& resident, Word hits) {
    Leave(QueueOf(*resident.word), resident.hash, *resident.word, resident.charge);
    Enter(main_, resident.hash, *resident.word, resident.charge);
    *resident.word |= hits;
  }

  bool PickFromSmall(Residents& residents, Resident* victim) {
    if (!Head(small_, residents, victim)) return false;
    // While the main queue is filled nothing is at stake, so nobody pays for the move with its
    // reads.
    const Word hits = *victim->word & kHitsMask;
    if (!filling_main_ && hits < kHitsToPromote) return true;
    ++promotions_;
    MoveToMain(*victim, filling_main_ ? hits : 0);
    return false;
  }

  bool PickFromMain(Residents& residents, Resident* victim) {
    if (!Head(main_, residents, victim)) return false;
    const Word hits = *victim->word & kHitsMask;
    if (hits == 0) return true;
    ++reinsertions_;
    MoveToMain(*victim, hits - kOneHit);
    return false;
  }

  static void CheckQueue(const Queue& queue, Residents& residents) {
    uint64_t bytes = 0;
    size_t count = 0;
    SlotQueue::Slot slot;
    for (uint64_t from = 0; queue.slots.Next(from, &slot); from = slot.number + 1) {
      Resident found;
      TERRACE_CHECK(residents.Find(slot.hash, Identity(queue, slot.number), kIdentityMask, &found));
      bytes += found.charge;
      ++count;
    }
    TERRACE_CHECK(count == queue.slots.size());
    TERRACE_CHECK(bytes == queue.bytes);
  }

  Queue small_;
  Queue main_{.tag = kInMain};
  Ghost ghost_;
  std::vector<Return> returns_;
  bool filling_main_ = true;
  uint64_t losers_ = 0;
  uint64_t promotions_ = 0;
  uint64_t reinsertions_ = 0;
  uint64_t ghost_hits_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeS3Fifo(uint64_t seed) {
  return std::make_unique<S3FifoPolicy>();
}

}  // namespace terrace::eviction
