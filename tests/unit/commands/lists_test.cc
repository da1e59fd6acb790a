#include <gtest/gtest.h>

#include <string>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

class ListsTest : public CommandFixture {};

TEST_F(ListsTest, APopThatEmptiesAListAndAMoveAreOneChange) {
  const auto changes = [this] {
    uint64_t sum = 0;
    for (int i = 0; i < keyspace_.shard_count(); ++i) sum += keyspace_.shard(i).stats.changes;
    return sum;
  };
  Run("rpush l a");
  Run("lpop l");
  EXPECT_EQ(changes(), 2u);
  Run("rpush l a");
  Run("lmove l other left right");
  EXPECT_EQ(changes(), 4u);
}

TEST_F(ListsTest, LtrimMakesASmallListCompactEvenIfItRemovesNothing) {
  Run("rpush l a b");
  // Room is made for an element before it turns out that there is no place for it.
  Run("lset l 7 " + std::string(10000, 'x'));
  ASSERT_EQ(Run("object encoding l"), "$9\r\nquicklist\r\n");
  Run("ltrim l 0 -1");
  EXPECT_EQ(Run("object encoding l"), "$8\r\nlistpack\r\n");
}

}  // namespace
}  // namespace terrace::commands
