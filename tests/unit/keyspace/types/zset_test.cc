#include "keyspace/types/zset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

using Ranking = std::set<std::pair<double, std::string>>;

std::vector<std::pair<double, std::string>> Upwards(const Zset& zset, size_t rank, size_t count) {
  std::vector<std::pair<double, std::string>> items;
  zset.VisitUp(rank, count,
               [&](const Zset::Entry& entry) { items.emplace_back(entry.score, entry.member); });
  return items;
}

std::vector<std::pair<double, std::string>> Downwards(const Zset& zset, size_t rank, size_t count) {
  std::vector<std::pair<double, std::string>> items;
  zset.VisitDown(rank, count,
                 [&](const Zset::Entry& entry) { items.emplace_back(entry.score, entry.member); });
  return items;
}

TEST(ZsetTest, StaysAListpackUpToItsLimits) {
  const EncodingLimits limits;
  Zset zset;
  for (int i = 0; i < 128; ++i) {
    EXPECT_EQ(zset.Set(std::to_string(i), i, limits), Zset::SetResult::kAdded);
  }
  EXPECT_EQ(zset.encoding(), "listpack");
  EXPECT_EQ(zset.Set("5", 6.5, limits), Zset::SetResult::kUpdated);
  EXPECT_EQ(zset.Set("5", 6.5, limits), Zset::SetResult::kUnchanged);
  EXPECT_EQ(zset.encoding(), "listpack");
  EXPECT_EQ(zset.Set("128", 128, limits), Zset::SetResult::kAdded);
  EXPECT_EQ(zset.encoding(), "skiplist");
  EXPECT_EQ(zset.Score("5"), 6.5);
  EXPECT_EQ(zset.Rank("6"), 5u);
  EXPECT_EQ(zset.Rank("5"), 6u);

  Zset with_long;
  with_long.Set(std::string(64, 'm'), 1, limits);
  EXPECT_EQ(with_long.encoding(), "listpack");
  with_long.Set(std::string(65, 'm'), 1, limits);
  EXPECT_EQ(with_long.encoding(), "skiplist");
}

TEST(ZsetTest, PacksWhatIsWithinTheLimits) {
  const EncodingLimits limits;
  Zset zset;
  zset.Reserve(1000, limits);
  for (int i = 0; i < 129; ++i) zset.Set(std::to_string(i), -i / 2.0, limits);
  zset.Pack(limits);
  EXPECT_EQ(zset.encoding(), "skiplist");
  const auto all = Upwards(zset, 1, 128);
  zset.Remove("128");
  zset.Pack(limits);
  EXPECT_EQ(zset.encoding(), "listpack");
  EXPECT_EQ(Upwards(zset, 0, 128), all);
  EXPECT_EQ(zset.Rank("0"), 127u);
  Zset with_long;
  with_long.Set(std::string(65, 'm'), 1, limits);
  with_long.Pack(limits);
  EXPECT_EQ(with_long.encoding(), "skiplist");
}

