// allkeys-lru and volatile-lru: the key idle for longest among what was sampled. The word is the
// time of last use, so a hit is one store; the pool brings the result close to true LRU.

#include "eviction/access_clock.h"
#include "eviction/builtin.h"
#include "eviction/candidate_pool.h"

namespace terrace::eviction {
namespace {

class LruPolicy final : public AccessClockPolicy {
 public:
  LruPolicy(std::string_view name, SampleFrom from) : name_(name), pool_(from) {}

  std::string_view name() const override { return name_; }

  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    const auto idle_ms = [now_ms](Word used_ms) { return now_ms - used_ms; };
    return pool_.Pick(residents, idle_ms, victim);
  }

  void SetTuning(const Tuning& tuning) override { pool_.set_samples(tuning.samples); }

 private:
  const std::string_view name_;
  CandidatePool pool_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeAllkeysLru(uint64_t seed) {
  return std::make_unique<LruPolicy>("allkeys-lru", SampleFrom::kAllKeys);
}

std::unique_ptr<EvictionPolicy> MakeVolatileLru(uint64_t seed) {
  return std::make_unique<LruPolicy>("volatile-lru", SampleFrom::kKeysWithDeadline);
}

}  // namespace terrace::eviction
