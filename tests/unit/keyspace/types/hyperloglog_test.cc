#include "keyspace/types/hyperloglog.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "unit/support/redis_server.h"

namespace terrace::keyspace {
namespace {

constexpr size_t kSparseBytesMax = 3000;

TEST(HyperLogLog, CountsNothingAtFirst) {
  const std::string hll = NewHyperLogLog();
  EXPECT_TRUE(IsHyperLogLog(hll));
  EXPECT_EQ(HllCount(hll), 0u);
  EXPECT_EQ(HllCachedCount(hll), 0u);
}

TEST(HyperLogLog, TellsWhetherAnElementIsNewWithoutAddingIt) {
  std::string hll = NewHyperLogLog();
  EXPECT_EQ(HllProbe(hll, "a"), HllUpdate::kChanged);
  EXPECT_EQ(HllAdd(&hll, "a", kSparseBytesMax), HllUpdate::kChanged);
  EXPECT_EQ(HllProbe(hll, "a"), HllUpdate::kUnchanged);
  EXPECT_EQ(HllAdd(&hll, "a", kSparseBytesMax), HllUpdate::kUnchanged);
  ASSERT_TRUE(HllToDense(&hll));
  EXPECT_EQ(HllProbe(hll, "a"), HllUpdate::kUnchanged);
}

TEST(HyperLogLog, MarksTheCachedCountStaleOnlyWhenSomethingChanged) {
  std::string hll = NewHyperLogLog();
  (void)HllAdd(&hll, "a", kSparseBytesMax);
  EXPECT_EQ(HllCachedCount(hll), std::nullopt);
  HllStoreCount(hll, 1);
  (void)HllAdd(&hll, "a", kSparseBytesMax);
  EXPECT_EQ(HllCachedCount(hll), 1u);
}

TEST(HyperLogLog, KnowsItsOwnStringsFromOthers) {
  EXPECT_FALSE(IsHyperLogLog(""));
  EXPECT_FALSE(IsHyperLogLog("HYLL"));
  EXPECT_FALSE(IsHyperLogLog(std::string("HYLX") + std::string(12, '\1')));
  EXPECT_FALSE(IsHyperLogLog(std::string("HYLL\2") + std::string(12, '\0')));
  EXPECT_FALSE(IsHyperLogLog(std::string("HYLL\0", 5) + std::string(kHllDenseSize - 6, '\0')));
  EXPECT_TRUE(IsHyperLogLog(std::string("HYLL\0", 5) + std::string(kHllDenseSize - 5, '\0')));
}

TEST(HyperLogLog, SurvivesEveryDamageToASparseBody) {
  const uint64_t seed = 7;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  HllRegisters registers{};
  for (int round = 0; round < 3000; ++round) {
    std::string hll = NewHyperLogLog();
    hll.resize(kHllHeaderSize + rng.Below(40));
    for (size_t i = kHllHeaderSize; i < hll.size(); ++i) hll[i] = static_cast<char>(rng.Next());
    (void)HllCount(hll);
    (void)HllMergeInto(hll, &registers);
    (void)HllDescribeSparse(hll);
    for (int i = 0; i < 10; ++i) (void)HllAdd(&hll, std::to_string(rng.Next()), kSparseBytesMax);
    (void)HllToDense(&hll);
  }
}

TEST(HyperLogLog, IsCorruptWhenItsRunsDoNotCoverTheRegisters) {
  std::string hll = NewHyperLogLog();
  hll.pop_back();
  EXPECT_EQ(HllCount(hll), std::nullopt);
  EXPECT_EQ(HllAdd(&hll, "a", kSparseBytesMax), HllUpdate::kCorrupt);
  EXPECT_FALSE(HllToDense(&hll));
}

TEST(HyperLogLog, PassesItsSelfTest) {
  const uint64_t seed = 99;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  EXPECT_EQ(HllSelfTest(&rng, kSparseBytesMax, 100'000), "");
}

TEST(HyperLogLog, HasTheBytesAndTheCountsOfRedis) {
  const auto redis = test::RedisServer::Start();
  if (redis == nullptr) GTEST_SKIP() << "no redis-server";
  const uint64_t seed = 20260704;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  std::vector<std::string> mine(3, NewHyperLogLog());
  for (size_t key = 0; key < mine.size(); ++key) {
    const std::string name = "h" + std::to_string(key);
    redis->Call({"PFADD", name});
    HllMarkStale(mine[key]);  // as PFADD does when it creates the key
    const size_t adds = key == 0 ? 300 : key == 1 ? 2000 : 6000;
    for (size_t i = 0; i < adds; ++i) {
      std::string element(rng.Below(30), '\0');
      for (char& byte : element) byte = static_cast<char>(rng.Next());
      const bool changed = HllAdd(&mine[key], element, kSparseBytesMax) == HllUpdate::kChanged;
      ASSERT_EQ(redis->Call({"PFADD", name, element}).text, changed ? "1" : "0");
      if (i % 50 == 0) {
        ASSERT_EQ(redis->Call({"GET", name}).text, mine[key]);
      }
    }
    ASSERT_EQ(redis->Call({"GET", name}).text, mine[key]);
    EXPECT_EQ(redis->Call({"PFCOUNT", name}).text, std::to_string(*HllCount(mine[key])));
    if (EncodingOf(mine[key]) == HllEncoding::kSparse) {
      EXPECT_EQ(redis->Call({"PFDEBUG", "DECODE", name}).text, HllDescribeSparse(mine[key]));
    }
  }
  for (size_t sources = 1; sources <= mine.size(); ++sources) {
    std::vector<std::string> merge = {"PFMERGE", "merged" + std::to_string(sources)};
    std::vector<std::string> count = {"PFCOUNT"};
    HllRegisters registers{};
    std::string merged = NewHyperLogLog();
    for (size_t key = 0; key < sources; ++key) {
      merge.push_back("h" + std::to_string(key));
      count.push_back("h" + std::to_string(key));
      ASSERT_TRUE(HllMergeInto(mine[key], &registers));
      if (EncodingOf(mine[key]) == HllEncoding::kDense) {
        ASSERT_TRUE(HllToDense(&merged));
      }
    }
    ASSERT_TRUE(HllRaise(&merged, registers, kSparseBytesMax));
    redis->Call(merge);
    EXPECT_EQ(redis->Call({"GET", merge[1]}).text, merged);
    if (sources > 1) {
      EXPECT_EQ(redis->Call(count).text, std::to_string(HllCount(registers)));
    }
  }
}

}  // namespace
}  // namespace terrace::keyspace
