#pragma once

// Route: the rule, chosen by key prefix, that says which tiers a key has, who has the last word on
// it, and how long copies of it may be used. RouteTable finds the route of a key.
//
// Threads: immutable after start-up, except for the statistics and the generation, which are
// atomic. Units:   milliseconds; latencies in microseconds.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/histogram.h"
#include "tiers/regional.h"
#include "tiers/upstream.h"

namespace terrace::tiers {

// Which tier has the last word on a key, and so what a write does. See docs/ARCHITECTURE.md.
enum class Authority : uint8_t {
  kRegional,  // write mode forward: writes run on the regional tier
  kSpill,     // write mode spill: writes run here, evicted values move to the regional tier
  kLocal,     // write mode local: writes run here only
};

std::string_view AuthorityName(Authority authority);

struct TierStats {
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  std::atomic<uint64_t> errors{0};
  base::Histogram latency_us;
};

struct RouteStats {
  std::atomic<uint64_t> local_hits{0};
  std::atomic<uint64_t> local_misses{0};
  std::atomic<uint64_t> negative_hits{0};  // answered by a remembered absence
  std::atomic<uint64_t> fills{0};          // copies that entered the local tier
  std::atomic<uint64_t> coalesced{0};      // requests that joined a fetch under way
  std::atomic<uint64_t> superseded{0};     // fetches whose key changed meanwhile
  std::atomic<uint64_t> spills{0};         // values moved to the regional tier
  std::atomic<uint64_t> relays{0};         // commands executed by the regional tier
  std::atomic<int64_t> fetches_in_flight{0};
  std::atomic<int64_t> relays_in_flight{0};
  TierStats regional;
  TierStats origin;
};

struct Route {
  uint16_t index = 0;
  std::string prefix;
  Authority authority = Authority::kLocal;
  RegionalTier* regional = nullptr;  // or none
  Upstream* origin = nullptr;        // or none

  int64_t ttl_ms = kNoTtl;      // longest life of a copy; kNoTtl: as long as its source says
  int64_t negative_ttl_ms = 0;  // longest life of "absent"; 0: not remembered
  double jitter = 0;            // part of ttl_ms taken off at random
  size_t value_bytes_max = 0;   // 0: no limit
  int64_t timeout_ms = 3000;    // the whole resolution of one key
  int64_t regional_timeout_ms = 1000;
  int64_t origin_timeout_ms = 2000;
  int64_t relay_in_flight_max = 1000;

  // Does the regional tier have the last word, so that writes run there?
  bool is_relayed() const { return authority == Authority::kRegional && regional != nullptr; }
  // Does any of its tiers tell the databases apart?
  bool has_databases_below() const {
    return regional != nullptr || (origin != nullptr && origin->has_databases());
  }
  bool has_tiers() const { return regional != nullptr || origin != nullptr; }
  // The name in errors and logs.
  std::string display_name() const { return prefix.empty() ? "\"\"" : prefix; }

  mutable RouteStats stats;
  // Of the regional connection: copies fetched under an older one are not used any more.
  mutable std::atomic<uint32_t> generation{0};
};

class RouteTable {
 public:
  // No two with the same prefix. A key that matches none is local.
  explicit RouteTable(std::vector<std::unique_ptr<Route>> routes);

  // The route with the longest prefix of this key; nullptr when none matches.
  const Route* Match(std::string_view key) const;
  const Route* at(size_t index) const { return routes_[index].get(); }
  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }
  // Is there any route with tiers at all? Without one, the request path never looks at routes.
  bool any_tiers() const { return any_tiers_; }

 private:
  std::vector<std::unique_ptr<Route>> routes_;
  std::vector<const Route*> by_length_;  // longest prefix first
  bool any_tiers_ = false;
};

}  // namespace terrace::tiers
