// The regional tier when its server crashes, hangs or talks nonsense, and when it is closed.

#include <gtest/gtest.h>

#include "tiers/regional.h"
#include "unit/tiers/regional_fixture.h"

namespace terrace::tiers {
namespace {

// Keeps a number of INCRs going whose callers ask again at once, whatever the answer.
class Load {
 public:
  Load(RegionalTier* tier, TestLoop* loop, int depth) : tier_(tier), loop_(loop) {
    for (int i = 0; i < depth; ++i) Ask();
  }
  void Ask() {
    if (stopped_) return;
    const size_t number = answers_.size();
    answers_.push_back(0);
    tier_->Relay({0, {"INCR", "count"}, loop_->InMs(2000)}, [this, number](RelayResult result) {
      ++answers_[number];
      ++answered_;
      acknowledged_ += result.failure == Failure::kNone && !result.is_error;
      unsent_ += result.failure == Failure::kOverloaded;
      // Failed requests are repeated with a little patience, as any caller would.
      if (result.failure == Failure::kNone) {
        Ask();
      } else {
        ++patient_;
        loop_->get()->After(1, [this] {
          --patient_;
          Ask();
        });
      }
    });
  }
  void Stop() { stopped_ = true; }
  // Nothing is asked, nor about to be: a caller that waits to ask again still holds this.
  bool done() const { return answered_ == answers_.size() && patient_ == 0; }
  size_t acknowledged() const { return acknowledged_; }
  size_t asked() const { return answers_.size(); }
  bool ExactlyOnce() const {
    for (int count : answers_) {
      if (count != 1) return false;
    }
    return true;
  }

