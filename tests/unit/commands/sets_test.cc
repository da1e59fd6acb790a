#include <gtest/gtest.h>

#include <string>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

class SetsTest : public CommandFixture {};

TEST_F(SetsTest, PoppingAllRemovesTheKey) {
  Run("sadd s a b c");
  EXPECT_EQ(Run("spop s 2").substr(0, 4), "*2\r\n");
  EXPECT_EQ(Run("scard s"), ":1\r\n");
  EXPECT_EQ(Run("spop s").substr(0, 4), "$1\r\n");
  EXPECT_EQ(KeyCount(), 0u);
  EXPECT_EQ(Run("spop s"), "$-1\r\n");
  EXPECT_EQ(Run("spop s 1"), "*0\r\n");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"sadd", "spop", "spop", "del"}));
}

TEST_F(SetsTest, DistinctPicksOfALargeSetAreDistinct) {
  for (int i = 0; i < 5000; ++i) Run("sadd s m" + std::to_string(i));
  EXPECT_EQ(Run("spop s 100").substr(0, 6), "*100\r\n");
  EXPECT_EQ(Run("scard s"), ":4900\r\n");
  EXPECT_EQ(Run("spop s 4000").substr(0, 7), "*4000\r\n");
  EXPECT_EQ(Run("scard s"), ":900\r\n");
  EXPECT_EQ(Run("srandmember s 800").substr(0, 6), "*800\r\n");
}

TEST_F(SetsTest, MovingWithinOneSetChangesNothing) {
  Run("sadd s a");
  events_.Take();
  EXPECT_EQ(Run("smove s s a"), ":1\r\n");
  EXPECT_EQ(Run("smove s s b"), ":0\r\n");
  EXPECT_TRUE(events_.Take().empty());
  EXPECT_EQ(Run("smove s t a"), ":1\r\n");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"srem", "del", "sadd"}));
}

TEST_F(SetsTest, StoringAnEmptyResultRemovesTheTarget) {
  Run("sadd a 1 2");
  Run("sadd b 3");
  Run("sadd t x");
  events_.Take();
  EXPECT_EQ(Run("sinterstore t a b"), ":0\r\n");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"del"}));
  EXPECT_EQ(Run("sunionstore a a b"), ":3\r\n");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"sunionstore"}));
}

// As Redis does, whatever the limits were when the sources were made.
TEST_F(SetsTest, AnIntersectionIsAnIntsetOnlyIfItMayBeOne) {
  Run("sadd integers 1 2 3 4");
  Run("sadd table 1 2 3 4 x");
  limits_.encoding.set_max_intset_entries = 0;
  limits_.encoding.set_max_listpack_entries = 3;
  Run("sadd table y");  // too many for a listpack
  limits_.encoding.set_max_listpack_entries = 128;
  Run("srem table x y");
  EXPECT_EQ(Run("sinterstore t table"), ":4\r\n");
  EXPECT_EQ(Run("object encoding t"), "$8\r\nlistpack\r\n");
  limits_.encoding.set_max_intset_entries = 4;
  EXPECT_EQ(Run("sinterstore t table"), ":4\r\n");
  EXPECT_EQ(Run("object encoding t"), "$6\r\nintset\r\n");
}

TEST_F(SetsTest, TheLastLimitOfACountIsTheOneThatCounts) {
  Run("sadd s 1 2 3 4");
  EXPECT_EQ(Run("sintercard 1 s limit 2"), ":2\r\n");
  EXPECT_EQ(Run("sintercard 1 s limit 2 limit 0"), ":4\r\n");
  EXPECT_EQ(Run("sintercard 1 s limit 0 limit 3"), ":3\r\n");
}

TEST_F(SetsTest, ReplyTypesOfResp3) {
  protocol_ = 3;
  Run("sadd s a");
  EXPECT_EQ(Run("smembers s"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(Run("sinter s s"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(Run("sunion s none"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(Run("sdiff s none"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(Run("srandmember s 1"), "*1\r\n$1\r\na\r\n");
  EXPECT_EQ(Run("srandmember none"), "_\r\n");
  EXPECT_EQ(Run("spop s 5"), "~1\r\n$1\r\na\r\n");
}

}  // namespace
}  // namespace terrace::commands
