#include "keyspace/expiry_index.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

// Plays the owner: trusts the entry's deadline, re-adds what is not due yet.
TEST(ExpiryIndex, HandsOutEveryKeySoonAfterItsDeadlineAndNeverLosesOne) {
  const uint64_t seed = testing::UnitTest::GetInstance()->random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  const int64_t start_ms = 1'700'000'000'123;
  ExpiryIndex index(start_ms);
  std::map<uint32_t, int64_t> deadlines;
  for (uint32_t hash = 0; hash < 20000; ++hash) {
    const int64_t span[] = {100, 5000, 200'000, 10'000'000};
    deadlines[hash] =
        start_ms + static_cast<int64_t>(rng.Below(static_cast<uint64_t>(span[hash % 4])));
    index.Add(hash, deadlines[hash]);
  }
  int64_t now_ms = start_ms;
  while (!deadlines.empty() && now_ms < start_ms + 10'200'000) {
    now_ms += 1 + static_cast<int64_t>(rng.Below(3000));
    std::vector<uint32_t> due;
    while (index.TakeDue(now_ms, 100, &due) == 100) {
    }
    for (const uint32_t hash : due) {
      const auto found = deadlines.find(hash);
      ASSERT_NE(found, deadlines.end());
      if (found->second <= now_ms) {
        deadlines.erase(found);
      } else {
        index.Add(hash, found->second);
      }
    }
    for (const auto& [hash, deadline] : deadlines) {
      ASSERT_GT(deadline, now_ms - 2 * ExpiryIndex::kTickMs) << hash;
    }
  }
  EXPECT_TRUE(deadlines.empty());
  EXPECT_EQ(index.slot_count(), 0u);
}

TEST(ExpiryIndex, PeeksTheSoonestFirst) {
  ExpiryIndex index(0);
  index.Add(1, 1'000'000);
  index.Add(2, 500);
  index.Add(3, 60'000);
  std::vector<uint32_t> soonest;
  EXPECT_EQ(index.PeekSoonest(2, &soonest), 2u);
  EXPECT_EQ(soonest, (std::vector<uint32_t>{2, 3}));
}

TEST(ExpiryIndex, CostsLittleMoreThanFourBytesAKey) {
  ExpiryIndex index(0);
  for (uint32_t i = 0; i < 100000; ++i) index.Add(i, 3'600'000 + i);
  EXPECT_LT(static_cast<double>(index.bytes()) / 100000, 5.0);
}

TEST(ExpiryIndex, TakeAllHandsOutEachHashOnce) {
  ExpiryIndex index(0);
  for (int repeat = 0; repeat < 3; ++repeat) {
    for (uint32_t i = 0; i < 100; ++i) index.Add(i, 1000 * (repeat + 1));
  }
  std::vector<uint32_t> slots;
  index.TakeAll(&slots);
  EXPECT_EQ(slots.size(), 100u);
  EXPECT_EQ(index.slot_count(), 0u);
}

}  // namespace
}  // namespace terrace::keyspace
