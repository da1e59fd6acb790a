#include "keyspace/types/set.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

std::set<std::string> Contents(const Set& set) {
  std::set<std::string> members;
  set.ForEach([&](std::string_view member) { EXPECT_TRUE(members.emplace(member).second); });
  return members;
}

TEST(SetTest, IntegersStayAnIntsetUpToItsLimit) {
  const EncodingLimits limits;
  Set set;
  for (int i = 0; i < 512; ++i) EXPECT_TRUE(set.Add(std::to_string(i), limits));
  EXPECT_EQ(set.encoding(), "intset");
  EXPECT_TRUE(set.intset_bytes());
  EXPECT_FALSE(set.Add("511", limits));
  EXPECT_TRUE(set.Add("512", limits));
  EXPECT_EQ(set.encoding(), "hashtable");
  EXPECT_EQ(set.size(), 513u);
}

TEST(SetTest, ATextTurnsASmallIntsetIntoAListpack) {
  const EncodingLimits limits;
  Set set;
  for (int i = 0; i < 127; ++i) set.Add(std::to_string(i), limits);
  EXPECT_TRUE(set.Add("text", limits));
  EXPECT_EQ(set.encoding(), "listpack");
  EXPECT_TRUE(set.Contains("126"));
  EXPECT_TRUE(set.Add("another", limits));
  EXPECT_EQ(set.encoding(), "hashtable");
  EXPECT_EQ(set.size(), 129u);
}

TEST(SetTest, ATextTurnsALargeIntsetIntoATable) {
  const EncodingLimits limits;
  Set set;
  for (int i = 0; i < 128; ++i) set.Add(std::to_string(i), limits);
  EXPECT_TRUE(set.Add("text", limits));
  EXPECT_EQ(set.encoding(), "hashtable");
}

TEST(SetTest, ALongMemberTurnsAListpackIntoATable) {
  const EncodingLimits limits;
  Set set;
  set.Add(std::string(64, 'x'), limits);
  EXPECT_EQ(set.encoding(), "listpack");
  EXPECT_FALSE(set.Add(std::string(64, 'x'), limits));
  set.Add(std::string(65, 'x'), limits);
  EXPECT_EQ(set.encoding(), "hashtable");
}

TEST(SetTest, StartsWithTheEncodingThatFitsWhatIsToCome) {
  const EncodingLimits limits;
  EXPECT_EQ(Set::For("1", 512, limits)->encoding(), "intset");
  EXPECT_EQ(Set::For("1", 513, limits)->encoding(), "hashtable");
  EXPECT_EQ(Set::For("a", 128, limits)->encoding(), "listpack");
  EXPECT_EQ(Set::For("a", 129, limits)->encoding(), "hashtable");
  Set set;
  set.Add("1", limits);
  set.Reserve(512, limits);
  EXPECT_EQ(set.encoding(), "intset");
  set.Reserve(513, limits);
  EXPECT_EQ(set.encoding(), "hashtable");
}

TEST(SetTest, BehavesLikeASetOfStringsInEveryEncoding) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    base::Rng rng(seed);
    EncodingLimits limits;
    limits.hash_seed = rng.Next();
    Set set;
    std::set<std::string> model;
    const uint64_t range = 1 + rng.Below(600);
    const bool with_texts = rng.Below(2) == 0;
    for (int step = 0; step < 3000; ++step) {
      std::string member = std::to_string(rng.Below(range));
      if (with_texts && rng.Below(20) == 0) member += "x";
      if (rng.Below(500) == 0 && with_texts) member += std::string(200, 'y');
      if (rng.Below(5) < 3) {
        EXPECT_EQ(set.Add(member, limits), model.insert(member).second);
      } else {
        EXPECT_EQ(set.Remove(member), model.erase(member) == 1);
      }
      EXPECT_EQ(set.Contains(member), model.count(member) == 1);
      ASSERT_EQ(set.size(), model.size());
      if (!model.empty()) {
        base::Int64Text buffer;
        EXPECT_EQ(model.count(std::string(set.Random(rng, buffer))), 1u);
      }
    }
    EXPECT_EQ(Contents(set), model);
    const auto copy = set.Clone();
    EXPECT_EQ(Contents(static_cast<Set&>(*copy)), model);
    EXPECT_EQ(copy->encoding(), set.encoding());
    std::set<std::string> scanned;
    uint64_t cursor = 0;
    do {
      cursor = set.Scan(cursor, [&](std::string_view member) { scanned.emplace(member); });
    } while (cursor != 0);
    EXPECT_EQ(scanned, model);
    for (const std::string& member : model) EXPECT_TRUE(set.Remove(member));
    EXPECT_EQ(set.size(), 0u);
  }
}

TEST(SetTest, BytesFollowTheContents) {
  const EncodingLimits limits;
  Set set;
  const size_t empty_bytes = set.bytes();
  for (int i = 0; i < 1000; ++i) set.Add("member-" + std::to_string(i), limits);
  const size_t full_bytes = set.bytes();
  EXPECT_GT(full_bytes, 1000u * (16 + 8));
  EXPECT_LT(full_bytes, 1000u * (16 + 20));
  for (int i = 0; i < 1000; ++i) set.Remove("member-" + std::to_string(i));
  EXPECT_LT(set.bytes(), empty_bytes + 512);
}

TEST(SetTest, RecognisesRepeatedMembersInForeignListpacks) {
  Listpack pack;
  pack.Append("1");
  pack.Append("a");
  EXPECT_TRUE(Set::IsDistinct(pack));
  pack.Append(int64_t{1});
  EXPECT_FALSE(Set::IsDistinct(pack));
}

}  // namespace
}  // namespace terrace::keyspace
