#include <gtest/gtest.h>

#include <string>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

class StreamsTest : public CommandFixture {};

TEST_F(StreamsTest, ReadsTheLastEntryWhateverTheCountAllows) {
  Run("xadd s 1-0 k v");
  Run("xadd s 2-0 k v");
  const std::string last =
      "*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n";
  EXPECT_EQ(Run("xread streams s +"), last);
  EXPECT_EQ(Run("xread count 5 streams s +"), last);
  Run("xadd s 2-18446744073709551615 k v");
  Run("xdel s 2-18446744073709551615");
  EXPECT_EQ(Run("xread streams s +"), last);
}

TEST_F(StreamsTest, TheLastEntryOfAnEmptyStreamIsNone) {
  EXPECT_EQ(Run("xread streams s +"), "*-1\r\n");
  Run("xadd s 5-0 k v");
  Run("xdel s 5-0");
  EXPECT_EQ(Run("xread streams s +"), "*-1\r\n");
}

}  // namespace
}  // namespace terrace::commands
