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

}  // namespace
}  // namespace terrace::commands
