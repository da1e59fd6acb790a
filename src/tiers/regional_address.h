#pragma once

// Host names for the regional tier.

#include <string>
#include <vector>

namespace terrace::tiers {

// An address that needs no resolver.
bool IsNumericAddress(const std::string& host);

struct ResolvedHost {
  std::vector<std::string> addresses;  // numeric, in the resolver's order of preference
  std::string error;                   // why there are none
};

// Asks the system's resolver. Blocks: for helper threads.
ResolvedHost ResolveHost(const std::string& host);

}  // namespace terrace::tiers
