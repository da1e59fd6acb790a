#include "keyspace/types/hash.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

constexpr int64_t kNowMs = 1000;

std::map<std::string, std::string> Contents(const Hash& hash, int64_t now_ms = kNowMs) {
  std::map<std::string, std::string> pairs;
  hash.ForEach(now_ms, [&](const Hash::Entry& entry) {
    EXPECT_TRUE(pairs.emplace(entry.field, entry.value).second);
  });
  return pairs;
}

std::optional<std::string> Get(const Hash& hash, std::string_view field, int64_t now_ms = kNowMs) {
  base::Int64Text buffer;
  const auto value = hash.Get(field, now_ms, buffer);
  if (!value) return std::nullopt;
  return std::string(*value);
}

TEST(HashTest, StaysAListpackUpToItsLimits) {
  const EncodingLimits limits{.hash_max_listpack_entries = 128};
  Hash hash;
  for (int i = 0; i < 128; ++i) EXPECT_TRUE(hash.Set(std::to_string(i), "v", limits));
  EXPECT_EQ(hash.encoding(), "listpack");
  EXPECT_FALSE(hash.Set("1", std::string(64, 'v'), limits));
  EXPECT_EQ(hash.encoding(), "listpack");
  EXPECT_TRUE(hash.Set("128", "v", limits));
  EXPECT_EQ(hash.encoding(), "hashtable");
  EXPECT_EQ(hash.size(), 129u);
  EXPECT_EQ(Get(hash, "1"), std::string(64, 'v'));

  Hash long_value;
  long_value.Set("f", std::string(65, 'v'), limits);
  EXPECT_EQ(long_value.encoding(), "hashtable");
  Hash long_field;
  long_field.Set(std::string(65, 'f'), "v", limits);
  EXPECT_EQ(long_field.encoding(), "hashtable");
  Hash reserved;
  reserved.Reserve(128, limits);
  EXPECT_EQ(reserved.encoding(), "listpack");
  reserved.Reserve(129, limits);
  EXPECT_EQ(reserved.encoding(), "hashtable");
}

TEST(HashTest, BecomesATableWhenAFieldChangesUnderALoweredLimit) {
  Hash hash;
  for (const char* field : {"a", "b", "c"}) hash.Set(field, "1", EncodingLimits{});
  const EncodingLimits lowered{.hash_max_listpack_entries = 2};
  EXPECT_FALSE(hash.Set("b", "2", lowered));
  EXPECT_EQ(hash.encoding(), "hashtable");
  EXPECT_EQ(Get(hash, "b"), "2");
}

TEST(HashTest, ValuesThatLookLikeFieldsAreNotFound) {
  const EncodingLimits limits;
  Hash hash;
  hash.Set("a", "b", limits);
  hash.Set("c", "a", limits);
  EXPECT_EQ(Get(hash, "b"), std::nullopt);
  EXPECT_EQ(Get(hash, "a"), "b");
}

// What a hash with deadlines should hold.
struct HashModel {
  struct Cell {
    std::string value;
    int64_t deadline_ms;
  };
  std::map<std::string, Cell> cells;

  std::map<std::string, std::string> Live(int64_t now_ms) const {
    std::map<std::string, std::string> live;
    for (const auto& [field, cell] : cells) {
      if (cell.deadline_ms == Hash::kNoDeadline || cell.deadline_ms > now_ms) {
        live[field] = cell.value;
      }
    }
    return live;
  }
  int64_t Next() const {
    int64_t next = Hash::kNoDeadline;
    for (const auto& [field, cell] : cells) {
      if (cell.deadline_ms == Hash::kNoDeadline) continue;
      if (next == Hash::kNoDeadline || cell.deadline_ms < next) next = cell.deadline_ms;
    }
    return next;
  }
};

