#include "keyspace/types/intset.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

TEST(IntsetTest, BytesAreThoseOfRedis) {
  Intset set;
  set.Insert(5);
  set.Insert(-1);
  EXPECT_EQ(set.bytes(), std::string_view("\x02\0\0\0\x02\0\0\0\xff\xff\x05\0", 12));
  set.Insert(70000);
  EXPECT_EQ(set.bytes(),
            std::string_view("\x04\0\0\0\x03\0\0\0\xff\xff\xff\xff\x05\0\0\0\x70\x11\x01\0", 20));
}

TEST(IntsetTest, BehavesLikeASetOfIntegers) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    base::Rng rng(seed);
    Intset set;
    std::set<int64_t> model;
    for (int step = 0; step < 2000; ++step) {
      const int width = step < 700 ? 10 : step < 1400 ? 20 : 64;
      auto value = static_cast<int64_t>(rng.Next() >> (64 - width));
      if (rng.Below(2) == 0) value = -value;
      if (rng.Below(3) != 0) {
        EXPECT_EQ(set.Insert(value), model.insert(value).second);
      } else {
        EXPECT_EQ(set.Erase(value), model.erase(value) == 1);
      }
      EXPECT_EQ(set.Contains(value), model.count(value) == 1);
      ASSERT_EQ(set.size(), model.size());
    }
    size_t index = 0;
    for (const int64_t value : model) EXPECT_EQ(set.At(index++), value);
    const auto copy = Intset::FromBytes(set.bytes());
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->bytes(), set.bytes());
  }
}

TEST(IntsetTest, RefusesMalformedBlocks) {
  const std::string good("\x02\0\0\0\x02\0\0\0\x01\0\x02\0", 12);
  EXPECT_TRUE(Intset::FromBytes(good));
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Intset::FromBytes(std::string_view(good).substr(0, length)));
  }
  EXPECT_FALSE(Intset::FromBytes(std::string_view("\x02\0\0\0\x02\0\0\0\x02\0\x02\0", 12)));
  EXPECT_FALSE(Intset::FromBytes(std::string_view("\x03\0\0\0\x01\0\0\0\x02\0\x02", 11)));
  EXPECT_FALSE(Intset::FromBytes(std::string_view("\x02\0\0\0\0\0\0\0", 8)));
  EXPECT_FALSE(Intset::FromBytes(std::string_view("\x08\0\0\0\xff\xff\xff\xff\x01", 9)));
}

}  // namespace
}  // namespace terrace::keyspace
