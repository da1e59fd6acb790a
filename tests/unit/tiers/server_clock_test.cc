#include "tiers/server_clock.h"

#include <gtest/gtest.h>

namespace terrace::tiers {
namespace {

TEST(ServerClock, KnowsNothingBeforeTheServerHasTold) {
  EXPECT_EQ(ServerClock().AtMost(1000), std::nullopt);
}

TEST(ServerClock, NeverErrsTowardsTheLater) {
  // The server is 5000 ahead; it looked at its clock at 110 of ours, at 125, at 230.
  ServerClock clock;
  clock.Learn(5110, 100, 120);
  EXPECT_EQ(*clock.AtMost(1000), 1000 + 5110 - 120 - 1);
  clock.Learn(5125, 100, 200);  // a slow answer says less than the earlier one
  EXPECT_EQ(*clock.AtMost(1000), 1000 + 5110 - 120 - 1);
  clock.Learn(5230, 230, 230);
  EXPECT_EQ(*clock.AtMost(1000), 5999);
}

TEST(ServerClock, FollowsAClockThatWasSet) {
  ServerClock clock;
  clock.Learn(5100, 100, 101);
  clock.Learn(3200, 200, 201);
  EXPECT_EQ(*clock.AtMost(0), 3200 - 201 - 1);
  clock.Learn(9300, 300, 301);
  EXPECT_EQ(*clock.AtMost(0), 9300 - 301 - 1);
}

}  // namespace
}  // namespace terrace::tiers