TEST(ZsetTest, BehavesLikeAnOrderedSetInEveryEncoding) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    base::Rng rng(seed);
    EncodingLimits limits;
    limits.hash_seed = rng.Next();
    Zset zset;
    std::map<std::string, double> scores;
    Ranking ranking;
    const uint64_t range = seed % 3 == 0 ? 100 : 4000;
    const uint64_t score_range = 1 + rng.Below(1000);
    for (int step = 0; step < 6000; ++step) {
      const std::string member = "m" + std::to_string(rng.Below(range));
      const auto known = scores.find(member);
      const uint64_t phase = static_cast<uint64_t>(step) / 2000;  // grow, stay, shrink
      if (rng.Below(10) < (phase == 0 ? 9u : phase == 1 ? 5u : 2u)) {
        double score = static_cast<double>(rng.Below(score_range)) / 4;
        if (rng.Below(100) == 0) score = rng.Below(2) == 0 ? INFINITY : -INFINITY;
        const auto result = zset.Set(member, score, limits);
        if (known == scores.end()) {
          EXPECT_EQ(result, Zset::SetResult::kAdded);
        } else {
          EXPECT_EQ(result, known->second == score ? Zset::SetResult::kUnchanged
                                                   : Zset::SetResult::kUpdated);
          ranking.erase({known->second, member});
        }
        scores[member] = score;
        ranking.emplace(score, member);
      } else {
        EXPECT_EQ(zset.Remove(member), known != scores.end());
        if (known != scores.end()) {
          ranking.erase({known->second, member});
          scores.erase(known);
        }
      }
      ASSERT_EQ(zset.size(), scores.size());
    }
    const std::vector<std::pair<double, std::string>> sorted(ranking.begin(), ranking.end());
    EXPECT_EQ(Upwards(zset, 0, zset.size()), sorted);
    if (!sorted.empty()) {
      EXPECT_EQ(Downwards(zset, sorted.size() - 1, sorted.size()),
                std::vector(sorted.rbegin(), sorted.rend()));
    }
    for (size_t rank = 0; rank < sorted.size(); ++rank) {
      ASSERT_EQ(zset.Rank(sorted[rank].second), rank);
      ASSERT_EQ(zset.Score(sorted[rank].second), sorted[rank].first);
      base::Int64Text buffer;
      ASSERT_EQ(zset.At(rank, buffer).member, sorted[rank].second);
    }
    for (int i = 0; i < 50; ++i) {
      const double bound = static_cast<double>(rng.Below(score_range)) / 4;
      const auto below = [&](auto compare) {
        return static_cast<size_t>(std::count_if(sorted.begin(), sorted.end(), compare));
      };
      EXPECT_EQ(zset.CountBelow(bound, Zset::Bound::kExclusive),
                below([&](const auto& item) { return item.first < bound; }));
      EXPECT_EQ(zset.CountBelow(bound, Zset::Bound::kInclusive),
                below([&](const auto& item) { return item.first <= bound; }));
    }
    const auto copy = zset.Clone();
    EXPECT_EQ(Upwards(static_cast<Zset&>(*copy), 0, copy->size()), sorted);
    std::map<std::string, double> scanned;
    uint64_t cursor = 0;
    do {
      cursor = zset.Scan(cursor, [&](const Zset::Entry& entry) {
        scanned[std::string(entry.member)] = entry.score;
      });
    } while (cursor != 0);
    EXPECT_EQ(scanned, scores);
    if (sorted.size() > 3) {
      const size_t rank = rng.Below(sorted.size());
      const size_t count = rng.Below(sorted.size() - rank);
      zset.RemoveRange(rank, count);
      auto rest = sorted;
      rest.erase(rest.begin() + static_cast<long>(rank),
                 rest.begin() + static_cast<long>(rank + count));
      EXPECT_EQ(Upwards(zset, 0, zset.size()), rest);
    }
  }
}

TEST(ZsetTest, CountsByMemberWhenScoresAreEqual) {
  const EncodingLimits limits;
  for (const int size : {50, 500}) {
    Zset zset;
    std::set<std::string> model;
    for (int i = 0; i < size; ++i) {
      zset.Set(std::to_string(i), 0, limits);
      model.insert(std::to_string(i));
    }
    for (const char* text : {"", "0", "1", "17", "42", "420", "5x", "9", "99", "z"}) {
      const auto exclusive = std::distance(model.begin(), model.lower_bound(text));
      const auto inclusive = std::distance(model.begin(), model.upper_bound(text));
      EXPECT_EQ(zset.CountBelow(text, Zset::Bound::kExclusive), static_cast<size_t>(exclusive));
      EXPECT_EQ(zset.CountBelow(text, Zset::Bound::kInclusive), static_cast<size_t>(inclusive));
    }
  }
}

TEST(ZsetTest, BytesFollowTheContents) {
  EncodingLimits limits;
  Zset zset;
  const size_t empty_bytes = zset.bytes();
  for (int i = 0; i < 10000; ++i) {
    zset.Set("member-" + std::to_string(i), (i * 7919) % 10007, limits);
  }
  EXPECT_LT(zset.bytes(), 10000u * (32 + 14 + 30));
  for (int i = 0; i < 10000; ++i) zset.Remove("member-" + std::to_string(i));
  EXPECT_LT(zset.bytes(), empty_bytes + 2048);
}

