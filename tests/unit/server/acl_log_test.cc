#include "server/acl_log.h"

#include <gtest/gtest.h>

namespace terrace::server {
namespace {

AclLogEntry Refusal(std::string object) {
  AclLogEntry entry;
  entry.object = std::move(object);
  entry.user = "ann";
  return entry;
}

TEST(AclLog, CountsTheSameWithinAMinuteAndPutsItFirst) {
  AclLog log;
  log.Add(Refusal("get"), 1000);
  log.Add(Refusal("set"), 1001);
  log.Add(Refusal("get"), 61000);
  auto entries = log.Newest(10);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].object, "get");
  EXPECT_EQ(entries[0].count, 2);
  EXPECT_EQ(entries[0].id, 0u);
  EXPECT_EQ(entries[0].created_ms, 1000);
  EXPECT_EQ(entries[0].updated_ms, 61000);
  log.Add(Refusal("get"), 121001);
  EXPECT_EQ(log.Newest(10).size(), 3u);
  EXPECT_EQ(log.total(AclReason::kCommand), 4u);
}

TEST(AclLog, LooksForTheSameAmongTheNewestTenOnly) {
  AclLog log;
  for (int i = 0; i < 11; ++i) log.Add(Refusal(std::to_string(i)), 1000);
  log.Add(Refusal("0"), 1000);
  EXPECT_EQ(log.Newest(100).size(), 12u);
  log.Add(Refusal("5"), 1000);
  EXPECT_EQ(log.Newest(100).size(), 12u);
}

TEST(AclLog, LetsTheOldestGoBeyondItsLength) {
  AclLog log;
  log.set_length_max(2);
  for (const char* object : {"a", "b", "c"}) log.Add(Refusal(object), 1000);
  const auto entries = log.Newest(10);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].object, "b");
  EXPECT_EQ(entries[0].id, 2u);
  log.Clear();
  EXPECT_TRUE(log.Newest(10).empty());
}

}  // namespace
}  // namespace terrace::server
