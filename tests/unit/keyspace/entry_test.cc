#include "keyspace/entry.h"

#include <gtest/gtest.h>

#include <string>

#include "base/memory.h"
#include "base/rng.h"

namespace terrace::keyspace {
namespace {

TEST(Entry, ASmallKeyCostsOneSizeClassWithAndWithoutADeadline) {
  EntrySpec spec;
  const std::string key(16, 'k'), value(32, 'v');
  spec.key = key;
  spec.string = value;
  EXPECT_EQ(base::AllocationSize(Entry::BytesFor(spec)), 64u);
  spec.deadline_ms = 1700000000000;
  EXPECT_EQ(base::AllocationSize(Entry::BytesFor(spec)), 64u);
}

TEST(Entry, KeepsKeyValueDeadlineAndTierBlockOfEverySize) {
  for (const size_t key_size : {0u, 1u, 254u, 255u, 256u, 70000u}) {
    for (const size_t value_size : {0u, 1u, 254u, 255u, 256u, 4096u}) {
      for (const bool with_deadline : {false, true}) {
        for (const bool with_tier : {false, true}) {
          const std::string key(key_size, 'k'), value(value_size, 'v');
          TierBlock tier;
          tier.route = 12;
          tier.fresh_until_ms = 99;
          EntrySpec spec;
          spec.key = key;
          spec.string = value;
          if (with_deadline) spec.deadline_ms = 1700000000123;
          if (with_tier) spec.tier = &tier;
          Entry* entry = Entry::New(spec);
          EXPECT_EQ(entry->key(), key);
          EXPECT_EQ(entry->string(), value);
          EXPECT_EQ(entry->deadline_ms(), with_deadline ? 1700000000123 : kNoDeadline);
          ASSERT_EQ(entry->has_tier(), with_tier);
          if (with_tier) {
            EXPECT_EQ(entry->tier().route, 12);
          }
          Entry::Free(entry);
        }
      }
    }
  }
}

TEST(Entry, AnOverwriteInPlaceReadsLikeANewEntry) {
  base::Rng rng(3);
  for (int round = 0; round < 20000; ++round) {
    const std::string key(rng.Below(300), 'k'), before(rng.Below(300), 'a'),
        after(rng.Below(300), 'b');
    EntrySpec spec;
    spec.key = key;
    spec.string = before;
    const auto deadline_beyond = [&](int64_t ms) {
      return rng.Below(2) == 0 ? kNoDeadline : rng.Below(2) == 0 ? ms : ms + (int64_t{1} << 48);
    };
    spec.deadline_ms = deadline_beyond(1000);
    Entry* entry = Entry::New(spec);
    const int64_t deadline = deadline_beyond(2000);
    const bool assigned = entry->TryAssignInline(after, deadline);
    EXPECT_EQ(entry->key(), key);
    EXPECT_EQ(entry->string(), assigned ? after : before);
    EXPECT_EQ(entry->deadline_ms(), assigned ? deadline : spec.deadline_ms);
    Entry::Free(entry);
  }
}

// A copy that is fresh until 50, of a key that is there until 100.
Entry* NewCopy() {
  TierBlock tier;
  tier.fresh_until_ms = 50;
  EntrySpec spec;
  spec.key = "k";
  spec.string = "v";
  spec.deadline_ms = 100;
  spec.tier = &tier;
  return Entry::New(spec);
}

TEST(Entry, IsLiveUntilTheEarlierOfDeadlineAndFreshness) {
  Entry* entry = NewCopy();
  EXPECT_TRUE(entry->IsLive(49));
  EXPECT_FALSE(entry->IsLive(50));
  EXPECT_FALSE(entry->IsExpired(99));
  EXPECT_TRUE(entry->IsExpired(100));
  EXPECT_EQ(entry->LiveUntilMs(), 50);
  Entry::Free(entry);
}

TEST(Entry, IsNoCopyAnyMoreOnceItsTierIsVoid) {
  Entry* entry = NewCopy();
  const size_t charge = entry->charge();
  entry->void_tier();
  EXPECT_FALSE(entry->has_tier());
  EXPECT_TRUE(entry->IsLive(99));
  EXPECT_FALSE(entry->IsLive(100));
  EXPECT_EQ(entry->LiveUntilMs(), 100);
  EXPECT_EQ(entry->key(), "k");
  EXPECT_EQ(entry->string(), "v");
  EXPECT_EQ(entry->charge(), charge);
  EXPECT_FALSE(entry->TryAssignInline("w", 100));
  Entry::Free(entry);
}

TEST(AllocationSize, GrowsInJemallocsClasses) {
  EXPECT_EQ(base::AllocationSize(1), 8u);
  EXPECT_EQ(base::AllocationSize(9), 16u);
  EXPECT_EQ(base::AllocationSize(62), 64u);
  EXPECT_EQ(base::AllocationSize(65), 80u);
  EXPECT_EQ(base::AllocationSize(128), 128u);
  EXPECT_EQ(base::AllocationSize(129), 160u);
  EXPECT_EQ(base::AllocationSize(257), 320u);
  EXPECT_EQ(base::AllocationSize(4097), 5120u);
}

}  // namespace
}  // namespace terrace::keyspace
