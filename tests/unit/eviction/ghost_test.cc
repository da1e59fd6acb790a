#include "eviction/ghost.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/rng.h"

namespace terrace::eviction {
namespace {

TEST(Ghost, RemembersAKeyOnceAndThenForgetsIt) {
  Ghost ghost;
  ghost.SetCapacity(100);
  EXPECT_FALSE(ghost.Take(7));
  ghost.Add(7);
  EXPECT_TRUE(ghost.Take(7));
  EXPECT_FALSE(ghost.Take(7));
}

TEST(Ghost, RemembersAboutAsManyAsItsCapacityAndFewStrangers) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  constexpr size_t kCapacity = 10'000;
  Ghost ghost;
  ghost.SetCapacity(kCapacity);
  std::vector<uint32_t> added;
  for (size_t i = 0; i < 5 * kCapacity; ++i) {
    added.push_back(static_cast<uint32_t>(rng.Next()));
    ghost.Add(added.back());
  }
  size_t strangers = 0;
  for (size_t i = 0; i < kCapacity; ++i) strangers += ghost.Take(static_cast<uint32_t>(rng.Next()));
  EXPECT_LT(strangers, kCapacity / 100);
  size_t recent = 0;
  size_t old = 0;
  for (size_t i = 1; i <= kCapacity; ++i) {
    recent += ghost.Take(added[added.size() - i]);
    old += ghost.Take(added[added.size() - 2 * kCapacity - i]);
  }
  EXPECT_GT(recent, kCapacity * 75 / 100);
  EXPECT_LT(old, kCapacity * 3 / 100);
}

TEST(Ghost, KeepsHalfOfWhatItKnowsWhenItGrows) {
  Ghost ghost;
  ghost.SetCapacity(10'000);
  for (uint32_t key = 0; key < 5'000; ++key) ghost.Add(key);
  ghost.SetCapacity(13'000);
  size_t kept = 0;
  for (uint32_t key = 0; key < 5'000; ++key) kept += ghost.Take(key);
  EXPECT_GT(kept, 2'500u);
}

TEST(Ghost, StaysWithinThreeBytesAKeyAndShrinksWithItsCapacity) {
  Ghost ghost;
  for (size_t capacity = 1'000; capacity < 100'000; capacity += 500) {
    ghost.SetCapacity(capacity);
    EXPECT_LE(ghost.memory_bytes(), 3 * capacity);
  }
  ghost.SetCapacity(1'000);
  EXPECT_LE(ghost.memory_bytes(), 3'000u);
}

}  // namespace
}  // namespace terrace::eviction
