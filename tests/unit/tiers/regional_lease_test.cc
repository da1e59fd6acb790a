#include "tiers/regional_lease.h"

#include <gtest/gtest.h>

#include <limits>

#include "unit/tiers/regional_fixture.h"

namespace terrace::tiers {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

class RegionalLeaseTest : public RegionalTierTest {
 protected:
  std::unique_ptr<RegionalLease> Lease() {
    Failure failure = Failure::kNone;
    std::string detail;
    auto lease = tier_->Lease(&failure, &detail);
    if (lease == nullptr) why_not_ = std::string(FailureName(failure)) + ": " + detail;
    return lease;
  }
  void Ask(RegionalLease* lease, std::vector<std::string> args, std::string* text,
           int64_t deadline_us = kNever) {
    RelayRequest request;
    request.args = std::move(args);
    request.deadline_us = deadline_us;
    lease->Relay(std::move(request), [text](RelayResult result) { *text = Print(result); });
  }
  std::string Answer(RegionalLease* lease, std::vector<std::string> args) {
    std::string text;
    Ask(lease, std::move(args), &text, loop_.InMs(5000));
    EXPECT_TRUE(loop_.RunUntil([&] { return !text.empty(); }));
    return text;
  }
  std::string Transaction(RegionalLease* lease, std::vector<std::vector<std::string>> commands) {
    std::string text;
    lease->RelayTransaction({0, std::move(commands), loop_.InMs(5000)},
                            [&](RelayResult result) { text = Print(result); });
    EXPECT_TRUE(loop_.RunUntil([&] { return !text.empty(); }));
    return text;
  }
  bool WaitForBlocked(int count) {
    const std::string field = "blocked_clients:" + std::to_string(count) + "\r\n";
    return loop_.RunUntil([&] {
      return server_->Call({"INFO", "clients"}).text.find(field) != std::string::npos;
    });
  }

