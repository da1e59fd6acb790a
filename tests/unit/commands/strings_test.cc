#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

using Events = std::vector<std::string>;

class StringsTest : public CommandFixture {};

TEST_F(StringsTest, SettingALifetimeTellsOfBoth) {
  EXPECT_EQ(Run("set a 1 ex 10"), "+OK\r\n");
  EXPECT_EQ(Run("setex a 10 2"), "+OK\r\n");
  EXPECT_EQ(events_.Take(), (Events{"set", "expire", "set", "expire"}));
  EXPECT_EQ(Run("set a 3"), "+OK\r\n");
  EXPECT_EQ(Run("pttl a"), ":-1\r\n");
}

TEST_F(StringsTest, AFailedConditionChangesNothingAndGetStillAnswers) {
  Run("set a old");
  events_.Take();
  EXPECT_EQ(Run("set a new nx"), "$-1\r\n");
  EXPECT_EQ(Run("set a new nx get"), "$3\r\nold\r\n");
  EXPECT_EQ(Run("set b new xx get"), "$-1\r\n");
  EXPECT_TRUE(events_.Take().empty());
  EXPECT_EQ(Run("set a new xx get"), "$3\r\nold\r\n");
  EXPECT_EQ(Run("get a"), "$3\r\nnew\r\n");
}

TEST_F(StringsTest, OptionsMayBeRepeatedButNotContradicted) {
  const std::string syntax_error = "-ERR syntax error\r\n";
  EXPECT_EQ(Run("set a 1 ex 10 ex 20"), "+OK\r\n");
  EXPECT_EQ(Run("ttl a"), ":20\r\n");
  EXPECT_EQ(Run("set a 1 ex 10 px 20"), syntax_error);
  EXPECT_EQ(Run("set a 1 ex 10 keepttl"), syntax_error);
  EXPECT_EQ(Run("set a 1 nx xx"), syntax_error);
  EXPECT_EQ(Run("set a 1 ex"), syntax_error);
  EXPECT_EQ(Run("set a 1 persist"), syntax_error);
  EXPECT_EQ(Run("getex a keepttl"), syntax_error);
  EXPECT_EQ(Run("getex a ex 10 persist"), syntax_error);
}