TEST(ZsetTest, RecognisesBadForeignListpacks) {
  Listpack pack;
  pack.Append("a");
  EXPECT_FALSE(Zset::IsOrdered(pack));
  pack.Append("1.5");
  EXPECT_TRUE(Zset::IsOrdered(pack));
  pack.Append("b");
  pack.Append("-inf");
  EXPECT_FALSE(Zset::IsOrdered(pack));
  pack.Replace(pack.Last(), "not a number");
  EXPECT_FALSE(Zset::IsOrdered(pack));
  pack.Replace(pack.Last(), "inf");
  EXPECT_TRUE(Zset::IsOrdered(pack));
  pack.Append("a");
  pack.Append("inf");
  EXPECT_FALSE(Zset::IsOrdered(pack));
}

class ScoreTreeTest : public ::testing::Test {
 protected:
  ~ScoreTreeTest() override {
    for (const auto& [score, record] : items_) ZsetRecord::Free(record);
  }
  void Insert(double score) {
    ZsetRecord* const record = ZsetRecord::New(std::to_string(score), score);
    tree_.Insert({score, record});
    items_[score] = record;
  }
  void Erase(double score) {
    const auto found = items_.find(score);
    tree_.Erase({score, found->second});
    ZsetRecord::Free(found->second);
    items_.erase(found);
  }
  void Check() {
    tree_.CheckInvariants();
    ASSERT_EQ(tree_.size(), items_.size());
    auto expected = items_.begin();
    tree_.VisitUp(0, tree_.size(), [&](const ScoreTree::Item& item) {
      EXPECT_EQ(item.record, (expected++)->second);
    });
  }

  ScoreTree tree_;
  std::map<double, ZsetRecord*> items_;
};

TEST_F(ScoreTreeTest, RisingScoresFillTheLeaves) {
  for (int i = 0; i < 20000; ++i) Insert(i);
  Check();
  EXPECT_LT(tree_.heap_bytes(), 20000u * 18);
  while (!items_.empty()) Erase(items_.begin()->first);
  Check();
}

TEST_F(ScoreTreeTest, FallingScoresFillTheLeaves) {
  for (int i = 0; i < 20000; ++i) Insert(-i);
  Check();
  EXPECT_LT(tree_.heap_bytes(), 20000u * 18);
  while (!items_.empty()) Erase(items_.rbegin()->first);
  Check();
}

TEST_F(ScoreTreeTest, KeepsItsShapeThroughRandomWaves) {
  const uint64_t seed = 31337;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  base::Rng rng(seed);
  for (const size_t target : {1, 100, 10000, 70, 30000, 5000, 200, 0, 500, 0}) {
    while (items_.size() < target) {
      const auto score = static_cast<double>(rng.Below(1 << 24));
      if (items_.count(score) == 0) Insert(score);
    }
    while (items_.size() > target) {
      // Runs of neighbours, so that whole subtrees empty.
      auto from = items_.lower_bound(static_cast<double>(rng.Below(1 << 24)));
      for (uint64_t run = rng.Below(300); run > 0 && from != items_.end(); --run) {
        if (items_.size() <= target) break;
        const double score = (from++)->first;
        Erase(score);
        if (items_.size() % 97 == 0) tree_.CheckInvariants();
      }
    }
    Check();
  }
}

TEST_F(ScoreTreeTest, UpdatesMoveItems) {
  base::Rng rng(8);
  for (int i = 0; i < 3000; ++i) Insert(i);
  for (int i = 0; i < 20000; ++i) {
    auto from = items_.lower_bound(static_cast<double>(rng.Below(3000)));
    if (from == items_.end()) continue;
    const double old_score = from->first;
    ZsetRecord* const record = from->second;
    const double new_score = rng.Below(2) == 0
                                 ? old_score + 0.001 * static_cast<double>(rng.Below(500))
                                 : rng.Unit() * 3000;
    if (items_.count(new_score) != 0) continue;
    tree_.Update({old_score, record}, new_score);
    items_.erase(from);
    items_[new_score] = record;
  }
  Check();
}

}  // namespace
}  // namespace terrace::keyspace
