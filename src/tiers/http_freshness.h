#pragma once

// HttpFreshness: what the headers of an HTTP response say about keeping it, read as a shared cache
// must read them (RFC 9111). Where a header is broken the cautious reading wins.

#include <cstdint>
#include <string>

#include "tiers/upstream.h"

namespace terrace::tiers {

// Values of the headers, empty when missing. Repeated headers are joined with ", ".
struct FreshnessHeaders {
  std::string cache_control;
  std::string age;
  std::string expires;
  std::string date;
};

struct HttpFreshness {
  int64_t ttl_ms = kNoTtl;  // left of it now; 0 when it was stale on arrival
  bool storable = true;
};

// s-maxage wins over max-age, both over Expires; Age is subtracted. no-store, private and no-cache,
// also for single fields only, make the response not storable. wall_ms stands in for a missing
// Date.
HttpFreshness ReadHttpFreshness(const FreshnessHeaders& headers, int64_t wall_ms);

}  // namespace terrace::tiers
