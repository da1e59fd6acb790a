#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "unit/commands/command_fixture.h"

namespace terrace::commands {
namespace {

using Events = std::vector<std::string>;

class KeysTest : public CommandFixture {};

TEST_F(KeysTest, RenamingToItselfChangesNothing) {
  Run("set a 1 px 5000");
  events_.Take();
  EXPECT_EQ(Run("rename a a"), "+OK\r\n");
  EXPECT_EQ(Run("renamenx a a"), ":0\r\n");
  EXPECT_EQ(Run("rename none none"), "-ERR no such key\r\n");
  EXPECT_TRUE(events_.Take().empty());
  Run("set b 2");
  events_.Take();
  EXPECT_EQ(Run("renamenx a b"), ":0\r\n");
  EXPECT_EQ(Run("rename a b"), "+OK\r\n");
  EXPECT_EQ(events_.Take(), (Events{"rename_from", "rename_to"}));
  EXPECT_EQ(Run("pttl b"), ":5000\r\n");
  EXPECT_EQ(KeyCount(), 1u);
}

TEST_F(KeysTest, MovesAndCopiesReachOtherDatabases) {
  Run("set a 1 px 5000");
  events_.Take();
  EXPECT_EQ(Run("copy a a db 1"), ":1\r\n");
  EXPECT_EQ(Run("copy a a db 1"), ":0\r\n");
  EXPECT_EQ(Run("copy a a db 1 replace"), ":1\r\n");
  EXPECT_EQ(Run("move a 1"), ":0\r\n");
  EXPECT_EQ(Run("move a 2"), ":1\r\n");
  EXPECT_EQ(events_.Take(), (Events{"copy_to", "copy_to", "move_from", "move_to"}));
  EXPECT_EQ(Run("move a 0"), "-ERR source and destination objects are the same\r\n");
  EXPECT_EQ(Run("copy a a"), "-ERR source and destination objects are the same\r\n");
  EXPECT_EQ(Run("move a 16"), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(Run("copy a b db 99999999999"),
            "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
  EXPECT_EQ(Run("swapdb 0 2"), "+OK\r\n");
  EXPECT_EQ(Run("pttl a"), ":5000\r\n");
}

TEST_F(KeysTest, ADeadlineInThePastDeletes) {
  Run("set a 1");
  events_.Take();
  EXPECT_EQ(Run("expire a -1"), ":1\r\n");
  EXPECT_EQ(events_.Take(), (Events{"del"}));
  EXPECT_EQ(KeyCount(), 0u);
  Run("set a 1");
  EXPECT_EQ(Run("pexpireat a -9223372036854775808"), ":1\r\n");
  EXPECT_EQ(KeyCount(), 0u);
}

TEST_F(KeysTest, ConditionsCompareDeadlines) {
  Run("set a 1");
  EXPECT_EQ(Run("expire a 10 xx"), ":0\r\n");
  EXPECT_EQ(Run("expire a 10 gt"), ":0\r\n");  // no deadline is the latest of all
  EXPECT_EQ(Run("expire a 10 lt"), ":1\r\n");
  EXPECT_EQ(Run("expire a 20 nx"), ":0\r\n");
  EXPECT_EQ(Run("expire a 10 gt"), ":0\r\n");
  EXPECT_EQ(Run("expire a 11 xx gt"), ":1\r\n");
  EXPECT_EQ(Run("ttl a"), ":11\r\n");
  EXPECT_EQ(Run("expire a 1 nx gt"),
            "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
  EXPECT_EQ(Run("expire a 1 lt gt"),
            "-ERR GT and LT options at the same time are not compatible\r\n");
  EXPECT_EQ(Run("expire a 1 soon"), "-ERR Unsupported option soon\r\n");
}

TEST_F(KeysTest, SecondsAreRoundedToTheNearest) {
  Run("set a 1 px 1499");
  EXPECT_EQ(Run("ttl a"), ":1\r\n");
  Run("set a 1 px 1500");
  EXPECT_EQ(Run("ttl a"), ":2\r\n");
  EXPECT_EQ(Run("ttl none"), ":-2\r\n");
}

TEST_F(KeysTest, ScansVisitEveryKeyThatStays) {
  std::set<std::string> expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "key:" + std::to_string(i);
    Run("set " + name + " 1");
    expected.insert(name);
  }
  std::set<std::string> seen;
  std::string cursor = "0";
  do {
    std::string reply = Run("scan " + cursor + " match key:* count 7 type string");
    std::vector<std::string> bulks;
    for (size_t at = reply.find('$'); at != std::string::npos; at = reply.find('$', at)) {
      const size_t begin = reply.find('\n', at) + 1;
      const size_t size = std::stoul(reply.substr(at + 1));
      bulks.push_back(reply.substr(begin, size));
      at = begin + size;
    }
    cursor = bulks.front();
    seen.insert(bulks.begin() + 1, bulks.end());
  } while (cursor != "0");
  EXPECT_EQ(seen, expected);
}

TEST_F(KeysTest, ACursorMayBeAnything) {
  Run("set a 1");
  for (const char* cursor : {"18446744073709551615", "-1", "4294967295", "99999999999"}) {
    EXPECT_EQ(Run(std::string("scan ") + cursor).substr(0, 4), "*2\r\n") << cursor;
  }
  EXPECT_EQ(Run("scan x"), "-ERR invalid cursor\r\n");
  EXPECT_EQ(Run("scan 18446744073709551616"), "-ERR invalid cursor\r\n");
}

TEST_F(KeysTest, TheEmptyNameIsMatchedByStarAndByNothing) {
  Run({"set", "", "1"});
  EXPECT_EQ(Run("keys *"), "*1\r\n$0\r\n\r\n");
  EXPECT_EQ(Run("keys **"), "*0\r\n");
  EXPECT_EQ(Run(std::vector<std::string_view>{"keys", ""}), "*1\r\n$0\r\n\r\n");
}

TEST_F(KeysTest, WhatWasDumpedIsRestored) {
  Run("set a value");
  const std::string reply = Run("dump a");
  const size_t begin = reply.find('\n') + 1;
  const std::string payload = reply.substr(begin, reply.size() - begin - 2);
  EXPECT_EQ(Run({"restore", "a", "0", payload}), "-BUSYKEY Target key name already exists.\r\n");
  events_.Take();
  EXPECT_EQ(Run({"restore", "b", "5000", payload}), "+OK\r\n");
  EXPECT_EQ(Run("get b"), "$5\r\nvalue\r\n");
  EXPECT_EQ(Run("pttl b"), ":5000\r\n");
  EXPECT_EQ(Run({"restore", "b", "1", payload, "absttl", "replace"}), "+OK\r\n");
  EXPECT_EQ(events_.Take(), (Events{"restore", "del"}));
  EXPECT_EQ(Run({"restore", "b", "-1", payload}), "-ERR Invalid TTL value, must be >= 0\r\n");
  EXPECT_EQ(Run({"restore", "b", "0", payload, "freq", "256"}),
            "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n");
  EXPECT_EQ(Run({"restore", "b", "0", payload, "freq", "1", "idletime", "1"}),
            "-ERR syntax error\r\n");
  EXPECT_EQ(Run({"restore", "b", "0", payload + "x"}),
            "-ERR DUMP payload version or checksum are wrong\r\n");
  EXPECT_EQ(Run({"restore", "b", "0", payload, "idletime", "100"}), "+OK\r\n");
  EXPECT_EQ(Run("object idletime b"), ":100\r\n");
}

TEST_F(KeysTest, LookingIsNotUsing) {
  Run("set a 1");
  clock_.now_ms += 60000;
  Run("exists a");
  Run("type a");
  Run("ttl a");
  Run("object encoding a");
  EXPECT_EQ(Run("object idletime a"), ":60\r\n");
  Run("touch a");
  EXPECT_EQ(Run("object idletime a"), ":0\r\n");
}

TEST_F(KeysTest, RowsOfSetTellWhenTheOldValueIsNeeded) {
  const Command* const set = registry_.Find("set");
  const auto resolve = [&](std::vector<std::string_view> args) { return set->ResolveFor(args); };
  EXPECT_EQ(resolve({"set", "a", "nx"}), Resolve::kNothing);
  EXPECT_EQ(resolve({"set", "a", "1", "EX", "10"}), Resolve::kNothing);
  EXPECT_EQ(resolve({"set", "a", "1", "NX"}), Resolve::kValue);
  EXPECT_EQ(resolve({"set", "a", "1", "KeepTtl"}), Resolve::kValue);
}

}  // namespace
}  // namespace terrace::commands
