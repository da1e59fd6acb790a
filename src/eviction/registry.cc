#include "eviction/registry.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/letters.h"
#include "eviction/builtin.h"

namespace terrace::eviction {
namespace {

constexpr std::array kPolicies = {
    PolicyInfo{"noeviction", "refuse writes when memory is full", MakeNoEviction},
    PolicyInfo{"allkeys-lru", "the least recently used key, by sampling", MakeAllkeysLru},
    PolicyInfo{"allkeys-lfu", "the least frequently used key, by sampling", MakeAllkeysLfu},
    PolicyInfo{"allkeys-random", "any key", MakeAllkeysRandom},
    PolicyInfo{"volatile-lru", "the least recently used key with a TTL", MakeVolatileLru},
    PolicyInfo{"volatile-lfu", "the least frequently used key with a TTL", MakeVolatileLfu},
    PolicyInfo{"volatile-random", "any key with a TTL", MakeVolatileRandom},
    PolicyInfo{"volatile-ttl", "the key nearest to its expiry", MakeVolatileTtl},
    PolicyInfo{"sieve", "FIFO with a sweeping hand that spares what was read", MakeSieve},
    PolicyInfo{"s3-fifo", "small and main FIFO queues with a ghost of the evicted", MakeS3Fifo},
};

}  // namespace

std::span<const PolicyInfo> Policies() { return kPolicies; }

const PolicyInfo* FindPolicy(std::string_view name) {
  for (const PolicyInfo& info : kPolicies) {
    if (base::SameWord(info.name, name)) return &info;
  }
  return nullptr;
}

}  // namespace terrace::eviction