TEST_F(StringsTest, LifetimesOutOfRangeAreRefused) {
  const std::string set_error = "-ERR invalid expire time in 'set' command\r\n";
  EXPECT_EQ(Run("set a 1 ex 0"), set_error);
  EXPECT_EQ(Run("set a 1 px -1"), set_error);
  EXPECT_EQ(Run("set a 1 ex 9223372036854776"), set_error);
  EXPECT_EQ(Run("set a 1 px 9223372036854775807"), set_error);
  EXPECT_EQ(Run("setex a 0 1"), "-ERR invalid expire time in 'setex' command\r\n");
  EXPECT_EQ(Run("set a 1 ex ten"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(KeyCount(), 0u);
}

TEST_F(StringsTest, ADeadlineMayBeAsFarAwayAsNumbersReach) {
  // On both sides of where deadlines take more bytes, and there and back.
  for (const char* moment : {"281474976710655", "281474976710656", "9223372036854775807",
                             "281474976710655", "1796014930176000", "281474976710656"}) {
    EXPECT_EQ(Run("set a 1 keepttl"), "+OK\r\n");
    EXPECT_EQ(Run(std::string("pexpireat a ") + moment), ":1\r\n");
    ExpireDue();
    EXPECT_EQ(Run("pexpiretime a"), ":" + std::string(moment) + "\r\n");
    EXPECT_EQ(Run("append a 1"), ":2\r\n");
    EXPECT_EQ(Run(std::string("set b 12 pxat ") + moment), "+OK\r\n");
    EXPECT_EQ(Run("rename b a"), "+OK\r\n");
    EXPECT_EQ(Run("pexpiretime a"), ":" + std::string(moment) + "\r\n");
    EXPECT_EQ(Run("get a"), "$2\r\n12\r\n");
  }
}

TEST_F(StringsTest, ADeadlineInThePastHidesWhatIsSet) {
  EXPECT_EQ(Run("set a 1 pxat 1"), "+OK\r\n");
  EXPECT_EQ(Run("get a"), "$-1\r\n");
}

TEST_F(StringsTest, UnixTimesFollowTheWallClockAndLifetimesDoNot) {
  Run("set a 1 ex 100");
  clock_.wall_step_ms = 3600 * 1000;
  EXPECT_EQ(Run("ttl a"), ":100\r\n");
  EXPECT_EQ(Run("pexpiretime a"), ":" + std::to_string(clock_.WallMs() + 100 * 1000) + "\r\n");
  Run("set b 1 pxat " + std::to_string(clock_.WallMs() + 5000));
  EXPECT_EQ(Run("pttl b"), ":5000\r\n");
}

TEST_F(StringsTest, GetexChangesTheLifetimeOnly) {
  Run("set a 1");
  events_.Take();
  EXPECT_EQ(Run("getex a"), "$1\r\n1\r\n");
  EXPECT_EQ(Run("getex a persist"), "$1\r\n1\r\n");
  EXPECT_TRUE(events_.Take().empty());
  EXPECT_EQ(Run("getex a ex 10"), "$1\r\n1\r\n");
  EXPECT_EQ(Run("getex a persist"), "$1\r\n1\r\n");
  EXPECT_EQ(Run("getex a exat 1"), "$1\r\n1\r\n");
  EXPECT_EQ(events_.Take(), (Events{"expire", "persist", "del"}));
  EXPECT_EQ(KeyCount(), 0u);
}

TEST_F(StringsTest, MsetnxSetsAllOrNone) {
  Run("set b 1");
  EXPECT_EQ(Run("msetnx a 1 b 2"), ":0\r\n");
  EXPECT_EQ(KeyCount(), 1u);
  EXPECT_EQ(Run("msetnx a 1 a 2"), ":1\r\n");
  EXPECT_EQ(Run("mget a b c"), "*3\r\n$1\r\n2\r\n$1\r\n1\r\n$-1\r\n");
  EXPECT_EQ(Run("mset a 1 b"), "-ERR wrong number of arguments for 'mset' command\r\n");
}

TEST_F(StringsTest, CountersStopAtTheirEnds) {
  Run("set a 9223372036854775807");
  EXPECT_EQ(Run("incr a"), "-ERR increment or decrement would overflow\r\n");
  EXPECT_EQ(Run("decrby a -9223372036854775808"), "-ERR decrement would overflow\r\n");
  EXPECT_EQ(Run("decrby a 1"), ":9223372036854775806\r\n");
  EXPECT_EQ(Run("incrbyfloat a inf"), "-ERR increment would produce NaN or Infinity\r\n");
}

TEST_F(StringsTest, CountersKeepTheLifetime) {
  Run("set a 1 px 5000");
  Run("incr a");
  Run("incrbyfloat a 0.5");
  Run("append a 0");
  EXPECT_EQ(Run("get a"), "$4\r\n2.50\r\n");
  EXPECT_EQ(Run("pttl a"), ":5000\r\n");
}

TEST_F(StringsTest, EncodingsFollowTheLastWrite) {
  const auto encoding = [&] { return Run("object encoding a"); };
  Run("set a 10");
  EXPECT_EQ(encoding(), "$3\r\nint\r\n");
  Run("incrbyfloat a 1");
  EXPECT_EQ(encoding(), "$6\r\nembstr\r\n");
  Run("expire a 100");  // takes another block
  EXPECT_EQ(encoding(), "$6\r\nembstr\r\n");
  Run("incr a");
  EXPECT_EQ(encoding(), "$3\r\nint\r\n");
  Run("append a 1");
  EXPECT_EQ(encoding(), "$3\r\nraw\r\n");
  Run("copy a b");
  EXPECT_EQ(Run("object encoding b"), "$3\r\nraw\r\n");
  Run("set a " + std::string(44, 'x'));
  EXPECT_EQ(encoding(), "$6\r\nembstr\r\n");
  Run("set a " + std::string(45, 'x'));
  EXPECT_EQ(encoding(), "$3\r\nraw\r\n");
  Run("set b 1");
  Run("bitop and a b b");
  EXPECT_EQ(encoding(), "$3\r\nraw\r\n");
}

TEST_F(StringsTest, StringsStopAtTheirLimit) {
  limits_.string_bytes_max = 10;
  Run("set a 12345678");
  const std::string too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  EXPECT_EQ(Run("append a 123"), too_long);
  EXPECT_EQ(Run("setrange a 9 12"), too_long);
  EXPECT_EQ(Run("setrange a 9223372036854775807 12"), too_long);
  EXPECT_EQ(Run("setrange a 9 1"), ":10\r\n");
  EXPECT_EQ(Run("strlen a"), ":10\r\n");
  EXPECT_EQ(Run("setbit a 80 1"), "-ERR bit offset is not an integer or out of range\r\n");
}

TEST_F(StringsTest, LcsNamesItsRangesFromTheEnd) {
  Run("mset a ohmytext b mynewtext");
  EXPECT_EQ(Run("lcs a b"), "$6\r\nmytext\r\n");
  EXPECT_EQ(Run("lcs a b len"), ":6\r\n");
  EXPECT_EQ(Run("lcs a b idx minmatchlen 3 withmatchlen"),
            "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n"
            "$3\r\nlen\r\n:6\r\n");
}

}  // namespace
}  // namespace terrace::commands
