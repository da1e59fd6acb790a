#include "keyspace/table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "base/hash.h"

namespace terrace::keyspace {
namespace {

constexpr uint64_t kHashSeed = 7;

uint32_t HashOf(std::string_view key) {
  return static_cast<uint32_t>(base::HashBytes(key, kHashSeed));
}

class TableTest : public testing::Test {
 protected:
  ~TableTest() override {
    for (auto& [key, entry] : model_) Entry::Free(entry);
  }
  void Add(const std::string& key) {
    EntrySpec spec;
    spec.key = key;
    spec.string = "value";
    Entry* entry = Entry::New(spec);
    table_.Insert(entry, HashOf(key));
    model_[key] = entry;
  }
  void Remove(const std::string& key) {
    table_.Erase(table_.FindSlot(key, HashOf(key)), HashOf(key));
    Entry::Free(model_[key]);
    model_.erase(key);
  }
  // One full scan; change runs between the steps.
  std::multiset<std::string> ScanAll(const std::function<void()>& change) {
    std::multiset<std::string> seen;
    uint32_t cursor = 0;
    do {
      cursor = table_.Scan(cursor, [&](Entry* e) { seen.insert(std::string(e->key())); });
      change();
    } while (cursor != 0);
    return seen;
  }

  Table table_{kHashSeed};
  std::map<std::string, Entry*> model_;
};

TEST_F(TableTest, AgreesWithAMapUnderRandomInsertsAndErases) {
  const uint64_t seed = testing::UnitTest::GetInstance()->random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  for (int round = 0; round < 60000; ++round) {
    const std::string key = "key:" + std::to_string(rng.Below(round < 30000 ? 20000 : 3000));
    if (model_.count(key) == 0) {
      EXPECT_EQ(table_.Find(key, HashOf(key)), nullptr);
      if (rng.Below(10) < (round < 30000 ? 9u : 2u)) Add(key);
    } else {
      EXPECT_EQ(table_.Find(key, HashOf(key)), model_[key]);
      if (rng.Below(10) < (round < 30000 ? 2u : 9u)) Remove(key);
    }
    if (round % 5000 == 0) table_.SelfCheck();
  }
  EXPECT_EQ(table_.size(), model_.size());
  while (!model_.empty()) Remove(model_.begin()->first);
  table_.SelfCheck();
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(TableTest, AScanMeetsEveryKeyOnceWhenNothingChanges) {
  for (int i = 0; i < 5000; ++i) Add(std::to_string(i));
  const auto seen = ScanAll([] {});
  EXPECT_EQ(seen.size(), 5000u);
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 5000u);
}

TEST_F(TableTest, AScanMeetsEveryLastingKeyWhileTheTableGrows) {
  for (int i = 0; i < 1000; ++i) Add("lasting:" + std::to_string(i));
  int added = 0;
  const auto seen = ScanAll([&] {
    for (int i = 0; i < 40 && added < 40000; ++i) Add("new:" + std::to_string(added++));
  });
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.count("lasting:" + std::to_string(i)) >= 1);
}

TEST_F(TableTest, AScanMeetsEveryLastingKeyWhileTheTableShrinks) {
  for (int i = 0; i < 1000; ++i) Add("lasting:" + std::to_string(i));
  for (int i = 0; i < 30000; ++i) Add("passing:" + std::to_string(i));
  int removed = 0;
  const auto seen = ScanAll([&] {
    for (int i = 0; i < 20 && removed < 30000; ++i) Remove("passing:" + std::to_string(removed++));
  });
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.count("lasting:" + std::to_string(i)) >= 1);
}

TEST_F(TableTest, CostsAboutElevenBytesAKeyAtEverySize) {
  int added = 0;
  for (const int size : {1000, 3000, 9000, 20000, 33000, 50000, 70000}) {
    while (added < size) Add(std::to_string(added++));
    EXPECT_LT(static_cast<double>(table_.bytes()) / size, 12.0) << size;
  }
}

TEST_F(TableTest, EveryKeyCanBeDrawnAtRandom) {
  for (int i = 0; i < 50; ++i) Add(std::to_string(i));
  base::Rng rng(1);
  std::set<Entry*> drawn;
  for (int i = 0; i < 5000; ++i) drawn.insert(table_.Random(rng));
  EXPECT_EQ(drawn.size(), 50u);
}

}  // namespace
}  // namespace terrace::keyspace
