#include <gtest/gtest.h>

#include <set>
#include <string>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

class HashesTest : public CommandFixture {};

TEST_F(HashesTest, AFieldDisappearsWhenItsDeadlinePasses) {
  Run("hset h a 1 b 2 c 3");
  EXPECT_EQ(Run("hpexpire h 100 fields 2 a b"), "*2\r\n:1\r\n:1\r\n");
  EXPECT_EQ(Run("hpttl h fields 4 a b c d"), "*4\r\n:100\r\n:100\r\n:-1\r\n:-2\r\n");
  EXPECT_EQ(Run("httl h fields 1 a"), "*1\r\n:1\r\n");
  clock_.now_ms += 99;
  EXPECT_EQ(Run("hlen h"), ":3\r\n");
  clock_.now_ms += 1;
  EXPECT_EQ(Run("hlen h"), ":1\r\n");
  EXPECT_EQ(Run("hgetall h"), "*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
  EXPECT_EQ(Run("hget h a"), "$-1\r\n");
  EXPECT_EQ(Run("hset h a 9"), ":1\r\n");
  EXPECT_EQ(Run("hpttl h fields 1 a"), "*1\r\n:-1\r\n");
}

TEST_F(HashesTest, TheLastFieldToExpireTakesTheKey) {
  Run("hset h a 1");
  Run("hexpire h 10 fields 1 a");
  events_.Take();
  clock_.now_ms += 10000;
  EXPECT_EQ(Run("hget h a"), "$-1\r\n");
  EXPECT_EQ(Run("hlen h"), ":0\r\n");
  ExpireDue();
  EXPECT_EQ(KeyCount(), 0u);
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"hexpired", "del"}));
}

TEST_F(HashesTest, FieldsLeaveMemoryWithoutBeingAskedFor) {
  limits_.encoding.hash_max_listpack_entries = 4;
  for (int i = 0; i < 5000; ++i) Run("hset h f" + std::to_string(i) + " v");
  for (int i = 0; i < 4999; ++i) {
    Run("hpexpire h " + std::to_string(1 + i % 500) + " fields 1 f" + std::to_string(i));
  }
  const int64_t full_bytes = keyspace_.used_bytes();
  for (int round = 0; round < 20; ++round) {
    clock_.now_ms += 64;
    ExpireDue();
  }
  EXPECT_LT(keyspace_.used_bytes(), full_bytes / 4);
  EXPECT_EQ(Run("hlen h"), ":1\r\n");
  EXPECT_EQ(KeyCount(), 1u);
}

TEST_F(HashesTest, AMovedDeadlineIsStillMet) {
  Run("hset h a 1 b 2");
  Run("hpexpire h 1000 fields 1 a");
  Run("hpexpire h 5000 fields 1 a");
  clock_.now_ms += 2000;
  ExpireDue();
  EXPECT_EQ(Run("hlen h"), ":2\r\n");
  events_.Take();
  clock_.now_ms += 4000;
  ExpireDue();
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"hexpired"}));
}

TEST_F(HashesTest, WritesClearDeadlinesAndIncrementsKeepThem) {
  Run("hset h a 1 b 1");
  Run("hpexpire h 1000 fields 2 a b");
  Run("hset h a 2");
  Run("hincrby h b 1");
  EXPECT_EQ(Run("hpttl h fields 2 a b"), "*2\r\n:-1\r\n:1000\r\n");
  EXPECT_EQ(Run("hincrbyfloat h b 0.5"), "$3\r\n2.5\r\n");
  EXPECT_EQ(Run("hpersist h fields 2 a b"), "*2\r\n:-1\r\n:1\r\n");
}

TEST_F(HashesTest, ADeadlineInThePastDeletesTheField) {
  Run("hset h a 1 b 1");
  EXPECT_EQ(Run("hexpireat h 1 fields 2 a x"), "*2\r\n:2\r\n:-2\r\n");
  EXPECT_EQ(Run("hlen h"), ":1\r\n");
  EXPECT_EQ(Run("hexpireat h 1 fields 1 b"), "*1\r\n:2\r\n");
  EXPECT_EQ(KeyCount(), 0u);
}

TEST_F(HashesTest, UnixTimesFollowTheWallClock) {
  clock_.wall_step_ms = 3600000;
  Run("hset h a 1");
  const std::string at_ms = std::to_string(clock_.WallMs() + 5000);
  EXPECT_EQ(Run("hpexpireat h " + at_ms + " fields 1 a"), "*1\r\n:1\r\n");
  EXPECT_EQ(Run("hpttl h fields 1 a"), "*1\r\n:5000\r\n");
  EXPECT_EQ(Run("hpexpiretime h fields 1 a"), "*1\r\n:" + at_ms + "\r\n");
}

TEST_F(HashesTest, ScansAndPicksSkipExpiredFields) {
  limits_.encoding.hash_max_listpack_entries = 4;
  for (int i = 0; i < 3000; ++i) Run("hset h f" + std::to_string(i) + " v");
  for (int i = 0; i < 2900; ++i) Run("hpexpire h 10 fields 1 f" + std::to_string(i));
  clock_.now_ms += 10;
  // They are still there, but must not be seen.
  const std::string all = Run("hscan h 0 count 100000");
  EXPECT_EQ(all.substr(0, 17), "*2\r\n$1\r\n0\r\n*200\r\n");
  for (int i = 0; i < 100; ++i) {
    const std::string field = Run("hrandfield h");
    EXPECT_GE(std::stoi(field.substr(field.find('f') + 1)), 2900);
  }
  EXPECT_EQ(Run("hlen h"), ":100\r\n");
}

TEST_F(HashesTest, ReplyTypesOfResp3) {
  protocol_ = 3;
  Run("hset h a 1");
  EXPECT_EQ(Run("hgetall h"), "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
  EXPECT_EQ(Run("hgetall none"), "%0\r\n");
  EXPECT_EQ(Run("hget h x"), "_\r\n");
  EXPECT_EQ(Run("hrandfield h 1 withvalues"), "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
  EXPECT_EQ(Run("hrandfield h -2 withvalues").substr(0, 8), "*2\r\n*2\r\n");
}

TEST_F(HashesTest, EventsNameWhatHappened) {
  Run("hset h a 1");
  Run("hincrby h a 1");
  Run("hincrbyfloat h a 1");
  Run("hsetnx h a 1");
  Run("hexpire h 100 fields 1 a");
  Run("hpersist h fields 1 a");
  Run("hdel h a");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"hset", "hincrby", "hincrbyfloat", "hexpire",
                                                      "hpersist", "hdel", "del"}));
}

}  // namespace
}  // namespace terrace::commands
