#include "keyspace/keyspace.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "keyspace/database.h"
#include "keyspace/types/list.h"

namespace terrace::keyspace {
namespace {

constexpr int64_t kNow = 1000;

void Fill(Keyspace& keyspace, int database, int count) {
  Database db(&keyspace, database, kNow);
  for (int i = 0; i < count; ++i) {
    const std::string key = "key:" + std::to_string(i);
    db.SetString(keyspace.MakeKey(key), "value", kNoDeadline, events::kSet);
  }
}

size_t CountOf(Keyspace& keyspace, int database) { return keyspace.CountOf(database).keys; }

TEST(KeyspaceTest, ClearingADatabaseGivesItsBytesBackAndLeavesTheOthers) {
  for (const int other_keys : {10, 1000}) {
    Keyspace keyspace({.shard_count = 4, .concurrent = false, .seed = 1, .policy = "s3-fifo"});
    Fill(keyspace, 1, other_keys);
    ShardLock lock(keyspace, keyspace.AllShards());
    const int64_t before = keyspace.used_bytes();
    Fill(keyspace, 0, 100);
    Database(&keyspace, 0, kNow).Clear();
    EXPECT_EQ(CountOf(keyspace, 0), 0u);
    EXPECT_EQ(CountOf(keyspace, 1), static_cast<size_t>(other_keys));
    for (int i = 0; i < keyspace.shard_count(); ++i) keyspace.shard(i).FlushAccount();
    // The policy may keep a little more room than it had.
    EXPECT_NEAR(static_cast<double>(keyspace.used_bytes()), static_cast<double>(before), 8192);
  }
}

TEST(KeyspaceTest, TheKeysLeftAfterClearingAnotherDatabaseCanStillBeEvicted) {
  Keyspace keyspace({.shard_count = 4, .concurrent = false, .seed = 1, .policy = "s3-fifo"});
  Fill(keyspace, 1, 50);
  Fill(keyspace, 0, 500);
  Database(&keyspace, 0, kNow).Clear();
  keyspace.SetMemoryLimit(1);
  EXPECT_FALSE(keyspace.MakeRoom(kNow));
  EXPECT_EQ(CountOf(keyspace, 1), 0u);
}

TEST(KeyspaceTest, LargeValuesAreFreedInTheBackgroundAndSmallOnesAtOnce) {
  Keyspace keyspace({.shard_count = 4, .concurrent = false, .background_free = true, .seed = 1});
  Database db(&keyspace, 0, kNow);
  for (const int size : {3, 100'000}) {
    auto list = std::make_unique<List>();
    for (int i = 0; i < size; ++i)
      list->Push(ListEnd::kTail, "element " + std::to_string(i), EncodingLimits{});
    db.SetObject(keyspace.MakeKey("list"), std::move(list), kNoDeadline, events::kSet);
    EXPECT_TRUE(db.Remove(keyspace.MakeKey("list"), events::kDel));
    const uint64_t handed_over =
        keyspace.reclaimer().pending_objects() + keyspace.reclaimer().freed_objects();
    EXPECT_EQ(handed_over, size > 1000 ? 1u : 0u);
  }
}

TEST(KeyspaceTest, WhoDeletesFreesByHimselfWhileTheReclaimerIsBehind) {
  Keyspace keyspace({.shard_count = 4, .concurrent = false, .background_free = true, .seed = 1});
  Database db(&keyspace, 0, kNow);
  const auto delete_large_list = [&] {
    auto list = std::make_unique<List>();
    for (int i = 0; i < 100'000; ++i)
      list->Push(ListEnd::kTail, "element " + std::to_string(i), EncodingLimits{});
    db.SetObject(keyspace.MakeKey("list"), std::move(list), kNoDeadline, events::kSet);
    EXPECT_TRUE(db.Remove(keyspace.MakeKey("list"), events::kDel));
  };
  Reclaimer& reclaimer = keyspace.reclaimer();
  std::promise<void> let_go;
  reclaimer.Later({.objects = 1, .bytes = Reclaimer::kBehindBytes + 1},
                  [&] { let_go.get_future().wait(); });
  EXPECT_TRUE(reclaimer.is_behind());
  delete_large_list();
  EXPECT_EQ(reclaimer.pending_objects(), 1u);

  let_go.set_value();
  while (reclaimer.is_behind()) std::this_thread::yield();
  delete_large_list();
  EXPECT_EQ(reclaimer.pending_objects() + reclaimer.freed_objects(), 2u);
}

}  // namespace
}  // namespace terrace::keyspace
