#include "base/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "base/rng.h"

namespace terrace::base {
namespace {

std::string Text(double value) {
  DoubleText buffer;
  return std::string(FormatDouble(value, buffer));
}

std::string Fixed(double value, int decimals) {
  FixedText buffer;
  return std::string(FormatFixed(value, decimals, buffer));
}

TEST(NumbersTest, ParsesOnlyCanonicalIntegers) {
  EXPECT_EQ(ParseInt64("0"), 0);
  EXPECT_EQ(ParseInt64("-1"), -1);
  EXPECT_EQ(ParseInt64("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseInt64("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  for (const char* bad : {"", "-", "+1", "01", "-0", "00", " 1", "1 ", "1.0", "0x1",
                          "9223372036854775808", "-9223372036854775809", "18446744073709551616",
                          "99999999999999999999", "999999999999999999999"}) {
    EXPECT_FALSE(ParseInt64(bad).has_value()) << bad;
  }
}

TEST(NumbersTest, IntegersRoundTrip) {
  Rng rng(7);
  for (int i = 0; i < 10000; ++i) {
    const auto value = static_cast<int64_t>(rng.Next() >> rng.Below(64));
    Int64Text buffer;
    EXPECT_EQ(ParseInt64(FormatInt64(value, buffer)), value);
    EXPECT_EQ(ParseInt64(FormatInt64(-value, buffer)), -value);
  }
}

TEST(NumbersTest, ParsesDoublesAsRedisDoes) {
  EXPECT_EQ(ParseDouble("1"), 1.0);
  EXPECT_EQ(ParseDouble("+1.5"), 1.5);
  EXPECT_EQ(ParseDouble(".5"), 0.5);
  EXPECT_EQ(ParseDouble("5."), 5.0);
  EXPECT_EQ(ParseDouble("0x1A"), 26.0);
  EXPECT_EQ(ParseDouble("1e3"), 1000.0);
  EXPECT_EQ(ParseDouble("-0"), 0.0);
  EXPECT_EQ(ParseDouble("INF"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(ParseDouble("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(ParseDouble("4.9e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(ParseDouble(std::string(200, '0') + "7"), 7.0);
  for (const char* bad : {"", " 1", "1 ", "nan", "-nan", "1e400", "1e-400", "1.2.3", "abc", "1x",
                          "--1", "0x", "infi", "\t1"}) {
    EXPECT_FALSE(ParseDouble(bad).has_value()) << bad;
  }
  EXPECT_FALSE(ParseDouble(std::string_view("1\0", 2)).has_value());
}

TEST(NumbersTest, FormatsDoublesInRedisLayout) {
  EXPECT_EQ(Text(0), "0");
  EXPECT_EQ(Text(-0.0), "-0");
  EXPECT_EQ(Text(3.14), "3.14");
  EXPECT_EQ(Text(0.1), "0.1");
  EXPECT_EQ(Text(-1.5), "-1.5");
  EXPECT_EQ(Text(100), "100");
  EXPECT_EQ(Text(1e17), "100000000000000000");
  EXPECT_EQ(Text(1e20), "1e+20");
  EXPECT_EQ(Text(123456789e15), "1.23456789e+23");
  EXPECT_EQ(Text(0.000001), "0.000001");
  EXPECT_EQ(Text(1e-7), "1e-7");
  EXPECT_EQ(Text(0.00012345678), "1.2345678e-4");
  EXPECT_EQ(Text(0.0012345678), "0.0012345678");
  EXPECT_EQ(Text(1234.56789012), "1234.56789012");
  EXPECT_EQ(Text(12345.6789012), "1.23456789012e+4");
  EXPECT_EQ(Text(1.7976931348623157e308), "1.7976931348623157e+308");
  EXPECT_EQ(Text(5e-324), "5e-324");
  EXPECT_EQ(Text(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(Text(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(Text(std::nan("")), "nan");
}

TEST(NumbersTest, SeventeenDigitsWhereAskedFor) {
  DoubleText buffer;
  EXPECT_EQ(FormatDouble17(3.14, buffer), "3.1400000000000001");
  EXPECT_EQ(FormatDouble17(5, buffer), "5");
  EXPECT_EQ(FormatDouble17(-std::numeric_limits<double>::max(), buffer),
            "-1.7976931348623157e+308");
  EXPECT_EQ(FormatDouble17(-std::numeric_limits<double>::infinity(), buffer), "-inf");
}

TEST(NumbersTest, EveryDoubleRoundTrips) {
  const uint64_t seed = 20240611;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Rng rng(seed);
  for (int i = 0; i < 100000; ++i) {
    const uint64_t bits = rng.Next();
    double value;
    std::memcpy(&value, &bits, sizeof(value));
    if (std::isnan(value)) continue;
    ASSERT_EQ(ParseDouble(Text(value)), value) << Text(value);
  }
}

TEST(NumbersTest, FixedKeepsTrailingZerosAndRounds) {
  EXPECT_EQ(Fixed(0, 4), "0.0000");
  EXPECT_EQ(Fixed(166274.15156960033, 4), "166274.1516");
  EXPECT_EQ(Fixed(0.00004, 4), "0.0000");
  EXPECT_EQ(Fixed(0.00006, 4), "0.0001");
  EXPECT_EQ(Fixed(-1.5, 4), "-1.5000");
  EXPECT_EQ(Fixed(-0.25, 2), "-0.25");
  EXPECT_EQ(Fixed(12, 1), "12.0");
}

TEST(NumbersTest, LongDoublesAreHumanFriendly) {
  EXPECT_EQ(FormatLongDouble(3.0L), "3");
  EXPECT_EQ(FormatLongDouble(*ParseLongDouble("10.5") + *ParseLongDouble("0.1")), "10.6");
  EXPECT_EQ(FormatLongDouble(*ParseLongDouble("5.0e3") + *ParseLongDouble("2.0e2")), "5200");
  EXPECT_EQ(FormatLongDouble(-0.0L), "0");
  EXPECT_EQ(FormatLongDouble(1e25L), "10000000000000000000000000");
  EXPECT_FALSE(ParseLongDouble("nan").has_value());
  EXPECT_FALSE(ParseLongDouble(std::string(5 * 1024, '1')).has_value());
  EXPECT_TRUE(ParseLongDouble(std::string(4000, '1')).has_value());
}

}  // namespace
}  // namespace terrace::base
