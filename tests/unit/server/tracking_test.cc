#include "server/tracking.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "keyspace/database.h"

namespace terrace::server {
namespace {

using keyspace::Database;
using keyspace::ShardLock;

class TrackingTest : public ::testing::Test {
 protected:
  TrackingTest() {
    for (size_t worker = 0; worker < 2; ++worker) {
      messaging_.OnWake(worker, {.by_others = [] {}, .by_itself = [] {}});
    }
    messaging_.EnterThread(0);
    tracking_.OnDefer([this](size_t) { broadcasts_due_ += 1; });
  }
  static keyspace::KeyspaceOptions Options() {
    keyspace::KeyspaceOptions options;
    options.shard_count = 4;
    return options;
  }
  void Read(const Tracking::Client& client, const std::string& bytes) {
    const keyspace::Key key = keyspace_.MakeKey(bytes);
    ShardLock lock(keyspace_, keyspace_.SetOf(key));
    tracking_.Remember(client, key);
  }
  void Write(const std::string& bytes, uint64_t writer = 0) {
    const keyspace::Key key = keyspace_.MakeKey(bytes);
    messaging_.set_running_client(0, writer);
    ShardLock lock(keyspace_, keyspace_.SetOf(key));
    Database(&keyspace_, 0, 1000)
        .SetString(key, "value", keyspace::kNoDeadline, keyspace::events::kSet);
  }
  void Fill(const std::string& bytes, std::string_view value) {
    const keyspace::Key key = keyspace_.MakeKey(bytes);
    ShardLock lock(keyspace_, keyspace_.SetOf(key));
    Database::Fill fill;
    fill.string = value;
    Database(&keyspace_, 0, 1000).FillCopy(key, std::move(fill));
  }
  std::vector<Delivery> Mail(size_t worker = 0) {
    Deliveries mail;
    messaging_.Take(worker, &mail);
    return mail;
  }
  // Until nothing is left to do.
  void Tend() {
    for (int round = 0; round < 1000; ++round) {
      for (int shard = 0; shard < keyspace_.shard_count(); ++shard) {
        tracking_.Trim(shard, 10);
        tracking_.Sweep(shard);
      }
    }
  }

  keyspace::Keyspace keyspace_{Options()};
  Messaging messaging_{2};
  Tracking tracking_{&keyspace_, &messaging_};
  const Tracking::Client first_{1, 0};
  const Tracking::Client second_{2, 1};
  int broadcasts_due_ = 0;
};

TEST_F(TrackingTest, AChangeIsAnnouncedOnceToWhoHasReadTheKey) {
  tracking_.Start(first_);
  tracking_.Start(second_);
  Read(first_, "k");
  Read(first_, "k");
  Read(second_, "k");
  EXPECT_EQ(tracking_.key_count(), 1);
  EXPECT_EQ(tracking_.item_count(), 2);
  Write("k", 7);
  Write("k", 7);
  for (size_t worker = 0; worker < 2; ++worker) {
    const auto mail = Mail(worker);
    ASSERT_EQ(mail.size(), 1u);
    EXPECT_EQ(mail[0]->payload, "*1\r\n$1\r\nk\r\n");
    EXPECT_EQ(mail[0]->clients, std::vector<uint64_t>{worker + 1});
    EXPECT_EQ(mail[0]->writer, 7u);
  }
  EXPECT_EQ(tracking_.key_count(), 0);
  EXPECT_EQ(tracking_.item_count(), 0);
}

TEST_F(TrackingTest, WhatExpiresUnderAClientsHandsIsNotItsOwnChange) {
  tracking_.Start(first_);
  Write("k");
  Read(first_, "k");
  const keyspace::Key key = keyspace_.MakeKey("k");
  messaging_.set_running_client(0, first_.id);
  {
    ShardLock lock(keyspace_, keyspace_.SetOf(key));
    Database database(&keyspace_, 0, 1000);
    database.SetDeadline(key, database.Peek(key), 2000, keyspace::events::kExpire);
  }
  const auto own = Mail();
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0]->writer, first_.id);
  Read(first_, "k");
  {
    ShardLock lock(keyspace_, keyspace_.SetOf(key));
    EXPECT_EQ(Database(&keyspace_, 0, 3000).Peek(key), nullptr);
  }
  const auto expired = Mail();
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0]->writer, 0u);
}

TEST_F(TrackingTest, KeysBeyondTheLimitAreForgottenAndAnnounced) {
  tracking_.Start(first_);
  tracking_.SetLimits({.keys_max = 100});
  size_t announced = 0;
  for (int i = 0; i < 1000; ++i) {
    Read(first_, "k" + std::to_string(i));
    announced += Mail().size();
    ASSERT_LE(tracking_.key_count(), 100 + keyspace_.shard_count());
  }
  EXPECT_EQ(tracking_.key_count() + static_cast<int64_t>(announced), 1000);
  // The latest stay.
  Write("k999");
  EXPECT_EQ(Mail().size(), 1u);
}

TEST_F(TrackingTest, ItemsAreLimitedHoweverFewTheKeysAre) {
  tracking_.SetLimits({.items_max = 50});
  size_t told = 0;
  for (uint64_t id = 1; id <= 1000; ++id) {
    tracking_.Start({id, 0});
    Read({id, 0}, "the only key");
    for (const Delivery& message : Mail()) told += message->clients.size();
    ASSERT_LE(tracking_.item_count(), 50);
  }
  EXPECT_EQ(tracking_.item_count() + static_cast<int64_t>(told), 1000);
}

