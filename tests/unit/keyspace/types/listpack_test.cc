#include "keyspace/types/listpack.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

std::vector<std::string> Contents(const Listpack& pack) {
  std::vector<std::string> texts;
  base::Int64Text buffer;
  for (auto at = pack.First(); at != Listpack::kNone; at = pack.Next(at)) {
    texts.emplace_back(pack.Get(at).Text(buffer));
  }
  return texts;
}

std::vector<std::string> ContentsBackwards(const Listpack& pack) {
  std::vector<std::string> texts;
  base::Int64Text buffer;
  for (auto at = pack.Last(); at != Listpack::kNone; at = pack.Previous(at)) {
    texts.emplace_back(pack.Get(at).Text(buffer));
  }
  return {texts.rbegin(), texts.rend()};
}

// A text of the kinds and lengths that use different encodings.
std::string RandomText(base::Rng& rng) {
  switch (rng.Below(5)) {
    case 0:
      return std::to_string(static_cast<int64_t>(rng.Next() >> rng.Below(64)));
    case 1:
      return std::to_string(-static_cast<int64_t>(rng.Next() >> (1 + rng.Below(63))));
    case 2:
      return std::string(rng.Below(70), 'a');
    case 3:
      return std::string(rng.Below(200), static_cast<char>('a' + rng.Below(26)));
    default:
      return std::string(rng.Below(5000), 'z');
  }
}

TEST(ListpackTest, BytesAreThoseOfRedis) {
  Listpack pack;
  EXPECT_EQ(Hex(pack.bytes()), "070000000000ff");
  pack.Append("a");
  pack.Append("1");
  pack.Append("-1");
  pack.Append("4095");
  pack.Append("-32768");
  pack.Append("100000");
  pack.Append("-8388609");
  pack.Append("9223372036854775807");
  EXPECT_EQ(Hex(pack.bytes()),
            "2b0000000800"
            "816102"
            "0101"
            "dfff02"
            "cfff02"
            "f1008003"
            "f2a0860104"
            "f3ffff7fff05"
            "f4ffffffffffffff7f09"
            "ff");
  Listpack strings;
  strings.Append(std::string(64, 'x'));
  EXPECT_EQ(Hex(strings.bytes().substr(0, 8)), "4a0000000100e040");
  EXPECT_EQ(Hex(strings.bytes().substr(72)), "42ff");
  strings.Replace(strings.First(), std::string(4096, 'x'));
  EXPECT_EQ(Hex(strings.bytes().substr(4, 7)), "0100f000100000");
  EXPECT_EQ(Hex(strings.bytes().substr(strings.bytes().size() - 3)), "2085ff");
}

TEST(ListpackTest, EveryIntegerWidthRoundTrips) {
  for (const int64_t edge : {0, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, 2147483647}) {
    for (const int64_t value : {edge, -edge, -edge - 1, edge * 4000000000}) {
      Listpack pack;
      pack.Append(value);
      EXPECT_TRUE(Listpack::IsValid(pack.bytes()));
      EXPECT_TRUE(pack.Get(pack.First()).is_number);
      EXPECT_EQ(pack.Get(pack.First()).number, value);
      Listpack by_text;
      by_text.Append(std::to_string(value));
      EXPECT_EQ(pack.bytes(), by_text.bytes());
    }
  }
}

