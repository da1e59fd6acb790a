#include "keyspace/digest.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>
#include <string_view>

#include "keyspace/types/set.h"
#include "keyspace/types/zset.h"

namespace terrace::keyspace {
namespace {

class DigestTest : public ::testing::Test {
 protected:
  void SetMembers(std::initializer_list<std::string_view> members, const EncodingLimits& limits) {
    auto set = std::make_unique<Set>();
    for (const std::string_view member : members) set->Add(member, limits);
    db_.SetObject(keyspace_.MakeKey("set"), std::move(set), kNoDeadline, events::kSet);
  }
  Digest OfAll() { return DigestOfKeyspace(keyspace_, 1000); }

  Keyspace keyspace_{{.shard_count = 4, .concurrent = false, .seed = 7}};
  Database db_{&keyspace_, 0, 1000};
};

TEST_F(DigestTest, DependsOnContentAndNotOnOrderOrEncoding) {
  SetMembers({"a", "b", "17"}, {});
  const Digest compact = OfAll();
  EncodingLimits limits;
  limits.set_max_listpack_entries = 0;
  SetMembers({"17", "b", "a"}, limits);
  EXPECT_EQ(OfAll(), compact);
  SetMembers({"17", "b"}, limits);
  EXPECT_NE(OfAll(), compact);
}

// What is kept compact forgets the sign of 0, so a copy may lack it.
TEST_F(DigestTest, ScoresThatAreEqualAreTheSame) {
  const auto with_score = [&](double score) {
    auto zset = std::make_unique<Zset>();
    EncodingLimits limits;
    limits.zset_max_listpack_entries = 0;
    zset->Set("a", score, limits);
    db_.SetObject(keyspace_.MakeKey("zset"), std::move(zset), kNoDeadline, events::kNone);
    return OfAll();
  };
  EXPECT_EQ(with_score(-0.0), with_score(0.0));
  EXPECT_NE(with_score(0.0), with_score(1.0));
}

TEST_F(DigestTest, TellsTypesKeysDatabasesAndDeadlinesApart) {
  const Key key = keyspace_.MakeKey("key");
  db_.SetString(key, "value", kNoDeadline, events::kSet);
  const Digest first = OfAll();
  db_.SetString(key, "value", 5000, events::kSet);
  EXPECT_NE(OfAll(), first);
  db_.Remove(key, events::kDel);
  EXPECT_EQ(OfAll(), Digest{});
  db_.Other(1).SetString(key, "value", kNoDeadline, events::kSet);
  EXPECT_NE(OfAll(), first);
  db_.Other(1).Remove(key, events::kDel);
  db_.SetString(keyspace_.MakeKey("other"), "value", kNoDeadline, events::kSet);
  EXPECT_NE(OfAll(), first);
}

}  // namespace
}  // namespace terrace::keyspace
