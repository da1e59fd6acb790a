// noeviction: nothing ever leaves for want of memory; the store refuses writes instead.

#include "eviction/access_clock.h"
#include "eviction/builtin.h"

namespace terrace::eviction {
namespace {

class NoEviction final : public AccessClockPolicy {
 public:
  std::string_view name() const override { return "noeviction"; }
  bool PickVictim(Residents& residents, uint32_t now_ms, Resident* victim) override {
    return false;
  }
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeNoEviction(uint64_t seed) {
  return std::make_unique<NoEviction>();
}

}  // namespace terrace::eviction
