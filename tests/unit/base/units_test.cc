#include "base/units.h"

#include <gtest/gtest.h>

namespace terrace::base {
namespace {

TEST(Units, BytesTellDecimalFromBinaryUnits) {
  EXPECT_EQ(ParseBytes("0"), 0u);
  EXPECT_EQ(ParseBytes("100"), 100u);
  EXPECT_EQ(ParseBytes("100b"), 100u);
  EXPECT_EQ(ParseBytes("1k"), 1000u);
  EXPECT_EQ(ParseBytes("1kb"), 1024u);
  EXPECT_EQ(ParseBytes("2M"), 2000000u);
  EXPECT_EQ(ParseBytes("2MB"), 2u << 20);
  EXPECT_EQ(ParseBytes("1Gb"), 1u << 30);
  EXPECT_EQ(ParseBytes("1tb"), 1ull << 40);
}

TEST(Units, BytesRefuseWhatIsNotASize) {
  for (const char* text : {"", "-1", "+1", "1.5gb", "gb", "1 gb", "1gib", "1gb ", " 1", "0x10",
                           "18446744073709551616", "18446744073709551615kb"}) {
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseBytes("18446744073709551615"), 18446744073709551615ull);
}

TEST(Units, DurationsAreMilliseconds) {
  EXPECT_EQ(ParseDurationMs("250"), 250);
  EXPECT_EQ(ParseDurationMs("250ms"), 250);
  EXPECT_EQ(ParseDurationMs("5s"), 5000);
  EXPECT_EQ(ParseDurationMs("10m"), 600000);
  EXPECT_EQ(ParseDurationMs("1h"), 3600000);
  EXPECT_EQ(ParseDurationMs("2D"), 172800000);
  for (const char* text : {"", "-5s", "5 s", "1.5s", "5y", "s", "9223372036854775807s"}) {
    EXPECT_EQ(ParseDurationMs(text), std::nullopt) << text;
  }
}

TEST(Units, FormattedValuesReadBackTheSame) {
  EXPECT_EQ(FormatBytes(1u << 30), "1gb");
  EXPECT_EQ(FormatBytes(1500), "1500");
  EXPECT_EQ(FormatBytes(0), "0");
  EXPECT_EQ(FormatDurationMs(60000), "1m");
  EXPECT_EQ(FormatDurationMs(1500), "1500ms");
  EXPECT_EQ(FormatDurationMs(0), "0");
  for (const uint64_t bytes :
       {uint64_t{1}, uint64_t{1023}, uint64_t{64} << 20, uint64_t{3} << 40}) {
    EXPECT_EQ(ParseBytes(FormatBytes(bytes)), bytes);
  }
  for (const int64_t duration_ms : {1, 999, 1000, 90000, 86400000}) {
    EXPECT_EQ(ParseDurationMs(FormatDurationMs(duration_ms)), duration_ms);
  }
}

}  // namespace
}  // namespace terrace::base
