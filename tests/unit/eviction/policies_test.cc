// What sets each policy apart. The promises they share are in policy_contract_test.cc.

#include <gtest/gtest.h>

#include <string>

#include "eviction/registry.h"
#include "unit/eviction/fake_store.h"

namespace terrace::eviction {
namespace {

FakeStore MakeStore(std::string_view name, uint64_t seed = 1) {
  return FakeStore(FindPolicy(name)->make(seed), seed);
}

uint64_t Stat(const FakeStore& store, std::string_view name) {
  uint64_t found = ~uint64_t{0};
  const_cast<FakeStore&>(store).policy().VisitStats([&](std::string_view stat, uint64_t value) {
    if (stat == name) found = value;
  });
  return found;
}

TEST(FindPolicy, KnowsNoOtherNames) {
  EXPECT_EQ(FindPolicy("lru"), nullptr);
  EXPECT_EQ(FindPolicy("allkeys-lr"), nullptr);
  EXPECT_EQ(FindPolicy(""), nullptr);
}

TEST(NoEviction, KeepsIdleTimes) {
  FakeStore store = MakeStore("noeviction");
  store.now_ms = 1'000;
  store.Insert(1);
  store.now_ms = 66'500;
  EXPECT_EQ(store.policy().IdleMs(store.entry(1).word, store.now_ms) / 1000, 65);
  EXPECT_EQ(store.policy().Frequency(store.entry(1).word, store.now_ms), -1);
  store.policy().SetIdleSeconds(store.entry(1).word, 1'000, store.now_ms);
  EXPECT_EQ(store.policy().IdleMs(store.entry(1).word, store.now_ms) / 1000, 1'000);
  EXPECT_EQ(store.EvictOne(), FakeStore::kNothing);
}

TEST(AccessClock, MeasuresIdleTimeAcrossAWrapOfTheClock) {
  FakeStore store = MakeStore("allkeys-lru");
  store.now_ms = ~0u - 4'999;
  store.Insert(1);
  store.now_ms = 5'000;
  EXPECT_EQ(store.policy().IdleMs(store.entry(1).word, store.now_ms) / 1000, 10);
}

TEST(Lru, EvictsFromTheIdlestTenth) {
  FakeStore store = MakeStore("allkeys-lru");
  for (uint64_t key = 0; key < 10'000; ++key, ++store.now_ms) store.Insert(key);
  uint64_t sum = 0;
  for (int i = 0; i < 1'000; ++i) sum += store.EvictOne();
  // Exact LRU would give a mean of 500, random choice 5,000.
  EXPECT_LT(sum / 1'000, 1'000u);
}

TEST(Lru, SparesACandidateThatWasReadAfterItWasSampled) {
  FakeStore store = MakeStore("allkeys-lru");
  for (uint64_t key = 0; key < 10; ++key, ++store.now_ms) store.Insert(key);
  Resident first;
  ASSERT_TRUE(store.policy().PickVictim(store, store.now_ms, &first));
  for (uint64_t key = 0; key < 9; ++key) {
    ++store.now_ms;
    store.Hit(key);
  }
  for (int i = 0; i < 5; ++i) {
    Resident second;
    ASSERT_TRUE(store.policy().PickVictim(store, store.now_ms, &second));
    if (static_cast<FakeStore::Entry*>(second.handle)->key == 9) return;
  }
  FAIL() << "the only key that stayed idle was not picked";
}

TEST(Lru, TakesTheIdleTimeARestoreSets) {
  FakeStore store = MakeStore("allkeys-lru");
  store.now_ms = 10'000'000;
  store.Insert(1);
  store.Insert(2);
  store.policy().SetIdleSeconds(store.entry(2).word, 500, store.now_ms);
  EXPECT_EQ(store.EvictOne(), 2u);
}

TEST(VolatileLru, ForgetsACandidateThatLostItsDeadline) {
  FakeStore store = MakeStore("volatile-lru");
  for (uint64_t key = 0; key < 4; ++key, ++store.now_ms) store.Insert(key, 1, 10'000);
  Resident victim;
  for (int pick = 0; pick < 20; ++pick) {
    ASSERT_TRUE(store.policy().PickVictim(store, store.now_ms, &victim));
  }
  for (uint64_t key = 0; key < 3; ++key) store.Persist(key);
  EXPECT_EQ(store.EvictOne(), 3u);
  EXPECT_EQ(store.EvictOne(), FakeStore::kNothing);
}

TEST(Lfu, StartsKeysAtFiveAndCountsLogarithmically) {
  FakeStore store = MakeStore("allkeys-lfu");
  store.Insert(1);
  const auto frequency = [&] {
    return store.policy().Frequency(store.entry(1).word, store.now_ms);
  };
  EXPECT_EQ(frequency(), 5);
  store.Hit(1);
  EXPECT_EQ(frequency(), 6) << "the first hit always counts";
  for (int hit = 0; hit < 1'000; ++hit) store.Hit(1);
  // Redis documents 18 after a thousand hits with the default factor of ten.
  EXPECT_NEAR(static_cast<double>(frequency()), 18, 7);
  for (int hit = 0; hit < 3'000'000; ++hit) store.Hit(1);
  EXPECT_EQ(frequency(), 255);
}

TEST(Lfu, LosesOneForEachIdleMinute) {
  FakeStore store = MakeStore("allkeys-lfu");
  store.now_ms = ~0u - 60'000;  // the clock wraps under way
  store.Insert(1);
  store.policy().SetFrequency(store.entry(1).word, 100, store.now_ms);
  const Word word = store.entry(1).word;
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms + 59'000), 100);
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms + 61'000), 99);
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms + 10 * 60'500), 90);
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms + 200 * 60'000), 0);
}

TEST(Lfu, CountsAndDecaysAsTuned) {
  FakeStore store = MakeStore("allkeys-lfu");
  store.policy().SetTuning({.lfu_log_factor = 0, .lfu_decay_ms = 5 * 60'000});
  store.Insert(1);
  for (int hit = 0; hit < 100; ++hit) store.Hit(1);
  const Word word = store.entry(1).word;
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms), 105);
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms + 4 * 60'000), 105);
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms + 6 * 60'000), 104);
  store.policy().SetTuning({.lfu_decay_ms = 0});
  EXPECT_EQ(store.policy().Frequency(word, store.now_ms + 600 * 60'000), 105);
}

// More samples come closer to the true order.
TEST(Lru, MoreSamplesFindOlderKeys) {
  const auto mean_of_victims = [](size_t samples) {
    FakeStore store = MakeStore("allkeys-lru");
    store.policy().SetTuning({.samples = samples});
    for (uint64_t key = 0; key < 1'000; ++key, ++store.now_ms) store.Insert(key);
    double sum = 0;
    for (int i = 0; i < 100; ++i) sum += static_cast<double>(store.EvictOne());
    return sum / 100;
  };
  EXPECT_LT(mean_of_victims(32), mean_of_victims(1) / 2);
}

TEST(Lfu, EvictsTheLeastFrequentKey) {
  FakeStore store = MakeStore("allkeys-lfu");
  for (uint64_t key = 0; key < 8; ++key) store.Insert(key);
  for (uint64_t key = 0; key < 8; ++key) {
    store.policy().SetFrequency(store.entry(key).word, key == 3 ? 10 : 20, store.now_ms);
  }
  size_t right = 0;
  for (int i = 0; i < 20; ++i) {
    Resident victim;
    ASSERT_TRUE(store.policy().PickVictim(store, store.now_ms, &victim));
    right += static_cast<FakeStore::Entry*>(victim.handle)->key == 3;
  }
  EXPECT_GE(right, 10u);
}

TEST(VolatileTtl, EvictsTheKeyNearestToItsDeadline) {
  FakeStore store = MakeStore("volatile-ttl");
  store.Insert(1, 1, 5'000);
  store.Insert(2, 1, 3'000);
  store.Insert(3, 1, 4'000);
  store.Insert(4);
  EXPECT_EQ(store.EvictOne(), 2u);
  EXPECT_EQ(store.EvictOne(), 3u);
  EXPECT_EQ(store.EvictOne(), 1u);
  EXPECT_EQ(store.EvictOne(), FakeStore::kNothing);
}

TEST(Sieve, EvictsTheOldestUnreadKeyAndKeepsThePlaceOfReadOnes) {
  FakeStore store = MakeStore("sieve");
  for (uint64_t key = 0; key < 6; ++key) store.Insert(key);
  store.Hit(0);
  store.Hit(1);
  store.Hit(3);
  EXPECT_EQ(store.EvictOne(), 2u);
  EXPECT_EQ(store.EvictOne(), 4u);
  // The hand goes on to the newest key before it comes back to those it spared.
  EXPECT_EQ(store.EvictOne(), 5u);
  EXPECT_EQ(store.EvictOne(), 0u);
  EXPECT_EQ(store.EvictOne(), 1u);
  EXPECT_EQ(store.EvictOne(), 3u);
}

TEST(Sieve, ExaminesNewcomersBeforeItReturnsToTheProven) {
  FakeStore store = MakeStore("sieve");
  for (uint64_t key = 0; key < 5; ++key) store.Insert(key);
  for (uint64_t key = 0; key < 3; ++key) store.Hit(key);
  EXPECT_EQ(store.EvictOne(), 3u);
  store.Insert(10);
  EXPECT_EQ(store.EvictOne(), 4u);
  EXPECT_EQ(store.EvictOne(), 10u);
}

TEST(Sieve, StartsAnewAtTheOldestAfterEvictingTheNewest) {
  FakeStore store = MakeStore("sieve");
  for (uint64_t key = 0; key < 4; ++key) store.Insert(key);
  for (uint64_t key = 0; key < 3; ++key) store.Hit(key);
  EXPECT_EQ(store.EvictOne(), 3u);
  store.Insert(10);
  EXPECT_EQ(store.EvictOne(), 0u);
}

TEST(S3Fifo, EvictsOneHitWondersFirst) {
  FakeStore store = MakeStore("s3-fifo");
  constexpr uint64_t kCapacity = 1'000;
  for (int round = 0; round < 4; ++round) {
    for (uint64_t key = 0; key < 500; ++key) store.Access(key, kCapacity);
  }
  for (uint64_t key = 10'000; key < 20'000; ++key) store.Access(key, kCapacity);
  size_t kept = 0;
  for (uint64_t key = 0; key < 500; ++key) kept += store.Contains(key);
  EXPECT_GE(kept, 495u) << "the ghost may mistake a few";
}

// A store full of keys read once, of which 110 is the one that was evicted last or nearly so;
// returns the oldest key of the main queue.
uint64_t FillAndFindOldest(FakeStore& store, uint64_t capacity) {
  for (uint64_t key = 0; key < 150; ++key) store.Access(key, capacity);
  uint64_t oldest = 0;
  while (!store.Contains(oldest)) ++oldest;
  return oldest;
}

TEST(S3Fifo, PromotesAKeyThatReturnsSoonAfterItLeft) {
  FakeStore store = MakeStore("s3-fifo");
  constexpr uint64_t kCapacity = 100;
  const uint64_t oldest = FillAndFindOldest(store, kCapacity);
  ASSERT_FALSE(store.Contains(110));
  store.Access(110, kCapacity);
  EXPECT_EQ(Stat(store, "ghost_hits"), 1u);
  for (uint64_t key = 1'000; key < 1'050; ++key) store.Access(key, kCapacity);
  EXPECT_TRUE(store.Contains(110));
  EXPECT_FALSE(store.Contains(oldest)) << "it was idle, so it made way";
}

TEST(S3Fifo, LetsTheOldestMainKeyStayWhenItWasRead) {
  FakeStore store = MakeStore("s3-fifo");
  constexpr uint64_t kCapacity = 100;
  const uint64_t oldest = FillAndFindOldest(store, kCapacity);
  store.Hit(oldest);
  store.Access(110, kCapacity);
  for (uint64_t key = 1'000; key < 1'050; ++key) store.Access(key, kCapacity);
  EXPECT_EQ(Stat(store, "ghost_hits_lost"), 1u);
  EXPECT_TRUE(store.Contains(oldest));
  EXPECT_FALSE(store.Contains(110));
}

TEST(S3Fifo, HitsInALoopLargerThanTheCache) {
  constexpr uint64_t kKeys = 1'000;
  for (const uint64_t capacity : {100, 300, 500, 550, 600, 700, 900}) {
    FakeStore store = MakeStore("s3-fifo");
    uint64_t hits = 0;
    for (int round = 0; round < 100; ++round) {
      for (uint64_t key = 0; key < kKeys; ++key) hits += store.Access(key, capacity);
    }
    // The best that any policy can do is capacity / kKeys.
    const double ratio = static_cast<double>(hits) / (100.0 * kKeys);
    EXPECT_GT(ratio, 0.85 * static_cast<double>(capacity) / kKeys) << "capacity " << capacity;
  }
}

TEST(S3Fifo, FollowsAChangeOfTheWorkingSet) {
  FakeStore store = MakeStore("s3-fifo");
  base::Rng rng(3);
  constexpr uint64_t kCapacity = 1'000;
  for (int request = 0; request < 100'000; ++request) store.Access(rng.Below(800), kCapacity);
  uint64_t hits = 0;
  for (int request = 0; request < 20'000; ++request) {
    hits += store.Access(10'000 + rng.Below(800), kCapacity);
  }
  EXPECT_GT(hits, 18'000u);
}

TEST(S3Fifo, DoesNotTakeADeletedKeyForOneItEvicted) {
  FakeStore store = MakeStore("s3-fifo");
  for (uint64_t key = 0; key < 150; ++key) store.Access(key, 100);
  ASSERT_TRUE(store.Contains(149));
  store.Remove(149, RemoveCause::kDeleted);
  store.Access(149, 100);
  EXPECT_EQ(Stat(store, "ghost_hits"), 0u);
}

TEST(S3Fifo, WeighsItsQueuesByBytes) {
  FakeStore store = MakeStore("s3-fifo");
  base::Rng rng(7);
  constexpr uint64_t kCapacity = 50'000'000;
  for (int request = 0; request < 50'000; ++request) {
    const uint64_t key = rng.Below(1 + rng.Below(20'000));
    store.Access(key, kCapacity, static_cast<uint32_t>(1 + key * 7919 % 100'000));
  }
  const double share =
      static_cast<double>(Stat(store, "small_bytes")) / static_cast<double>(kCapacity);
  EXPECT_NEAR(share, 0.1, 0.02);
}

}  // namespace
}  // namespace terrace::eviction
