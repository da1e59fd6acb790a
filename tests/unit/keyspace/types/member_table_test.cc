#include "keyspace/types/member_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

struct Word {
  std::string text;
  static std::string_view Key(const Word* word) { return word->text; }
};

class MemberTableTest : public ::testing::Test {
 protected:
  void Add(int number) {
    auto word = std::make_unique<Word>(Word{std::to_string(number)});
    table_.Insert(word.get());
    owned_[number] = std::move(word);
  }
  void Remove(int number) {
    Word* const word = table_.Remove(std::to_string(number));
    ASSERT_EQ(word, owned_.at(number).get());
    owned_.erase(number);
  }

  MemberTable<Word> table_{42};
  std::unordered_map<int, std::unique_ptr<Word>> owned_;
};

TEST_F(MemberTableTest, FindsWhatIsThereThroughGrowthAndShrinking) {
  const uint64_t seed = 99;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  base::Rng rng(seed);
  const size_t empty_bytes = table_.heap_bytes();
  for (const int target : {1, 5, 50, 1000, 30, 5000, 0, 300, 0}) {
    while (static_cast<int>(owned_.size()) < target) {
      const int number = static_cast<int>(rng.Below(1 << 20));
      if (owned_.count(number) == 0) Add(number);
    }
    while (static_cast<int>(owned_.size()) > target) Remove(owned_.begin()->first);
    ASSERT_EQ(table_.size(), owned_.size());
    for (const auto& [number, word] : owned_) {
      const auto slot = table_.Find(word->text);
      ASSERT_TRUE(slot);
      EXPECT_EQ(slot.record(), word.get());
    }
    EXPECT_FALSE(table_.Find("missing"));
    std::set<const Word*> seen;
    table_.ForEach([&](const Word* word) { EXPECT_TRUE(seen.insert(word).second); });
    EXPECT_EQ(seen.size(), owned_.size());
  }
  EXPECT_LE(table_.heap_bytes(), empty_bytes + 1024) << "an emptied table gives its buckets back";
}

TEST_F(MemberTableTest, CostsAboutFourteenBytesAMember) {
  for (int i = 0; i < 100000; ++i) {
    Add(i);
    // Plus the page that is being filled.
    ASSERT_LT(table_.heap_bytes(), 15 * table_.size() + 4096 + 512) << i;
  }
}

// Every member present throughout is seen, though the table grows and shrinks between the calls.
TEST_F(MemberTableTest, ScanMissesNothingWhileTheTableChanges) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    base::Rng rng(seed);
    const int lasting = 1 + static_cast<int>(rng.Below(300));
    for (int i = 0; i < lasting; ++i) {
      if (owned_.count(i) == 0) Add(i);
    }
    int next = 1 << 20;
    std::vector<int> passing;
    for (uint64_t i = rng.Below(2000); i > 0; --i) Add(passing.emplace_back(next++));
    const bool grows = rng.Below(2) == 0;
    std::set<std::string> seen;
    uint64_t cursor = 0;
    size_t calls = 0;
    do {
      cursor = table_.Scan(cursor, [&](const Word* word) { seen.insert(word->text); });
      for (uint64_t i = rng.Below(40); i > 0; --i) {
        const bool add = rng.Below(10) < (grows ? 7 : 3);
        if (add && passing.size() < 4000) {
          Add(passing.emplace_back(next++));
        } else if (!passing.empty()) {
          std::swap(passing[rng.Below(passing.size())], passing.back());
          Remove(passing.back());
          passing.pop_back();
        }
      }
      ASSERT_LT(++calls, 10000u);
    } while (cursor != 0);
    for (int i = 0; i < lasting; ++i) EXPECT_EQ(seen.count(std::to_string(i)), 1u) << i;
    for (const int number : passing) Remove(number);
  }
}

TEST_F(MemberTableTest, ScanVisitsEachMemberOnceWhileNothingChanges) {
  for (const int size : {1, 6, 7, 100, 777, 4096}) {
    while (static_cast<int>(owned_.size()) < size) Add(static_cast<int>(owned_.size()));
    std::multiset<std::string> seen;
    uint64_t cursor = 0;
    do {
      cursor = table_.Scan(cursor, [&](const Word* word) { seen.insert(word->text); });
    } while (cursor != 0);
    EXPECT_EQ(seen.size(), owned_.size());
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), owned_.size());
  }
}

TEST_F(MemberTableTest, AcceptsAnyCursor) {
  for (int i = 0; i < 1000; ++i) Add(i);
  base::Rng rng(5);
  for (int i = 0; i < 1000; ++i) {
    uint64_t cursor = rng.Next();
    for (int calls = 0; cursor != 0; ++calls) {
      cursor = table_.Scan(cursor, [](const Word*) {});
      ASSERT_LT(calls, 1000);
    }
  }
}

TEST_F(MemberTableTest, RandomIsUniform) {
  const uint64_t seed = 4711;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  base::Rng rng(seed);
  // In the middle of a round, where buckets differ most.
  constexpr int kMembers = 290;
  constexpr int kDraws = 290 * 1000;
  for (int i = 0; i < kMembers; ++i) Add(i);
  std::unordered_map<const Word*, int> drawn;
  for (int i = 0; i < kDraws; ++i) ++drawn[table_.Random(rng)];
  ASSERT_EQ(drawn.size(), static_cast<size_t>(kMembers));
  double chi_squared = 0;
  for (const auto& [word, count] : drawn) {
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  // 289 degrees of freedom: mean 289, deviation 24.
  EXPECT_LT(chi_squared, 289 + 5 * 24);
}

}  // namespace
}  // namespace terrace::keyspace
