// s3-fifo: S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache
// eviction", SOSP 2023).

#include "base/check.h"
#include "eviction/builtin.h"
#include "eviction/ghost.h"
#include "eviction/slot_queue.h"

namespace terrace::eviction {
namespace {

constexpr uint32_t kNumberBits = 26;
constexpr Word kNumberMask = (Word{1} << kNumberBits) - 1;
constexpr Word kInMain = Word{1} << kNumberBits;
constexpr Word kIdentityMask = kInMain | kNumberMask;
constexpr uint32_t kHitsShift = 30;
constexpr Word kOneHit = Word{1} << kHitsShift;
constexpr Word kHitsMask = Word{3} << kHitsShift;

constexpr Word kHitsToPromote = 2 * kOneHit;
constexpr uint64_t kSmallPercent = 10;

class S3FifoPolicy final : public EvictionPolicy {
 public:
  std::string_view name() const override { return "s3-fifo"; }

  void OnInsert(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    if (ghost_.Take(hash)) {
      ++ghost_hits_;
      Enter(main_, hash, word, charge);
    } else {
      Enter(small_, hash, word, charge);
    }
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
    if (&queue == &small_) {
      ghost_.SetCapacity(small_.slots.size() + main_.slots.size());
      ghost_.Add(hash);
    }
  }

  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    while (small_.slots.size() + main_.slots.size() > 0) {
      const uint64_t small_share = small_.bytes * 100;
      const bool from_small =
          small_.slots.size() > 0 &&
          (main_.slots.size() == 0 || small_share > (small_.bytes + main_.bytes) * kSmallPercent);
      if (from_small ? PickFromSmall(residents, victim) : PickFromMain(residents, victim)) {
        return true;
      }
    }
    return false;
  }

  size_t metadata_bytes() const override {
    return small_.slots.memory_bytes() + main_.slots.memory_bytes() + ghost_.memory_bytes();
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
  }

  void SelfCheck(Residents& residents) const override {
    CheckQueue(small_, residents);
    CheckQueue(main_, residents);
  }

 private:
  struct Queue {
    SlotQueue slots{kNumberBits};
    Word tag = 0;
    uint64_t bytes = 0;
    uint64_t evictions = 0;
  };

  Queue& QueueOf(Word word) { return word & kInMain ? main_ : small_; }

  static Word Identity(const Queue& queue, uint64_t number) {
    return queue.tag | (static_cast<Word>(number) & kNumberMask);
  }

  void Enter(Queue& queue, uint32_t hash, Word& word, uint32_t charge) {
    word = Identity(queue, queue.slots.Push(hash));
    queue.bytes += charge;
  }

  void Leave(Queue& queue, uint32_t hash, Word word, uint32_t charge) {
    queue.slots.Erase(hash, word & kNumberMask);
    queue.bytes -= charge;
  }

  // The key at the head of the queue; a slot without a key is dropped.
  bool Head(Queue& queue, Residents& residents, Resident* head) {
    SlotQueue::Slot slot;
    if (!queue.slots.Next(0, &slot)) return false;
    const Word identity = Identity(queue, slot.number);
    if (residents.Find(slot.hash, identity, kIdentityMask, head)) return true;
    queue.slots.Erase(slot.hash, identity & kNumberMask);
    return false;
  }

  bool PickFromSmall(Residents& residents, Resident* victim) {
    if (!Head(small_, residents, victim)) return false;
    if ((*victim->word & kHitsMask) < kHitsToPromote) return true;
    ++promotions_;
    Leave(small_, victim->hash, *victim->word, victim->charge);
    Enter(main_, victim->hash, *victim->word, victim->charge);
    return false;
  }

  bool PickFromMain(Residents& residents, Resident* victim) {
    if (!Head(main_, residents, victim)) return false;
    const Word hits = *victim->word & kHitsMask;
    if (hits == 0) return true;
    ++reinsertions_;
    Leave(main_, victim->hash, *victim->word, victim->charge);
    Enter(main_, victim->hash, *victim->word, victim->charge);
    *victim->word |= hits - kOneHit;
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
  uint64_t promotions_ = 0;
  uint64_t reinsertions_ = 0;
  uint64_t ghost_hits_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeS3Fifo(uint64_t seed) {
  return std::make_unique<S3FifoPolicy>();
}

}  // namespace terrace::eviction
