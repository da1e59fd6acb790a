// allkeys-random and volatile-random: the store's own random sample of one is the decision.

#include "eviction/access_clock.h"
#include "eviction/builtin.h"

namespace terrace::eviction {
namespace {

class RandomPolicy final : public AccessClockPolicy {
 public:
  RandomPolicy(std::string_view name, SampleFrom from) : name_(name), from_(from) {}

  std::string_view name() const override { return name_; }
  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    return residents.Sample(from_, 1, victim) == 1;
  }

 private:
  const std::string_view name_;
  const SampleFrom from_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeAllkeysRandom(uint64_t seed) {
  return std::make_unique<RandomPolicy>("allkeys-random", SampleFrom::kAllKeys);
}

std::unique_ptr<EvictionPolicy> MakeVolatileRandom(uint64_t seed) {
  return std::make_unique<RandomPolicy>("volatile-random", SampleFrom::kKeysWithDeadline);
}

}  // namespace terrace::eviction
