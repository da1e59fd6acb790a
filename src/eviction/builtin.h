#pragma once

// The factories of the built-in policies, for registry.cc alone. Everything else finds a policy by
// its name.

#include <cstdint>
#include <memory>

#include "eviction/policy.h"

namespace terrace::eviction {

std::unique_ptr<EvictionPolicy> MakeNoEviction(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeAllkeysLru(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeVolatileLru(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeAllkeysLfu(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeVolatileLfu(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeAllkeysRandom(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeVolatileRandom(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeVolatileTtl(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeSieve(uint64_t seed);
std::unique_ptr<EvictionPolicy> MakeS3Fifo(uint64_t seed);

}  // namespace terrace::eviction
