// volatile-ttl: the key nearest to its deadline. The store keeps deadlines in time buckets, so it
// can name that key outright and nothing needs to be sampled. While that key may not leave, the
// soonest of a sample does.

#include <algorithm>
#include <array>
#include <utility>

#include "eviction/access_clock.h"
#include "eviction/builtin.h"

namespace terrace::eviction {
namespace {

class TtlPolicy final : public AccessClockPolicy {
 public:
  std::string_view name() const override { return "volatile-ttl"; }
  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    if (!std::exchange(soonest_is_kept_, false)) return residents.SoonestToExpire(victim);
    std::array<Resident, kSamples> sample;
    const size_t drawn = residents.Sample(SampleFrom::kKeysWithDeadline, kSamples, sample.data());
    if (drawn == 0) return false;
    *victim = *std::min_element(
        sample.begin(), sample.begin() + static_cast<long>(drawn),
        [](const Resident& a, const Resident& b) { return a.deadline_ms < b.deadline_ms; });
    return true;
  }
  void OnKept(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    soonest_is_kept_ = true;
  }

 private:
  static constexpr size_t kSamples = 8;
  bool soonest_is_kept_ = false;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeVolatileTtl(uint64_t seed) {
  return std::make_unique<TtlPolicy>();
}

}  // namespace terrace::eviction
