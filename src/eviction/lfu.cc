// allkeys-lfu and volatile-lfu: the key with the lowest access counter among what was sampled.
//
// The counter is Redis's: eight bits that grow logarithmically (the chance of an increment falls as
// 1 / (counter above the initial value × the log factor + 1)) and lose one for each decay period
// without a touch. The word is [time of last decay, 24 bits of 256 ms | counter, 8 bits].

#include <algorithm>

#include "base/rng.h"
#include "eviction/builtin.h"
#include "eviction/candidate_pool.h"

namespace terrace::eviction {
namespace {

constexpr uint32_t kInitialCounter = 5;
constexpr uint32_t kCounterMax = 255;

constexpr uint32_t kTickShift = 8;
constexpr uint32_t kTickMask = 0xffffff;
constexpr uint32_t kCounterMask = 0xff;

uint32_t TickOf(uint32_t now_ms) { return now_ms >> kTickShift; }
Word Pack(uint32_t tick, uint32_t counter) { return tick << 8 | counter; }

// Ticks wrap with the clock they come from, so the difference is right across a wrap.
uint32_t TicksSince(Word word, uint32_t now_ms) {
  return (TickOf(now_ms) - (word >> 8)) & kTickMask;
}

class LfuPolicy final : public EvictionPolicy {
 public:
  LfuPolicy(std::string_view name, SampleFrom from, uint64_t seed)
      : name_(name), pool_(from), rng_(seed) {}

  std::string_view name() const override { return name_; }

  void OnInsert(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    word = Pack(TickOf(now_ms), kInitialCounter);
  }

  void OnHit(uint32_t hash, Word& word, uint32_t now_ms) override {
    const uint32_t counter = DecayedCounter(word, now_ms);
    word = Pack(TickOf(now_ms), counter + (Increments(counter) ? 1 : 0));
  }

  void OnRemove(uint32_t hash, Word& word, uint32_t charge, RemoveCause cause) override {}

  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    // Among equal counters the one untouched for longest leaves first.
    const auto rank = [this, now_ms](Word word) {
      return (kCounterMax - DecayedCounter(word, now_ms)) << 24 | TicksSince(word, now_ms);
    };
    return pool_.Pick(residents, rank, victim);
  }

  void SetTuning(const Tuning& tuning) override {
    tuning_ = tuning;
    pool_.set_samples(tuning.samples);
  }

  // One more for certain, or chance would pick the same few again and again.
  void OnKept(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    word = Pack(TickOf(now_ms), std::min(DecayedCounter(word, now_ms) + 1, kCounterMax));
  }

  int64_t Frequency(Word word, uint32_t now_ms) const override {
    return DecayedCounter(word, now_ms);
  }
  void SetFrequency(Word& word, uint8_t frequency, uint32_t now_ms) override {
    word = Pack(TickOf(now_ms), frequency);
  }

 private:
  uint32_t DecayedCounter(Word word, uint32_t now_ms) const {
    const uint32_t counter = word & kCounterMask;
    if (tuning_.lfu_decay_ms == 0) return counter;
    const uint64_t idle_ms = uint64_t{TicksSince(word, now_ms)} << kTickShift;
    const uint64_t periods = idle_ms / tuning_.lfu_decay_ms;
    return periods >= counter ? 0 : counter - static_cast<uint32_t>(periods);
  }

  bool Increments(uint32_t counter) {
    if (counter == kCounterMax) return false;
    const uint32_t above = counter > kInitialCounter ? counter - kInitialCounter : 0;
    return rng_.Below(uint64_t{above} * tuning_.lfu_log_factor + 1) == 0;
  }

  const std::string_view name_;
  CandidatePool pool_;
  Tuning tuning_;
  base::Rng rng_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeAllkeysLfu(uint64_t seed) {
  return std::make_unique<LfuPolicy>("allkeys-lfu", SampleFrom::kAllKeys, seed);
}

std::unique_ptr<EvictionPolicy> MakeVolatileLfu(uint64_t seed) {
  return std::make_unique<LfuPolicy>("volatile-lfu", SampleFrom::kKeysWithDeadline, seed);
}

}  // namespace terrace::eviction
