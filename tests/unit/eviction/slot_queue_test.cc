#include "eviction/slot_queue.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/rng.h"

namespace terrace::eviction {
namespace {

TEST(SlotQueue, HandsOutSlotsInOrderOfArrival) {
  SlotQueue queue(26);
  for (uint32_t hash = 0; hash < 1'000; ++hash) EXPECT_EQ(queue.Push(hash * 7), hash);
  SlotQueue::Slot slot;
  uint64_t from = 0;
  for (uint32_t hash = 0; hash < 1'000; ++hash, from = slot.number + 1) {
    ASSERT_TRUE(queue.Next(from, &slot));
    EXPECT_EQ(slot.hash, hash * 7);
  }
  EXPECT_FALSE(queue.Next(from, &slot));
}

TEST(SlotQueue, ErasesOnlyTheSlotOfThatHashAndNumber) {
  SlotQueue queue(26);
  const uint32_t number = static_cast<uint32_t>(queue.Push(1));
  EXPECT_FALSE(queue.Erase(2, number));
  EXPECT_FALSE(queue.Erase(1, number + 1));
  EXPECT_TRUE(queue.Erase(1, number));
  EXPECT_FALSE(queue.Erase(1, number));
  EXPECT_EQ(queue.size(), 0u);
}

TEST(SlotQueue, FindsASlotWhoseNumberNoLongerFitsTheWord) {
  constexpr uint32_t kBits = 10;
  SlotQueue queue(kBits);
  const uint64_t old_number = queue.Push(77);
  for (uint32_t hash = 100; hash < 5'000; ++hash) queue.Push(hash);
  EXPECT_TRUE(queue.Erase(77, old_number & 0x3ff));
  EXPECT_TRUE(queue.Erase(4'999, 4'900 & 0x3ff));
  EXPECT_EQ(queue.size(), 4'899u);
}

TEST(SlotQueue, NeverReusesTheNumberOfAnErasedSlot) {
  SlotQueue queue(26);
  const uint64_t first = queue.Push(1);
  ASSERT_TRUE(queue.Erase(1, static_cast<uint32_t>(first)));
  EXPECT_GT(queue.Push(2), first);
}

TEST(SlotQueue, MergesThinNeighboursInOrderAndReportsEachMove) {
  SlotQueue queue(26);
  std::map<uint64_t, uint32_t> hash_of;
  for (uint32_t hash = 0; hash < 256 * 4; ++hash) hash_of[queue.Push(hash)] = hash;
  for (uint32_t hash = 0; hash < 256 * 2; ++hash) {
    if (hash % 16 == 0) continue;
    ASSERT_TRUE(queue.Erase(hash, hash));
    hash_of.erase(hash);
  }
  const size_t before = queue.memory_bytes();
  queue.MergeThinChunks(0, [&](uint32_t hash, uint64_t from, uint64_t to) {
    ASSERT_EQ(hash_of.at(from), hash);
    auto node = hash_of.extract(from);
    node.key() = to;
    ASSERT_TRUE(hash_of.insert(std::move(node)).inserted);
  });
  EXPECT_LT(queue.memory_bytes(), before);
  SlotQueue::Slot slot;
  uint64_t from = 0;
  for (const auto& [number, hash] : hash_of) {
    ASSERT_TRUE(queue.Next(from, &slot));
    EXPECT_EQ(slot.number, number);
    EXPECT_EQ(slot.hash, hash);
    from = number + 1;
  }
  EXPECT_FALSE(queue.Next(from, &slot));
  for (const auto& [number, hash] : hash_of) {
    EXPECT_TRUE(queue.Erase(hash, static_cast<uint32_t>(number)));
  }
  EXPECT_EQ(queue.size(), 0u);
}

TEST(SlotQueue, AgreesWithAPlainListUnderRandomOperations) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  SlotQueue queue(14);
  std::map<uint64_t, uint32_t> expected;
  for (int step = 0; step < 200'000; ++step) {
    const uint64_t push_share = (step / 20'000) % 2 == 0 ? 60 : 40;
    if (rng.Below(100) < push_share) {
      const auto hash = static_cast<uint32_t>(rng.Next());
      expected[queue.Push(hash)] = hash;
    } else if (!expected.empty()) {
      const uint64_t first = expected.begin()->first;
      const uint64_t span = expected.rbegin()->first - first + 1;
      const auto it =
          rng.Below(3) == 0 ? expected.begin() : expected.lower_bound(first + rng.Below(span));
      ASSERT_TRUE(queue.Erase(it->second, it->first & 0x3fff));
      expected.erase(it);
    }
    ASSERT_EQ(queue.size(), expected.size());
    if (step % 1'000 != 0) continue;
    SlotQueue::Slot slot;
    uint64_t from = 0;
    for (const auto& [number, hash] : expected) {
      ASSERT_TRUE(queue.Next(from, &slot));
      ASSERT_EQ(slot.number, number);
      ASSERT_EQ(slot.hash, hash);
      from = number + 1;
    }
    ASSERT_FALSE(queue.Next(from, &slot));
  }
}

}  // namespace
}  // namespace terrace::eviction
