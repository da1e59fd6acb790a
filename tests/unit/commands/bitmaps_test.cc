#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

class BitmapsTest : public CommandFixture {};

TEST_F(BitmapsTest, ABitThatIsAlreadySoTellsNobody) {
  EXPECT_EQ(Run("setbit a 7 1"), ":0\r\n");
  EXPECT_EQ(Run("setbit a 7 1"), ":1\r\n");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"setbit"}));
  EXPECT_EQ(Run("setbit a 100 0"), ":0\r\n");  // makes the string longer
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"setbit"}));
  EXPECT_EQ(Run("strlen a"), ":13\r\n");
}

// Bits of random strings counted and searched one by one.
TEST_F(BitmapsTest, CountsAndPositionsAgreeWithASlowSearch) {
  const unsigned seed = 20260101;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const auto pick = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(rng);
  };
  for (int round = 0; round < 2000; ++round) {
    // Long runs of equal bytes, so that whole words are skipped.
    std::string text(static_cast<size_t>(pick(1, 40)), pick(0, 1) == 0 ? '\0' : '\xff');
    for (int i = pick(0, 3); i > 0; --i) {
      text[static_cast<size_t>(pick(0, static_cast<int>(text.size()) - 1))] =
          static_cast<char>(pick(0, 255));
    }
    Run({"set", "a", text});
    const int size = static_cast<int>(text.size()) * 8;
    const int first = pick(-size - 3, size + 3);
    const int last = pick(-size - 3, size + 3);
    const int begin = std::max(first < 0 ? first + size : first, 0);
    const int end = std::min(std::max(last < 0 ? last + size : last, 0), size - 1);
    const bool wanted = pick(0, 1) == 1;
    int count = 0;
    int position = -1;
    for (int at = begin; at <= end; ++at) {
      const bool bit = (text[static_cast<size_t>(at / 8)] >> (7 - at % 8) & 1) != 0;
      count += bit;
      if (bit == wanted && position < 0) position = at;
    }
    if (first < 0 && last < 0 && first > last) count = 0;
    const std::string range = std::to_string(first) + " " + std::to_string(last) + " bit";
    ASSERT_EQ(Run("bitcount a " + range), ":" + std::to_string(count) + "\r\n") << range;
    ASSERT_EQ(Run(std::string("bitpos a ") + (wanted ? "1 " : "0 ") + range),
              ":" + std::to_string(position) + "\r\n")
        << range;
  }
}

TEST_F(BitmapsTest, ClearBitsFollowAStringUnlessAnEndIsGiven) {
  Run({"set", "a", "\xff\xff"});
  EXPECT_EQ(Run("bitpos a 0"), ":16\r\n");
  EXPECT_EQ(Run("bitpos a 0 1"), ":16\r\n");
  EXPECT_EQ(Run("bitpos a 0 0 -1"), ":-1\r\n");
  EXPECT_EQ(Run("bitpos a 0 2"), ":-1\r\n");
  EXPECT_EQ(Run("bitpos none 0"), ":0\r\n");
  EXPECT_EQ(Run("bitcount a 9223372036854775807 9223372036854775807"), ":0\r\n");
}

TEST_F(BitmapsTest, ShortStringsCountAsPaddedWithZeros) {
  Run({"set", "a", "\xff\x0f\xff"});
  Run({"set", "b", "\x3c"});
  EXPECT_EQ(Run("bitop and t a b"), ":3\r\n");
  EXPECT_EQ(Run("get t"), std::string("$3\r\n\x3c\0\0\r\n", 9));
  Run("bitop xor t a b none");
  EXPECT_EQ(Run("get t"), "$3\r\n\xc3\x0f\xff\r\n");
  Run("bitop not t b");
  EXPECT_EQ(Run("get t"), "$1\r\n\xc3\r\n");
  events_.Take();
  EXPECT_EQ(Run("bitop or t none"), ":0\r\n");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"del"}));
}

TEST_F(BitmapsTest, AFieldThatIsNotWrittenChangesNothingThoughItsValueGrows) {
  events_.Take();
  EXPECT_EQ(Run("bitfield a overflow fail set u8 8 256"), "*1\r\n$-1\r\n");
  EXPECT_EQ(events_.Take(), std::vector<std::string>{});
  EXPECT_EQ(Run("strlen a"), ":2\r\n");
  EXPECT_EQ(Run("bitfield a overflow fail set u8 16 256 set u8 0 0"), "*2\r\n$-1\r\n:0\r\n");
  EXPECT_EQ(events_.Take(), std::vector<std::string>{"setbit"});
}

TEST_F(BitmapsTest, FieldsOverflowAsTold) {
  EXPECT_EQ(Run("bitfield a set u8 0 255 incrby u8 0 1 overflow sat incrby u8 0 -1 set u8 0 -1 "
                "overflow fail incrby u8 0 1"),
            "*5\r\n:0\r\n:0\r\n:0\r\n:0\r\n$-1\r\n");
  EXPECT_EQ(Run("bitfield a get u8 0 get i8 0"), "*2\r\n:255\r\n:-1\r\n");
  EXPECT_EQ(Run("bitfield b set i64 0 9223372036854775807 incrby i64 0 1 get i64 0"),
            "*3\r\n:0\r\n:-9223372036854775808\r\n:-9223372036854775808\r\n");
  EXPECT_EQ(Run("bitfield c overflow sat incrby i5 3 100 incrby i5 3 -100 get u5 3"),
            "*3\r\n:15\r\n:-16\r\n:16\r\n");
}

TEST_F(BitmapsTest, FieldsMayBeCountedAndReachOverTheEnd) {
  Run({"set", "a", "\x12\x34"});
  EXPECT_EQ(Run("bitfield a get u4 #2 get u16 8 get u63 100"), "*3\r\n:3\r\n:13312\r\n:0\r\n");
  EXPECT_EQ(Run("strlen a"), ":2\r\n");
  EXPECT_EQ(Run("bitfield_ro a get u4 0 set u4 0 1"),
            "-ERR BITFIELD_RO only supports the GET subcommand\r\n");
  EXPECT_EQ(Run("bitfield a get u4 #9223372036854775807"),
            "-ERR bit offset is not an integer or out of range\r\n");
}

}  // namespace
}  // namespace terrace::commands