void RunAgainstModel(uint64_t seed, bool with_deadlines) {
  SCOPED_TRACE(::testing::Message() << "seed " << seed << " deadlines " << with_deadlines);
  base::Rng rng(seed);
  EncodingLimits limits{.hash_max_listpack_entries = 128};
  limits.hash_seed = rng.Next();
  Hash hash;
  HashModel model;
  int64_t now_ms = kNowMs;
  const uint64_t range = 1 + rng.Below(300);
  for (int step = 0; step < 3000; ++step) {
    std::string field = std::to_string(rng.Below(range));
    if (rng.Below(2) == 0) field = "field:" + field;
    const auto cell = model.cells.find(field);
    switch (rng.Below(with_deadlines ? 8 : 4)) {
      case 0:
      case 1: {
        const std::string value = rng.Below(3) == 0 ? std::to_string(rng.Next() >> rng.Below(64))
                                                    : std::string(rng.Below(60), 'v');
        const auto keep = rng.Below(2) == 0 ? Hash::Deadlines::kKeep : Hash::Deadlines::kClear;
        EXPECT_EQ(hash.Set(field, value, limits, keep), cell == model.cells.end());
        int64_t deadline_ms = Hash::kNoDeadline;
        if (cell != model.cells.end() && keep == Hash::Deadlines::kKeep) {
          deadline_ms = cell->second.deadline_ms;
        }
        model.cells[field] = {value, deadline_ms};
        break;
      }
      case 2:
        EXPECT_EQ(hash.Remove(field), model.cells.erase(field) == 1);
        break;
      case 3: {
        const auto live = model.Live(now_ms);
        const auto expected = live.find(field);
        EXPECT_EQ(Get(hash, field, now_ms),
                  expected == live.end() ? std::nullopt : std::optional(expected->second));
        EXPECT_EQ(hash.Contains(field, now_ms), expected != live.end());
        break;
      }
      case 4:
      case 5: {
        const int64_t deadline_ms = now_ms + 1 + static_cast<int64_t>(rng.Below(500));
        EXPECT_EQ(hash.SetDeadline(field, deadline_ms), cell != model.cells.end());
        if (cell != model.cells.end()) cell->second.deadline_ms = deadline_ms;
        break;
      }
      case 6:
        EXPECT_EQ(hash.SetDeadline(field, Hash::kNoDeadline), cell != model.cells.end());
        if (cell != model.cells.end()) cell->second.deadline_ms = Hash::kNoDeadline;
        break;
      default: {
        now_ms += static_cast<int64_t>(rng.Below(20));
        if (rng.Below(4) != 0) break;
        const size_t dead = model.cells.size() - model.Live(now_ms).size();
        const size_t count_max = rng.Below(10);
        int64_t last = 0;
        const size_t removed = hash.RemoveExpired(now_ms, count_max, [&](std::string_view gone) {
          const auto found = model.cells.find(std::string(gone));
          ASSERT_NE(found, model.cells.end());
          EXPECT_LE(last, found->second.deadline_ms);
          last = found->second.deadline_ms;
          EXPECT_LE(last, now_ms);
          model.cells.erase(found);
        });
        EXPECT_EQ(removed, std::min(dead, count_max));
      }
    }
    ASSERT_EQ(hash.size(), model.cells.size());
    ASSERT_EQ(hash.NextDeadline(), model.Next());
  }
  EXPECT_EQ(Contents(hash, now_ms), model.Live(now_ms));
  const auto copy = hash.Clone();
  EXPECT_EQ(Contents(static_cast<Hash&>(*copy), now_ms), model.Live(now_ms));
  EXPECT_EQ(static_cast<Hash&>(*copy).NextDeadline(), model.Next());
  EXPECT_EQ(copy->encoding(), hash.encoding());
  std::map<std::string, std::string> scanned;
  uint64_t cursor = 0;
  do {
    cursor = hash.Scan(cursor, now_ms, [&](const Hash::Entry& entry) {
      scanned[std::string(entry.field)] = entry.value;
    });
  } while (cursor != 0);
  EXPECT_EQ(scanned, model.Live(now_ms));
  const size_t dead = model.cells.size() - model.Live(now_ms).size();
  EXPECT_EQ(hash.RemoveExpired(now_ms, 100000, [](std::string_view) {}), dead);
}

TEST(HashTest, BehavesLikeAMap) {
  for (uint64_t seed = 1; seed <= 20; ++seed) RunAgainstModel(seed, false);
}

TEST(HashTest, DeadlinesBehaveLikeAMapOfDeadlines) {
  for (uint64_t seed = 101; seed <= 140; ++seed) RunAgainstModel(seed, true);
}

