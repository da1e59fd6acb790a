#include <gtest/gtest.h>

#include <string>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

class ZsetsTest : public CommandFixture {};

TEST_F(ZsetsTest, ReplyTypesOfResp3) {
  protocol_ = 3;
  Run("zadd z 1.5 a 2 b");
  EXPECT_EQ(Run("zscore z a"), ",1.5\r\n");
  EXPECT_EQ(Run("zmscore z a x"), "*2\r\n,1.5\r\n_\r\n");
  EXPECT_EQ(Run("zincrby z 1 a"), ",2.5\r\n");
  EXPECT_EQ(Run("zadd z nx incr 1 a"), "_\r\n");
  EXPECT_EQ(Run("zrange z 0 0 withscores"), "*1\r\n*2\r\n$1\r\nb\r\n,2\r\n");
  EXPECT_EQ(Run("zrank z a withscore"), "*2\r\n:1\r\n,2.5\r\n");
  EXPECT_EQ(Run("zrank z x withscore"), "_\r\n");
  EXPECT_EQ(Run("zunion 1 z withscores").substr(0, 8), "*2\r\n*2\r\n");
  EXPECT_EQ(Run("zrandmember z 1 withscores").substr(0, 8), "*1\r\n*2\r\n");
  EXPECT_EQ(Run("zmpop 1 z min"), "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n,2\r\n");
  EXPECT_EQ(Run("zmpop 1 none min"), "_\r\n");
  EXPECT_EQ(Run("zpopmin z 1"), "*1\r\n*2\r\n$1\r\na\r\n,2.5\r\n");
  Run("zadd z 1 a");
  EXPECT_EQ(Run("zpopmax z"), "*2\r\n$1\r\na\r\n,1\r\n");
}

TEST_F(ZsetsTest, AnIncrementToNaNChangesNothing) {
  Run("zadd z inf a");
  events_.Take();
  EXPECT_EQ(Run("zincrby z -inf a"), "-ERR resulting score is not a number (NaN)\r\n");
  EXPECT_EQ(Run("zscore z a"), "$3\r\ninf\r\n");
  EXPECT_TRUE(events_.Take().empty());
}

TEST_F(ZsetsTest, AUnionOfZeroWithNegativeZeroIsZero) {
  Run("zadd x 0 a");
  Run("zadd y 0 a 1 b");
  EXPECT_EQ(Run("zunion 2 x y weights -1 1 withscores"),
            "*4\r\n$1\r\na\r\n$1\r\n0\r\n$1\r\nb\r\n$1\r\n1\r\n");
}

TEST_F(ZsetsTest, ALexRangeOfMixedScoresIsEmptyIfTheOutermostMembersAreOutside) {
  for (const size_t entries : {128, 0}) {
    Run("zremrangebyrank z 0 -1");
    limits_.encoding.zset_max_listpack_entries = entries;
    Run("zadd z 0 d 1 b 2 c 3 a");
    EXPECT_EQ(Run("zrangebylex z [c +"), "*0\r\n");
    EXPECT_EQ(Run("zlexcount z [a [c"), ":0\r\n");
    EXPECT_EQ(Run("zremrangebylex z [a [c"), ":0\r\n");
    EXPECT_EQ(Run("zcard z"), ":4\r\n");
  }
}

TEST_F(ZsetsTest, RefusedMembersLeaveNoEmptyKey) {
  EXPECT_EQ(Run("zadd z xx 1 a"), ":0\r\n");
  EXPECT_EQ(Run("zadd z xx incr 1 a"), "$-1\r\n");
  EXPECT_EQ(KeyCount(), 0u);
}

TEST_F(ZsetsTest, EventsNameWhatHappened) {
  Run("zadd z 1 a 2 b 3 c 4 d 5 e");
  Run("zadd z 1 a");
  Run("zincrby z 1 a");
  Run("zrem z a");
  Run("zremrangebyrank z 0 0");
  Run("zremrangebyscore z 3 3");
  Run("zpopmin z");
  Run("zrangestore t z 0 -1");
  Run("zremrangebylex z - +");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"zadd", "zincr", "zrem", "zremrangebyrank",
                                                      "zremrangebyscore", "zpopmin", "zrangestore",
                                                      "zremrangebylex", "del"}));
}

TEST_F(ZsetsTest, RangesOfALargeSetAgreeWithThoseOfASmallOne) {
  for (const size_t entries_max : {0, 1000}) {
    limits_.encoding.zset_max_listpack_entries = entries_max;
    const std::string key = "z" + std::to_string(entries_max);
    for (int i = 0; i < 300; ++i) {
      Run("zadd " + key + " " + std::to_string(i / 3) + " m" + std::to_string(i));
    }
  }
  for (const char* range :
       {"0 -1", "5 10 rev", "(10 20 byscore", "20 (10 byscore rev limit 2 5", "-inf +inf byscore",
        "99 +inf byscore limit 1 -1", "10 5 byscore", "250 1000", "-5 -1 rev"}) {
    std::string arguments = range;
    EXPECT_EQ(Run("zrange z0 " + arguments), Run("zrange z1000 " + arguments)) << range;
  }
}

TEST_F(ZsetsTest, ScanWithoutScoresRepliesMembersAlone) {
  Run("zadd z 1 a 2 b");
  EXPECT_EQ(Run("zscan z 0 noscores"), "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(Run("zscan z 0 noscores match b"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");
  EXPECT_EQ(Run("zscan z 0 novalues"), "-ERR syntax error\r\n");
}

}  // namespace
}  // namespace terrace::commands
