#pragma once

// The explicit table of eviction policies: configuration name -> factory.

#include <memory>
#include <span>
#include <string_view>

#include "eviction/policy.h"

namespace terrace::eviction {

struct PolicyInfo {
  std::string_view name;     // as in `maxmemory-policy`
  std::string_view summary;  // one line for CONFIG and the docs
  std::unique_ptr<EvictionPolicy> (*make)(uint64_t seed);
};

// Every policy, in the order the documentation lists them.
std::span<const PolicyInfo> Policies();

// nullptr when there is no such policy. Names are matched without regard to case.
const PolicyInfo* FindPolicy(std::string_view name);

}  // namespace terrace::eviction