TEST(HashTest, DeadlinesHaveTheirOwnCompactEncoding) {
  const EncodingLimits limits{.hash_max_listpack_entries = 128};
  Hash hash;
  for (int i = 0; i < 128; ++i) hash.Set(std::to_string(i), "v", limits);
  EXPECT_EQ(hash.NextDeadline(), Hash::kNoDeadline);
  EXPECT_TRUE(hash.listpack_bytes());
  EXPECT_TRUE(hash.SetDeadline("5", 2000));
  EXPECT_EQ(hash.encoding(), "listpackex");
  EXPECT_FALSE(hash.listpack_bytes());
  EXPECT_EQ(hash.Deadline("5", kNowMs), 2000);
  EXPECT_EQ(hash.Deadline("5", 2000), std::nullopt);
  EXPECT_EQ(hash.Deadline("6", kNowMs), Hash::kNoDeadline);
  hash.Set("128", "v", limits);
  EXPECT_EQ(hash.encoding(), "hashtable");
  EXPECT_EQ(hash.Deadline("5", kNowMs), 2000);
  EXPECT_EQ(hash.NextDeadline(), 2000);
  EXPECT_EQ(Get(hash, "5", 2000), std::nullopt);
}

TEST(HashTest, ChangingOneDeadlineForeverDoesNotGrowTheIndex) {
  const EncodingLimits limits{.hash_max_listpack_entries = 128};
  Hash hash;
  hash.Reserve(200, limits);
  for (int i = 0; i < 200; ++i) hash.Set(std::to_string(i), "v", limits);
  for (int i = 0; i < 200; ++i) hash.SetDeadline(std::to_string(i), 5000);
  const size_t before = hash.bytes();
  for (int i = 0; i < 100000; ++i) hash.SetDeadline("7", 10000 + i % 10);
  EXPECT_LT(hash.bytes(), before + 200 * 16 * 2 + 2048);
  EXPECT_EQ(hash.NextDeadline(), 5000);
}

TEST(HashTest, RandomFieldsAreUniformInEveryEncoding) {
  const EncodingLimits limits{.hash_max_listpack_entries = 128};
  base::Rng rng(11);
  for (const int size : {100, 200}) {
    Hash hash;
    for (int i = 0; i < size; ++i) hash.Set("f" + std::to_string(i), std::to_string(i), limits);
    std::map<std::string, int> drawn;
    for (int i = 0; i < size * 500; ++i) {
      Hash::Buffers buffers;
      const Hash::Entry entry = hash.Random(rng, buffers);
      EXPECT_EQ("f" + std::string(entry.value), entry.field);
      ++drawn[std::string(entry.field)];
    }
    EXPECT_EQ(drawn.size(), static_cast<size_t>(size));
    for (const auto& [field, count] : drawn) {
      EXPECT_GT(count, 350) << field;
      EXPECT_LT(count, 650) << field;
    }
  }
}

TEST(HashTest, BytesFollowTheContents) {
  const EncodingLimits limits;
  Hash hash;
  const size_t empty_bytes = hash.bytes();
  for (int i = 0; i < 1000; ++i) hash.Set("field-" + std::to_string(i), "0123456789", limits);
  EXPECT_GT(hash.bytes(), 1000u * 32);
  EXPECT_LT(hash.bytes(), 1000u * (32 + 16));
  for (int i = 0; i < 1000; ++i) hash.SetDeadline("field-" + std::to_string(i), 5000);
  EXPECT_LT(hash.bytes(), 1000u * (32 + 16 + 16 + 20));
  for (int i = 0; i < 1000; ++i) hash.Remove("field-" + std::to_string(i));
  EXPECT_LT(hash.bytes(), empty_bytes + 512);
}

TEST(HashTest, RecognisesBadForeignListpacks) {
  Listpack pack;
  pack.Append("1");
  EXPECT_FALSE(Hash::IsDistinct(pack));
  pack.Append("a");
  EXPECT_TRUE(Hash::IsDistinct(pack));
  pack.Append(int64_t{1});
  pack.Append("b");
  EXPECT_FALSE(Hash::IsDistinct(pack));
}

}  // namespace
}  // namespace terrace::keyspace