TEST_F(TrackingTest, ALoweredLimitIsReachedInStepsThatAnnounce) {
  tracking_.Start(first_);
  for (int i = 0; i < 500; ++i) Read(first_, "k" + std::to_string(i));
  tracking_.SetLimits({.keys_max = 20});
  EXPECT_TRUE(tracking_.IsOverLimit());
  tracking_.Trim(0, 10);
  EXPECT_EQ(tracking_.key_count(), 490);
  EXPECT_EQ(Mail().size(), 10u);
  Tend();
  EXPECT_EQ(tracking_.key_count(), 20);
  EXPECT_EQ(Mail().size(), 470u);
}

TEST_F(TrackingTest, ClientsThatHaveEndedAreSweptOutWithoutAnnouncements) {
  tracking_.Start(first_);
  tracking_.Start(second_);
  for (int i = 0; i < 3000; ++i) Read(first_, "k" + std::to_string(i));
  for (int i = 0; i < 3000; i += 2) Read(second_, "k" + std::to_string(i));
  tracking_.Stop(first_);
  tracking_.Sweep(0);
  EXPECT_GT(tracking_.item_count(), 3500);  // a slice, not the table
  Tend();
  EXPECT_EQ(tracking_.item_count(), 1500);
  EXPECT_EQ(tracking_.key_count(), 1500);
  EXPECT_TRUE(Mail(0).empty());
  Write("k0");
  EXPECT_EQ(Mail(1).size(), 1u);
  tracking_.Stop(second_);
  Tend();
  EXPECT_EQ(tracking_.key_count(), 0);
}

TEST_F(TrackingTest, ManyClientsThatComeAndGoLeaveNothing) {
  for (uint64_t id = 1; id <= 5000; ++id) {
    const Tracking::Client client{id, 0};
    tracking_.Start(client);
    for (int i = 0; i < 5; ++i) Read(client, "k" + std::to_string((id + i) % 100));
    tracking_.Stop(client);
    for (int shard = 0; shard < keyspace_.shard_count(); ++shard) tracking_.Sweep(shard);
    ASSERT_LE(tracking_.item_count(), 100);
  }
}

TEST_F(TrackingTest, EmptyingAllDatabasesIsSaidOnceToEveryWorker) {
  tracking_.Start(first_);
  Read(first_, "k");
  {
    ShardLock lock(keyspace_, keyspace_.AllShards());
    for (int i = 0; i < 16; ++i) {
      Database(&keyspace_, i, 1000)
          .Clear(i < 15 ? Database::Extends::kMoreFollows : Database::Extends::kHereOnly);
    }
  }
  for (size_t worker = 0; worker < 2; ++worker) {
    const auto mail = Mail(worker);
    ASSERT_EQ(mail.size(), 1u);
    EXPECT_TRUE(mail[0]->clients.empty());
    EXPECT_TRUE(mail[0]->payload.empty());
  }
  EXPECT_EQ(tracking_.key_count(), 0);
}

TEST_F(TrackingTest, EmptyingForgetsKeysThoughNobodyTracksAnyMore) {
  tracking_.Start(first_);
  Read(first_, "k");
  tracking_.Stop(first_);
  ShardLock lock(keyspace_, keyspace_.AllShards());
  Database(&keyspace_, 0, 1000).Clear();
  EXPECT_EQ(tracking_.item_count(), 0);
  EXPECT_TRUE(Mail().empty());
}

TEST_F(TrackingTest, DatabasesAreEmptiedWhileAnotherThreadSweeps) {
  tracking_.Start(first_);
  tracking_.Start(second_);
  std::atomic<bool> ends{false};
  std::thread sweeper([&] {
    while (!ends) tracking_.Sweep(0);
  });
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 20; ++i) Read(first_, "k" + std::to_string(i));
    Read(second_, "k0");
    if (round % 2 == 0) tracking_.Stop(second_);
    ShardLock lock(keyspace_, keyspace_.AllShards());
    Database(&keyspace_, 0, 1000).Clear();
    if (round % 2 == 0) tracking_.Start(second_);
  }
  ends = true;
  sweeper.join();
  EXPECT_EQ(tracking_.item_count(), 0);
}

TEST_F(TrackingTest, ACopyFilledWithTheValueItHadIsNoChange) {
  tracking_.Start(first_);
  tracking_.AddPrefix(second_, "", false);
  Fill("k", "value");
  Mail();
  Read(first_, "k");
  broadcasts_due_ = 0;
  tracking_.Broadcast();
  Mail(1);
  Fill("k", "value");
  EXPECT_TRUE(Mail().empty());
  EXPECT_EQ(broadcasts_due_, 0);
  Fill("k", "other");
  EXPECT_EQ(Mail().size(), 1u);
  EXPECT_EQ(broadcasts_due_, 1);
}

TEST_F(TrackingTest, ACopyThatAppearsIsNewsToWhoHasReadItsAbsence) {
  tracking_.Start(first_);
  Read(first_, "k");
  Fill("k", "value");
  EXPECT_EQ(Mail().size(), 1u);
}

TEST_F(TrackingTest, PrefixesGatherTheKeysOfATurnAndLeaveOutWhatTheirListenerChanged) {
  tracking_.Start(first_);
  tracking_.Start(second_);
  tracking_.AddPrefix(first_, "p:", false);
  tracking_.AddPrefix(second_, "", true);
  Write("p:1", 2);
  Write("q", 1);
  Write("p:0", 1);
  EXPECT_EQ(broadcasts_due_, 1);
  tracking_.Broadcast();
  auto mail = Mail(0);
  ASSERT_EQ(mail.size(), 1u);
  EXPECT_EQ(mail[0]->payload, "*2\r\n$3\r\np:0\r\n$3\r\np:1\r\n");
  mail = Mail(1);
  ASSERT_EQ(mail.size(), 1u);
  EXPECT_EQ(mail[0]->payload, "*2\r\n$3\r\np:0\r\n$1\r\nq\r\n");
}

}  // namespace
}  // namespace terrace::server
