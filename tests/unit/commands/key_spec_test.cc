#include "commands/key_spec.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace terrace::commands {
namespace {

TEST(KeySpecTest, OneRangeIsWhereItSays) {
  constexpr Keys kKeys{1, -1, 2, "OW update"};
  EXPECT_EQ(kKeys.first, 1);
  EXPECT_EQ(kKeys.last, -1);
  EXPECT_EQ(kKeys.step, 2);
  EXPECT_FALSE(kKeys.is_movable);
  EXPECT_TRUE(kKeys.any());
  ASSERT_EQ(kKeys.all().size(), 1u);
  EXPECT_EQ(kKeys.all()[0].access, "OW update");
}

TEST(KeySpecTest, RangesThatTouchMakeOne) {
  constexpr Keys kBitop{KeyAt(2, "OW update"), KeysFrom(3, "RO access")};
  EXPECT_EQ(kBitop.first, 2);
  EXPECT_EQ(kBitop.last, -1);
  EXPECT_EQ(kBitop.step, 1);
  EXPECT_FALSE(kBitop.is_movable);
  EXPECT_EQ(kBitop.all().size(), 2u);
}

TEST(KeySpecTest, WhatIsNoKeyIsOnlyTold) {
  constexpr Keys kChannels{1, -1, 1, kNotKey};
  EXPECT_EQ(kChannels.first, 0);
  EXPECT_FALSE(kChannels.any());
  EXPECT_EQ(kChannels.all().size(), 1u);
  constexpr Keys kNone;
  EXPECT_FALSE(kNone.any());
  EXPECT_TRUE(kNone.all().empty());
}

TEST(FindMovableKeysTest, CountsKeysBehindAFixedOne) {
  constexpr Keys kStore{KeyAt(1, "OW update"), CountedKeys(2, "RO access")};
  EXPECT_EQ(kStore.first, 1);
  EXPECT_EQ(kStore.last, 1);
  ASSERT_TRUE(kStore.is_movable);
  const std::vector<std::string_view> args = {"zunionstore", "d",         "2",  "a",
                                              "b",           "aggregate", "sum"};
  std::vector<int> positions;
  EXPECT_TRUE(FindMovableKeys(kStore, args, &positions));
  EXPECT_EQ(positions, (std::vector<int>{1, 3, 4}));
}

TEST(FindMovableKeysTest, RefusesCountsThatMakeNoSense) {
  constexpr Keys kCounted{CountedKeys(1, "RO access")};
  for (const std::string_view count : {"0", "-1", "3", "x", "99999999999999999999"}) {
    const std::vector<std::string_view> args = {"sintercard", count, "a", "b"};
    std::vector<int> positions;
    EXPECT_FALSE(FindMovableKeys(kCounted, args, &positions)) << count;
  }
  const std::vector<std::string_view> short_of_count = {"sintercard"};
  std::vector<int> positions;
  EXPECT_FALSE(FindMovableKeys(kCounted, short_of_count, &positions));
}

TEST(FindMovableKeysTest, AsksTheFinderAndNotTheSpecs) {
  const KeyFinder finder = [](Args, std::vector<int>* positions) {
    positions->push_back(7);
    return true;
  };
  const Keys keys{finder, KeyAt(1, "RO access"), KeyAfter("STORE", 2, "OW update")};
  const std::vector<std::string_view> args = {"sort", "a"};
  std::vector<int> positions;
  EXPECT_TRUE(FindMovableKeys(keys, args, &positions));
  EXPECT_EQ(positions, std::vector<int>{7});
}

}  // namespace
}  // namespace terrace::commands