  std::string why_not_;
};

TEST_F(RegionalLeaseTest, WaitsWithoutHoldingUpTheSharedConnectionAndIsUsedAgain) {
  StartAndOpen();
  if (server_ == nullptr) return;
  ASSERT_TRUE(WaitForGeneration(1));
  for (int i = 0; i < 3; ++i) {
    auto lease = Lease();
    ASSERT_NE(lease, nullptr) << why_not_;
    std::string popped;
    Ask(lease.get(), {"BLPOP", "list", "0"}, &popped);
    ASSERT_TRUE(WaitForBlocked(1));
    EXPECT_EQ(Relay({"RPUSH", "list", "a"}), ":1\r\n");
    EXPECT_TRUE(loop_.RunUntil([&] { return !popped.empty(); }));
    EXPECT_EQ(popped, "*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
  }
  EXPECT_EQ(tier_->lease_stats()->opened, 1u);
  EXPECT_EQ(tier_->lease_stats()->idle, 1);
}

TEST_F(RegionalLeaseTest, WatchesForItsClientAlone) {
  StartAndOpen();
  if (server_ == nullptr) return;
  ASSERT_TRUE(WaitForGeneration(1));
  auto lease = Lease();
  ASSERT_NE(lease, nullptr) << why_not_;
  EXPECT_EQ(Answer(lease.get(), {"WATCH", "key"}), "+OK\r\n");
  EXPECT_EQ(Transaction(lease.get(), {{"INCR", "key"}}), "*1\r\n:1\r\n");
  EXPECT_EQ(Answer(lease.get(), {"WATCH", "key"}), "+OK\r\n");
  EXPECT_EQ(Relay({"INCR", "key"}), ":2\r\n");
  EXPECT_EQ(Transaction(lease.get(), {{"INCR", "key"}}), "*-1\r\n");
  EXPECT_EQ(Transaction(lease.get(), {}), "*0\r\n");
  // Whoever gets the connection next watches nothing.
  EXPECT_EQ(Answer(lease.get(), {"WATCH", "key"}), "+OK\r\n");
  lease.reset();
  lease = Lease();
  EXPECT_EQ(Relay({"INCR", "key"}), ":3\r\n");
  EXPECT_EQ(Transaction(lease.get(), {{"INCR", "key"}}), "*1\r\n:4\r\n");
  EXPECT_EQ(tier_->lease_stats()->opened, 1u);
}

TEST_F(RegionalLeaseTest, AWaitThatIsGivenUpTakesNothing) {
  StartAndOpen();
  if (server_ == nullptr) return;
  ASSERT_TRUE(WaitForGeneration(1));
  for (int i = 0; i < 20; ++i) {
    auto lease = Lease();
    ASSERT_NE(lease, nullptr) << why_not_;
    std::string popped;
    Ask(lease.get(), {"BLPOP", "list", "0"}, &popped);
    if (i % 2 == 0) {
      ASSERT_TRUE(WaitForBlocked(1));
    }
    lease.reset();
    EXPECT_EQ(Relay({"RPUSH", "list", "a"}), ":1\r\n");
    loop_.RunFor(5);
    EXPECT_EQ(Relay({"LPOP", "list"}), "$1\r\na\r\n");
    EXPECT_TRUE(loop_.RunUntil([&] { return !popped.empty(); }));
    EXPECT_EQ(popped, "(closing)");
  }
}

TEST_F(RegionalLeaseTest, WhatIsHeldBackOnTheWayIsNotExecutedLater) {
  StartServer();
  if (server_ == nullptr) return;
  HoldingProxy proxy(server_->port());
  options_.port = proxy.port();
  options_.stall_grace_ms = 50;
  Open();
  ASSERT_TRUE(WaitForGeneration(1));
  auto lease = Lease();
  ASSERT_NE(lease, nullptr) << why_not_;
  EXPECT_EQ(Answer(lease.get(), {"PING"}), "+PONG\r\n");
  proxy.Hold();
  std::string popped;
  Ask(lease.get(), {"BLPOP", "list", "0"}, &popped, loop_.InMs(30));
  EXPECT_TRUE(loop_.RunUntil([&] { return !popped.empty(); }));
  EXPECT_EQ(popped, "(timeout)");
  lease.reset();
  EXPECT_EQ(Relay({"PING"}, 0, 50), "(timeout)");
  ASSERT_TRUE(WaitForGeneration(2));
  EXPECT_EQ(Relay({"RPUSH", "list", "a"}), ":1\r\n");
  proxy.Release();
  loop_.RunFor(100);
  EXPECT_EQ(Relay({"LLEN", "list"}), ":1\r\n");
}

TEST_F(RegionalLeaseTest, AWaitCanBeEndedWithOrWithoutAnError) {
  StartAndOpen();
  if (server_ == nullptr) return;
  ASSERT_TRUE(WaitForGeneration(1));
  for (const bool at_once : {false, true}) {
    for (const bool with_error : {false, true}) {
      auto lease = Lease();
      ASSERT_NE(lease, nullptr) << why_not_;
      std::string popped;
      Ask(lease.get(), {"BLPOP", "list", "0"}, &popped);
      if (!at_once) {
        ASSERT_TRUE(WaitForBlocked(1));
      }
      lease->EndWait(with_error);
      EXPECT_TRUE(loop_.RunUntil([&] { return !popped.empty(); }));
      EXPECT_EQ(popped,
                with_error ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n" : "*-1\r\n");
    }
  }
}

TEST_F(RegionalLeaseTest, IsRefusedBeyondItsNumberAndWhereThereIsNoConnection) {
  options_.leases_max = 2;
  options_.lease_idle_ms = 50;
  StartAndOpen();
  if (server_ == nullptr) return;
  EXPECT_EQ(Lease(), nullptr);
  EXPECT_EQ(why_not_, "unreachable: not connected yet");
  ASSERT_TRUE(WaitForGeneration(1));
  auto first = Lease(), second = Lease();
  EXPECT_EQ(Lease(), nullptr);
  EXPECT_EQ(why_not_.substr(0, 12), "overloaded: ");
  EXPECT_EQ(Answer(first.get(), {"PING"}), "+PONG\r\n");
  first.reset();
  EXPECT_EQ(tier_->lease_stats()->idle, 1);
  EXPECT_TRUE(loop_.RunUntil([&] { return tier_->lease_stats()->idle == 0; }));
  EXPECT_EQ(tier_->lease_stats()->in_use, 1);
}

TEST_F(RegionalLeaseTest, ItsConnectionAndItsTierMayEndAtAnyMoment) {
  StartAndOpen();
  if (server_ == nullptr) return;
  ASSERT_TRUE(WaitForGeneration(1));
  std::vector<std::unique_ptr<RegionalLease>> leases;
  std::vector<std::string> texts(6);
  for (std::string& text : texts) {
    leases.push_back(Lease());
    ASSERT_NE(leases.back(), nullptr) << why_not_;
    Ask(leases.back().get(), {"BLPOP", "list", "0"}, &text);
  }
  ASSERT_TRUE(WaitForBlocked(6));
  server_->Call({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  EXPECT_TRUE(loop_.RunUntil([&] { return !texts[0].empty(); }));
  EXPECT_EQ(texts[0], "(unreachable)");
  ASSERT_TRUE(WaitForGeneration(2));
  leases[0] = Lease();
  ASSERT_NE(leases[0], nullptr) << why_not_;
  texts[0].clear();
  Ask(leases[0].get(), {"BLPOP", "list", "0"}, &texts[0]);
  ASSERT_TRUE(WaitForBlocked(1));
  Close();
  EXPECT_EQ(texts[0], "(closing)");
  std::string text;
  Ask(leases[1].get(), {"PING"}, &text);
  EXPECT_TRUE(loop_.RunUntil([&] { return !text.empty(); }));
  EXPECT_EQ(text, "(unreachable)");
}

}  // namespace
}  // namespace terrace::tiers
