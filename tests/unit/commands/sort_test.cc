#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

class SortTest : public CommandFixture {
 protected:
  // The bulk strings of a reply with blanks between them, "-" for null.
  std::string Words(std::string_view line) {
    const std::string reply = Run(line);
    std::string words;
    for (size_t at = reply.find('$'); at != std::string::npos; at = reply.find('$', at)) {
      const size_t begin = reply.find('\n', at) + 1;
      const int size = std::stoi(reply.substr(at + 1));
      if (!words.empty()) words += ' ';
      words += size < 0 ? "-" : reply.substr(begin, static_cast<size_t>(size));
      at = begin + static_cast<size_t>(std::max(size, 0));
    }
    return reply[0] == '-' ? reply : words;
  }
};

TEST_F(SortTest, NumbersAndTextsSortDifferently) {
  Run("sadd s 10 9 2 -1.5");
  EXPECT_EQ(Words("sort s"), "-1.5 2 9 10");
  EXPECT_EQ(Words("sort s desc limit 1 2"), "9 2");
  EXPECT_EQ(Words("sort s alpha"), "-1.5 10 2 9");
  EXPECT_EQ(Words("sort s limit 9 9"), "");
  Run("sadd s x");
  EXPECT_EQ(Words("sort s"), "-ERR One or more scores can't be converted into double\r\n");
}

TEST_F(SortTest, PatternsLookIntoStringsAndHashes) {
  Run("sadd s 1 2 3");
  Run("mset w1 30 w2 20 n1 one n3 three");
  Run("hset h1 f uno");
  EXPECT_EQ(Words("sort s by w* get # get n*"), "3 three 2 - 1 one");
  EXPECT_EQ(Words("sort s get h*->f get h* get fixed"), "uno - - - - - - - -");
}

TEST_F(SortTest, AConstantWeightKeepsTheOrderOfASortedSet) {
  Run("zadd z 1 c 2 b 3 a");
  EXPECT_EQ(Words("sort z by nosort"), "c b a");
  EXPECT_EQ(Words("sort z by nosort desc limit 0 2"), "a b");
}

TEST_F(SortTest, ResultsAreStoredAsAList) {
  Run("sadd s 2 1");
  events_.Take();
  EXPECT_EQ(Run("sort s store t"), ":2\r\n");
  EXPECT_EQ(Run("type t"), "+list\r\n");
  EXPECT_EQ(Words("sort t by nosort"), "1 2");
  EXPECT_EQ(Words("sort t by nosort desc"), "2 1");
  EXPECT_EQ(Run("sort none store t"), ":0\r\n");
  EXPECT_EQ(Run("type t"), "+none\r\n");
  EXPECT_EQ(events_.Take(), (std::vector<std::string>{"sortstore", "del"}));
  EXPECT_EQ(Run("sort_ro s store t"), "-ERR syntax error\r\n");
}

TEST_F(SortTest, TheKeysAreTheSourceAndTheLastTarget) {
  std::vector<int> positions;
  const std::vector<std::string_view> args = {"sort", "s",     "by", "store", "limit", "0",
                                              "1",    "store", "a",  "store", "b"};
  EXPECT_TRUE(FindKeys(*registry_.Find("sort"), args, &positions));
  EXPECT_EQ(positions, (std::vector<int>{1, 10}));
}

}  // namespace
}  // namespace terrace::commands
