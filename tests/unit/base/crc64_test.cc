#include "base/crc64.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"

namespace terrace::base {
namespace {

TEST(Crc64, GivesTheCheckValueOfTheJonesPolynomial) {
  EXPECT_EQ(Crc64("123456789"), 0xe9c6d914c4b8d9cau);
}

TEST(Crc64, LeavesTheSeedAloneForTheEmptyText) {
  EXPECT_EQ(Crc64(""), 0u);
  EXPECT_EQ(Crc64("", 7), 7u);
}

TEST(Crc64, IsTheSameInOnePieceAndInTwo) {
  const uint64_t seed = 20240607;
  SCOPED_TRACE("seed " + std::to_string(seed));
  Rng rng(seed);
  std::string text(100, '\0');
  for (char& byte : text) byte = static_cast<char>(rng.Below(256));
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc64(text.substr(cut), Crc64(text.substr(0, cut))), Crc64(text));
  }
}

}  // namespace
}  // namespace terrace::base
