// volatile-ttl: the key nearest to its deadline. The store keeps deadlines in time buckets, so it
// can name that key outright and nothing needs to be sampled.

#include "eviction/access_clock.h"
#include "eviction/builtin.h"

namespace terrace::eviction {
namespace {

class TtlPolicy final : public AccessClockPolicy {
 public:
  std::string_view name() const override { return "volatile-ttl"; }
  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    return residents.SoonestToExpire(victim);
  }
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeVolatileTtl(uint64_t seed) {
  return std::make_unique<TtlPolicy>();
}

}  // namespace terrace::eviction
