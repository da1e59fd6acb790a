#include "tiers/http_freshness.h"

#include <gtest/gtest.h>

#include <string>

namespace terrace::tiers {
namespace {

constexpr int64_t kWallMs = 784111777000;  // Sun, 06 Nov 1994 08:49:37 GMT

TEST(HttpFreshnessTest, ReadsCacheControl) {
  const struct {
    const char* cache_control;
    int64_t ttl_ms;
    bool storable;
  } kCases[] = {
      {"", kNoTtl, true},
      {"public", kNoTtl, true},
      {"max-age=60", 60000, true},
      {"MAX-AGE=60 , public", 60000, true},
      {"max-age=\"60\"", 60000, true},
      {"max-age=0", 0, true},
      {"max-age=60, s-maxage=5", 5000, true},
      {"s-maxage=500, max-age=60", 500000, true},
      {"max-age=60, max-age=30", 30000, true},
      {"max-age", 0, true},
      {"max-age=", 0, true},
      {"max-age=abc", 0, true},
      {"max-age=-1", 0, true},
      {"max-age=1.5", 0, true},
      {"max-age=99999999999999999999999", int64_t{2147483648} * 1000, true},
      {"no-store", kNoTtl, false},
      {"No-Cache, max-age=60", 60000, false},
      {"private, max-age=60", 60000, false},
      {"private=\"set-cookie, x\", max-age=60", 60000, false},
      {"no-cache=\"x\"", kNoTtl, false},
      {"ext=\"no-store, max-age=1\", max-age=60", 60000, true},
      {"ext=\"a\\\", no-store\", max-age=60", 60000, true},
      {"x-no-store, no-stored, xmax-age=1", kNoTtl, true},
      {",,  ,max-age=60,,", 60000, true},
      {"\"unterminated, no-store", kNoTtl, true},
      {"=5", kNoTtl, true},
  };
  for (const auto& test : kCases) {
    const HttpFreshness got = ReadHttpFreshness({test.cache_control, "", "", ""}, kWallMs);
    EXPECT_EQ(got.ttl_ms, test.ttl_ms) << test.cache_control;
    EXPECT_EQ(got.storable, test.storable) << test.cache_control;
  }
}

TEST(HttpFreshnessTest, SubtractsAge) {
  const auto ttl_ms = [](const char* age) {
    return ReadHttpFreshness({"max-age=60", age, "", ""}, kWallMs).ttl_ms;
  };
  EXPECT_EQ(ttl_ms("0"), 60000);
  EXPECT_EQ(ttl_ms(" 45 "), 15000);
  EXPECT_EQ(ttl_ms("60"), 0);
  EXPECT_EQ(ttl_ms("99999999999999999999"), 0);
  EXPECT_EQ(ttl_ms("10, 20"), 50000);
  EXPECT_EQ(ttl_ms("nonsense"), 60000);
  EXPECT_EQ(ReadHttpFreshness({"", "10", "", ""}, kWallMs).ttl_ms, kNoTtl);
}

TEST(HttpFreshnessTest, ExpiresCountsWhereCacheControlIsSilent) {
  const char* now = "Sun, 06 Nov 1994 08:49:37 GMT";
  const char* later = "Sun, 06 Nov 1994 08:50:37 GMT";
  EXPECT_EQ(ReadHttpFreshness({"", "", later, now}, 0).ttl_ms, 60000);
  EXPECT_EQ(ReadHttpFreshness({"", "", later, ""}, kWallMs).ttl_ms, 60000);
  EXPECT_EQ(ReadHttpFreshness({"", "50", later, now}, 0).ttl_ms, 10000);
  EXPECT_EQ(ReadHttpFreshness({"", "", now, later}, 0).ttl_ms, 0);
  EXPECT_EQ(ReadHttpFreshness({"", "", "0", now}, 0).ttl_ms, 0);
  EXPECT_EQ(ReadHttpFreshness({"", "", "tomorrow", now}, 0).ttl_ms, 0);
  EXPECT_EQ(ReadHttpFreshness({"max-age=5", "", later, now}, 0).ttl_ms, 5000);
  EXPECT_EQ(ReadHttpFreshness({"public", "", later, now}, 0).ttl_ms, 60000);
}

}  // namespace
}  // namespace terrace::tiers
