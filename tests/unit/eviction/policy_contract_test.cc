// What every eviction policy promises, checked for each row of the registry.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <random>
#include <string>

#include "eviction/registry.h"
#include "unit/eviction/fake_store.h"

namespace terrace::eviction {
namespace {

// TERRACE_SEED=n replays a failure.
uint64_t Seed() {
  static const uint64_t seed = [] {
    const char* given = std::getenv("TERRACE_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : uint64_t{std::random_device{}()};
  }();
  return seed;
}

class PolicyContract : public testing::TestWithParam<PolicyInfo> {
 protected:
  PolicyContract()
      : trace_(__FILE__, __LINE__, "replay with TERRACE_SEED=" + std::to_string(Seed())) {}

  FakeStore MakeStore(uint32_t hash_mask = ~0u) {
    return FakeStore(GetParam().make(Seed()), Seed() + 1, hash_mask);
  }
  bool OnlyWithDeadline() const { return GetParam().name.starts_with("volatile-"); }
  bool NeverEvicts() const { return GetParam().name == "noeviction"; }

 private:
  testing::ScopedTrace trace_;
};

INSTANTIATE_TEST_SUITE_P(AllPolicies, PolicyContract,
                         testing::ValuesIn(Policies().begin(), Policies().end()),
                         [](const auto& row) {
                           std::string name(row.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(PolicyContract, AnswersToItsRegisteredNameInAnyCase) {
  EXPECT_EQ(GetParam().make(1)->name(), GetParam().name);
  std::string upper(GetParam().name);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  ASSERT_NE(FindPolicy(upper), nullptr);
  EXPECT_EQ(FindPolicy(upper)->name, GetParam().name);
}

TEST_P(PolicyContract, PicksNothingFromAnEmptyStore) {
  FakeStore store = MakeStore();
  EXPECT_EQ(store.EvictOne(), FakeStore::kNothing);
}

// The store's own CHECK is that the victim it is handed is one of its entries.
void RandomOperation(FakeStore& store, base::Rng& rng, uint64_t key_count) {
  const uint64_t key = rng.Below(key_count);
  store.now_ms += static_cast<uint32_t>(rng.Below(50));
  switch (rng.Below(8)) {
    case 0:
      if (store.Contains(key)) store.Remove(key, RemoveCause::kDeleted);
      break;
    case 1:
      if (store.Contains(key)) store.Remove(key, RemoveCause::kExpired);
      break;
    case 2:
      if (store.Contains(key)) store.Resize(key, static_cast<uint32_t>(1 + rng.Below(1 << 20)));
      break;
    case 3:
      store.policy().SetCapacity(rng.Below(4) == 0 ? 0 : rng.Below(1 << 24));
      break;
    case 4:
      if (store.Contains(key)) {
        store.policy().SetIdleSeconds(store.entry(key).word, static_cast<int64_t>(rng.Below(100)),
                                      store.now_ms);
        store.policy().SetFrequency(store.entry(key).word, static_cast<uint8_t>(rng.Below(256)),
                                    store.now_ms);
      }
      break;
    default:
      if (store.Contains(key)) {
        store.Hit(key);
      } else if (store.policy().AdmitFetched(store.HashOf(key), 1)) {
        const bool with_deadline = rng.Below(2) == 0;
        store.Insert(key, static_cast<uint32_t>(1 + rng.Below(1000)),
                     with_deadline ? static_cast<int64_t>(1 + rng.Below(1 << 20)) : kNoDeadline);
      }
  }
}

void RunRandomOperations(FakeStore& store, bool only_with_deadline) {
  base::Rng rng(Seed() + 2);
  for (int step = 0; step < 60'000; ++step) {
    RandomOperation(store, rng, 2'000);
    while (store.used_bytes() > 200'000) {
      Resident victim;
      if (!store.policy().PickVictim(store, store.now_ms, &victim)) break;
      const uint64_t key = static_cast<FakeStore::Entry*>(victim.handle)->key;
      ASSERT_TRUE(store.Contains(key));
      ASSERT_EQ(&store.entry(key), victim.handle);
      ASSERT_EQ(victim.word, &store.entry(key).word);
      ASSERT_TRUE(!only_with_deadline || store.entry(key).deadline_ms != kNoDeadline);
      store.Remove(key, RemoveCause::kEvicted);
    }
    if (step % 2'000 == 0) store.policy().SelfCheck(store);
  }
  store.policy().SelfCheck(store);
}

TEST_P(PolicyContract, SurvivesRandomOperationsAndPicksOnlyWhatItMay) {
  FakeStore store = MakeStore();
  RunRandomOperations(store, OnlyWithDeadline());
}

TEST_P(PolicyContract, TellsKeysOfEqualHashApart) {
  FakeStore store = MakeStore(0x3f);
  RunRandomOperations(store, OnlyWithDeadline());
}

TEST_P(PolicyContract, EvictsEveryKeyItMayUntilNoneIsLeft) {
  FakeStore store = MakeStore();
  for (uint64_t key = 0; key < 5'000; ++key) {
    store.Insert(key, 10, key % 2 == 0 ? static_cast<int64_t>(1'000 + key) : kNoDeadline);
  }
  for (int hit = 0; hit < 20'000; ++hit) store.Hit(store.RandomKey());
  size_t evicted = 0;
  while (store.EvictOne() != FakeStore::kNothing) ++evicted;
  EXPECT_EQ(evicted, NeverEvicts() ? 0u : OnlyWithDeadline() ? 2'500u : 5'000u);
}

TEST_P(PolicyContract, PicksTheSameOrAnotherResidentWhenAVictimIsSpared) {
  FakeStore store = MakeStore();
  for (uint64_t key = 0; key < 100; ++key) store.Insert(key, 10, 1'000);
  if (NeverEvicts()) return;
  for (int turn = 0; turn < 1'000; ++turn) {
    Resident victim;
    ASSERT_TRUE(store.policy().PickVictim(store, store.now_ms, &victim));
    ASSERT_TRUE(store.Contains(static_cast<FakeStore::Entry*>(victim.handle)->key));
  }
  store.policy().SelfCheck(store);
}

TEST_P(PolicyContract, PassesOverVictimsThatAreKeptWhileThereAreOthers) {
  if (NeverEvicts()) return;
  FakeStore store = MakeStore();
  constexpr uint64_t kKeys = 60;
  for (uint64_t key = 0; key < kKeys; ++key)
    store.Insert(key, 10, 1'000 + static_cast<int64_t>(key));
  // Those that may leave have been used more.
  for (int round = 0; round < 3; ++round) {
    for (uint64_t key = 1; key < kKeys; key += 2) store.Hit(key);
  }
  size_t evicted = 0;
  for (int tries = 0; evicted < kKeys / 2; ++tries) {
    ASSERT_LT(tries, 10'000);
    ++store.now_ms;
    Resident victim;
    ASSERT_TRUE(store.policy().PickVictim(store, store.now_ms, &victim));
    const uint64_t key = static_cast<FakeStore::Entry*>(victim.handle)->key;
    if (key % 2 == 0) {
      store.policy().OnKept(victim.hash, *victim.word, victim.charge, store.now_ms);
    } else {
      store.Remove(key, RemoveCause::kEvicted);
      ++evicted;
    }
    store.policy().SelfCheck(store);
  }
}

// One key in 256 stays for ever, so that every stretch of a queue keeps one live key for as long as
// possible; the rest is deleted at once.
TEST_P(PolicyContract, KeepsItsMetadataBoundedUnderInsertAndDeleteChurn) {
  FakeStore store = MakeStore();
  base::Rng rng(Seed());
  uint64_t kept = 0;
  for (uint64_t key = 0; key < 500'000; ++key) {
    store.Insert(key, 100);
    if (key % 256 == 0 && kept < 200) {
      ++kept;
    } else {
      store.Remove(key, RemoveCause::kDeleted);
    }
  }
  EXPECT_LE(store.policy().metadata_bytes(), 200 * 256u + 8'192u);
  store.policy().SelfCheck(store);
}

TEST_P(PolicyContract, KeepsItsMetadataBoundedUnderEvictionChurn) {
  if (NeverEvicts() || OnlyWithDeadline()) return;
  FakeStore store = MakeStore();
  base::Rng rng(Seed());
  for (int request = 0; request < 1'000'000; ++request) {
    const uint64_t popular = rng.Below(1'000 + rng.Below(100'000));
    store.Access(popular, 20'000);
  }
  EXPECT_LE(store.policy().metadata_bytes(), 20'000 * 8u);
  while (store.EvictOne() != FakeStore::kNothing) {
  }
  EXPECT_LE(store.policy().metadata_bytes(), 20'000 * 8u) << "with no key left";
}

TEST_P(PolicyContract, ServesAStoreOfAHandfulOfKeys) {
  if (NeverEvicts() || OnlyWithDeadline()) return;
  for (uint64_t capacity = 1; capacity <= 12; ++capacity) {
    FakeStore store = MakeStore();
    store.policy().SetCapacity(capacity);
    base::Rng rng(Seed());
    for (int request = 0; request < 2'000; ++request) {
      store.Access(rng.Below(20), capacity);
      ASSERT_LE(store.used_bytes(), capacity);
    }
    store.policy().SelfCheck(store);
  }
}

}  // namespace
}  // namespace terrace::eviction