TEST(ListpackTest, BehavesLikeAVectorOfStrings) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    base::Rng rng(seed);
    Listpack pack;
    std::vector<std::string> model;
    for (int step = 0; step < 400; ++step) {
      const std::string text = RandomText(rng);
      const size_t index = model.empty() ? 0 : rng.Below(model.size());
      const auto offset = static_cast<ptrdiff_t>(index);
      const auto at = pack.At(static_cast<int64_t>(index));
      switch (model.empty() ? 0 : rng.Below(6)) {
        case 0:
          pack.Append(text);
          model.push_back(text);
          break;
        case 1:
          pack.Insert(at, text);
          model.insert(model.begin() + offset, text);
          break;
        case 2:
          pack.Replace(at, text);
          model[index] = text;
          break;
        case 3: {
          const size_t count = std::min<size_t>(1 + rng.Below(3), model.size() - index);
          const auto next = pack.Erase(at, count);
          model.erase(model.begin() + offset, model.begin() + offset + static_cast<long>(count));
          EXPECT_EQ(next == Listpack::kNone, index == model.size());
          break;
        }
        case 4: {
          const size_t skip = rng.Below(3);
          size_t expected = 0;
          while (expected < model.size() && model[expected] != model[index]) expected += skip + 1;
          const auto found = pack.Find(pack.First(), model[index], skip);
          EXPECT_EQ(found, expected < model.size() ? pack.At(static_cast<int64_t>(expected))
                                                   : Listpack::kNone);
          break;
        }
        default:
          EXPECT_TRUE(pack.Equals(at, model[index]));
          EXPECT_EQ(pack.At(-1 - static_cast<int64_t>(index)),
                    pack.At(static_cast<int64_t>(model.size() - 1 - index)));
      }
      ASSERT_EQ(pack.size(), model.size());
      ASSERT_TRUE(Listpack::IsValid(pack.bytes()));
    }
    EXPECT_EQ(Contents(pack), model);
    EXPECT_EQ(ContentsBackwards(pack), model);
    const auto copy = Listpack::FromBytes(pack.bytes());
    ASSERT_TRUE(copy);
    EXPECT_EQ(Contents(*copy), model);
  }
}

TEST(ListpackTest, CountsBeyondItsHeader) {
  Listpack pack;
  for (int i = 0; i < 65600; ++i) pack.Append(int64_t{1});
  EXPECT_EQ(pack.size(), 65600u);
  EXPECT_TRUE(Listpack::IsValid(pack.bytes()));
  pack.Erase(pack.First(), 100);
  EXPECT_EQ(pack.size(), 65500u);
  EXPECT_EQ(Hex(pack.bytes().substr(4, 2)), "dcff");
}

TEST(ListpackTest, RefusesEveryTruncationAndSurvivesEveryFlippedByte) {
  Listpack pack;
  base::Rng rng(3);
  for (int i = 0; i < 20; ++i) pack.Append(RandomText(rng).substr(0, 100));
  const std::string good(pack.bytes());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Listpack::IsValid(std::string_view(good).substr(0, length))) << length;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int flip : {1, 0x80, 0xFF}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      if (const auto parsed = Listpack::FromBytes(bad)) {
        EXPECT_EQ(Contents(*parsed), ContentsBackwards(*parsed));
      }
    }
  }
}

TEST(ListpackTest, RefusesALengthThatLeavesTheBlock) {
  // A 32-bit string of almost 4 GiB.
  EXPECT_FALSE(
      Listpack::IsValid(std::string_view("\x0d\0\0\0\x01\0\xf0\xff\xff\xff\xff\0\xff", 13)));
  // An entry that would end on the end mark's place.
  EXPECT_FALSE(Listpack::IsValid(std::string_view("\x09\0\0\0\x01\0\x81\x61\xff", 9)));
  // A reserved encoding, a wrong count, a wrong total.
  EXPECT_FALSE(Listpack::IsValid(std::string_view("\x09\0\0\0\x01\0\xf5\x01\xff", 9)));
  EXPECT_FALSE(Listpack::IsValid(std::string_view("\x09\0\0\0\x02\0\x01\x01\xff", 9)));
  EXPECT_FALSE(Listpack::IsValid(std::string_view("\x0a\0\0\0\x01\0\x01\x01\xff", 9)));
  EXPECT_TRUE(Listpack::IsValid(std::string_view("\x09\0\0\0\x01\0\x01\x01\xff", 9)));
  EXPECT_TRUE(Listpack::IsValid(std::string_view("\x09\0\0\0\xff\xff\x01\x01\xff", 9)));
}

}  // namespace
}  // namespace terrace::keyspace