 private:
  RegionalTier* const tier_;
  TestLoop* const loop_;
  bool stopped_ = false;
  std::vector<int> answers_;
  size_t answered_ = 0;
  size_t patient_ = 0;
  size_t acknowledged_ = 0;
  size_t unsent_ = 0;
};

TEST_F(RegionalTierTest, ServersThatCrashUnderLoadCostNoAcknowledgedWrite) {
  StartServer({"--appendonly", "yes", "--appendfsync", "always"});
  if (server_ == nullptr) return;
  options_.reconnect_delay_max_ms = 100;
  Open();
  Load load(tier_.get(), &loop_, 50);
  for (int crash = 0; crash < 3; ++crash) {
    const size_t before = load.acknowledged();
    ASSERT_TRUE(loop_.RunUntil([&] { return load.acknowledged() > before + 500; }));
    server_->Kill();
    loop_.RunFor(50);
    ASSERT_TRUE(server_->Restart());
  }
  ASSERT_TRUE(WaitForGeneration(4));
  load.Stop();
  ASSERT_TRUE(loop_.RunUntil([&] { return load.done(); }));
  EXPECT_TRUE(load.ExactlyOnce());
  const auto count = static_cast<size_t>(std::stoull(server_->Call({"GET", "count"}).text));
  EXPECT_GE(count, load.acknowledged());
  EXPECT_LE(count, load.asked());
}

TEST_F(RegionalTierTest, DeadlinesHoldAndLateRepliesAreDroppedInOrder) {
  StartAndOpen();
  if (server_ == nullptr) return;
  EXPECT_EQ(Relay({"SET", "key", "v"}), "+OK\r\n");
  // Database 1 has been entered before: its commands are sent with the others, not held back.
  EXPECT_EQ(Relay({"SET", "other", "v"}, 1), "+OK\r\n");
  server_->Pause();
  Ledger ledger(&loop_);
  const int64_t start_us = loop_.InMs(0);
  std::vector<std::string> texts(40);
  for (size_t i = 0; i < texts.size(); ++i) {
    // Not in the order of the calls, and of all kinds.
    const int64_t deadline_us = start_us + 100000 + static_cast<int64_t>((i * 7) % 40) * 1000;
    if (i % 4 == 0) {
      tier_->Get({0, "key", deadline_us, 0}, ledger.Expect(&texts[i]));
    } else {
      tier_->Relay({static_cast<int>(i % 2), {"INCR", "count"}, deadline_us},
                   ledger.Expect(&texts[i]));
    }
  }
  std::string patient;
  tier_->Relay(Command({"GET", "key"}), ledger.Expect(&patient));
  ASSERT_TRUE(loop_.RunUntil([&] { return ledger.answered() == texts.size(); }, 1000));
  EXPECT_GE(ledger.last_us() - start_us, 135000);
  EXPECT_LE(ledger.last_us() - start_us, 500000);  // far below the stall limit
  for (const std::string& text : texts) EXPECT_EQ(text, "(timeout)");
  EXPECT_EQ(tier_->health().queued, 0u);
  server_->Resume();
  ASSERT_TRUE(ledger.WaitForAll());
  EXPECT_EQ(patient, "$1\r\nv\r\n");
  EXPECT_EQ(Relay({"ECHO", "still in step"}), "$13\r\nstill in step\r\n");
  EXPECT_EQ(tier_->generation(), 1u);
  EXPECT_EQ(tier_->health().in_flight, 0u);
}

TEST_F(RegionalTierTest, AConnectionThatHangsIsReplaced) {
  StartServer();
  if (server_ == nullptr) return;
  options_.stall_grace_ms = 100;
  options_.connect_timeout_ms = 200;
  Open();
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  server_->Pause();
  Ledger ledger(&loop_);
  std::string quick, slow;
  tier_->Relay(Command({"PING"}, 0, 50), ledger.Expect(&quick));
  tier_->Relay(Command({"PING"}, 0, 60000), ledger.Expect(&slow));
  const int64_t start_us = loop_.InMs(0);
  ASSERT_TRUE(ledger.WaitForAll());
  EXPECT_LT(loop_.InMs(0) - start_us, 5000000);
  EXPECT_EQ(quick, "(timeout)");
  EXPECT_EQ(slow, "(unreachable)");
  loop_.RunFor(500);
  EXPECT_EQ(Relay({"PING"}), "(unreachable)");
  server_->Resume();
  ASSERT_TRUE(WaitForGeneration(2));
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
}

TEST_F(RegionalTierTest, NothingOfAnEarlierConnectionIsExecutedAfterANewOneHasAnswered) {
  StartServer();
  if (server_ == nullptr) return;
  HoldingProxy proxy(server_->port());
  options_.port = proxy.port();
  options_.stall_grace_ms = 50;
  Open();
  EXPECT_EQ(Relay({"SET", "key", "first"}), "+OK\r\n");
  proxy.Hold();
  EXPECT_EQ(Relay({"SET", "key", "held back"}, 0, 50), "(timeout)");
  ASSERT_TRUE(WaitForGeneration(2));
  EXPECT_EQ(Relay({"GET", "key"}), "$5\r\nfirst\r\n");
  proxy.Release();
  loop_.RunFor(100);
  EXPECT_EQ(Relay({"GET", "key"}), "$5\r\nfirst\r\n");
  EXPECT_EQ(tier_->generation(), 2u);
  EXPECT_EQ(tier_->health().warning, "");
}

TEST_F(RegionalTierTest, NonsenseEndsTheConnectionAndNothingElse) {
  const std::string greeting = "+OK\r\n:7\r\n$9\r\nrun_id:ab\r\n+PONG\r\n";
  // The greeting's last lines, not of a Redis server, unasked for, of another protocol, too much.
  for (const std::string& bytes : std::vector<std::string>{
           std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("\0\0\0", 3),
           std::string("*1\r\n$3\r\nabc\r\n"), std::string("$-5\r\n"), greeting + "+more\r\n",
           greeting + "?what\r\n", greeting + "-ERR max number of clients reached\r\n",
           greeting + "$100000000000000000000\r\n",
           std::string("+OK\r\n:7\r\n$2\r\nab\r\n-LOADING\r\n")}) {
    CannedServer server(bytes);
    options_.port = server.port();
    options_.stall_grace_ms = 20;
    options_.connect_timeout_ms = 100;
    options_.reconnect_delay_min_ms = 1;
    options_.reconnect_delay_max_ms = 5;
    Open();
    Ledger ledger(&loop_);
    for (int i = 0; i < 20; ++i) {
      tier_->Get({0, "key", loop_.InMs(20), 0}, ledger.Expect());
      tier_->Relay(Command({"PING"}, 0, 30), ledger.Expect());
      loop_.RunFor(5);
    }
    EXPECT_TRUE(ledger.WaitForAll()) << bytes;
    EXPECT_TRUE(loop_.RunUntil([&] { return server.accepted() > 2; })) << bytes;
    Close();
  }
}

TEST_F(RegionalTierTest, ClosingFailsWhatIsUnderWay) {
  StartAndOpen();
  if (server_ == nullptr) return;
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  server_->Pause();
  Ledger ledger(&loop_);
  for (int i = 0; i < 100; ++i) {
    tier_->Relay(Command({"INCR", "count"}), ledger.Expect());
    tier_->Get({3, "key", loop_.InMs(5000), 0}, ledger.Expect());
  }
  Close();
  EXPECT_EQ(ledger.answered(), ledger.asked());
  EXPECT_EQ(ledger.count("(closing)"), ledger.asked());
}

TEST_F(RegionalTierTest, MayBeClosedAtAnyMomentOfItsLife) {
  StartServer();
  if (server_ == nullptr) return;
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    options_.host = host;
    for (int ms = 0; ms < 6; ++ms) {
      Open();
      Ledger ledger(&loop_);
      tier_->Relay(Command({"PING"}), ledger.Expect());
      if (ms > 0) loop_.RunFor(ms - 1);
      Close();
      EXPECT_EQ(ledger.answered(), 1u);
    }
  }
  loop_.RunFor(50);
}

TEST_F(RegionalTierTest, ARedisOriginIsOnlyRead) {
  StartServer();
  if (server_ == nullptr) return;
  server_->Call({"SET", "key", "v", "PX", "60000"});
  options_.name = "source";
  auto origin = NewRedisOrigin(options_, loop_.get(), kSeed);
  EXPECT_EQ(origin->name(), "source");
  Ledger ledger(&loop_);
  std::string got, put, invalidated;
  origin->Get({0, "key", loop_.InMs(5000), 0}, ledger.Expect(&got));
  origin->Put(Store("key", Value{}), ledger.Expect(&put));
  origin->Invalidate(0, "key", loop_.InMs(5000), ledger.Expect(&invalidated));
  EXPECT_EQ(ledger.answered(), 0u);
  ASSERT_TRUE(ledger.WaitForAll());
  EXPECT_EQ(got, server_->Call({"DUMP", "key"}).text);
  EXPECT_EQ(put, "refused");
  EXPECT_EQ(invalidated, "refused");
  bool closed = false;
  origin->Close([&] { closed = true; });
  EXPECT_TRUE(loop_.RunUntil([&] { return closed; }));
}

}  // namespace
}  // namespace terrace::tiers
