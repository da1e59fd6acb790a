#include "tiers/breaker.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_loop.h"
#include "tiers/regional.h"
#include "tiers/regional_lease.h"

namespace terrace::tiers {
namespace {

using State = BreakerState::State;
using test::FakeLoop;

constexpr BreakerOptions kOptions{.failures_to_open = 3, .open_ms = 100, .open_max_ms = 350};

class BreakerStateTest : public ::testing::Test {
 protected:
  void Fail(int times) {
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(breaker_.Allow());
      breaker_.Record(Failure::kTimeout);
    }
  }

  FakeLoop loop_;
  BreakerState breaker_{kOptions, &loop_.clock()};
};

TEST_F(BreakerStateTest, OpensAfterARowOfFailuresOnly) {
  Fail(2);
  breaker_.Record(Failure::kNone);
  Fail(2);
  EXPECT_EQ(breaker_.state(), State::kClosed);
  Fail(1);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  EXPECT_FALSE(breaker_.Allow());
  EXPECT_EQ(breaker_.opened_count(), 1u);
}

TEST_F(BreakerStateTest, CountsOnlySignsOfSicknessAsFailures) {
  const struct {
    Failure failure;
    bool opens;
  } kCases[] = {
      {Failure::kNone, false},        {Failure::kTimeout, true},   {Failure::kUnreachable, true},
      {Failure::kProtocol, true},     {Failure::kRefused, false},  {Failure::kOverloaded, false},
      {Failure::kBreakerOpen, false}, {Failure::kTooLarge, false}, {Failure::kClosing, false},
  };
  for (const auto& test : kCases) {
    BreakerState breaker(kOptions, &loop_.clock());
    for (int i = 0; i < 10; ++i) breaker.Record(test.failure);
    EXPECT_EQ(breaker.state() == State::kOpen, test.opens) << FailureName(test.failure);
  }
}

TEST_F(BreakerStateTest, RefusalsDoNotEndARowOfFailures) {
  Fail(2);
  breaker_.Record(Failure::kRefused);
  breaker_.Record(Failure::kOverloaded);
  Fail(1);
  EXPECT_EQ(breaker_.state(), State::kOpen);
}

TEST_F(BreakerStateTest, HalfOpenLetsOneProbeThroughAtATime) {
  Fail(3);
  loop_.Advance(99);
  EXPECT_FALSE(breaker_.Allow());
  loop_.Advance(1);
  EXPECT_TRUE(breaker_.Allow());
  EXPECT_EQ(breaker_.state_name(), "half_open");
  EXPECT_FALSE(breaker_.Allow());
}

TEST_F(BreakerStateTest, IsShutExactlyWhenACallWouldNotBeAllowed) {
  EXPECT_FALSE(breaker_.IsShut());
  Fail(3);
  EXPECT_TRUE(breaker_.IsShut());
  loop_.Advance(99);
  EXPECT_TRUE(breaker_.IsShut());
  loop_.Advance(1);
  EXPECT_FALSE(breaker_.IsShut());  // the next call is the probe
  ASSERT_TRUE(breaker_.Allow());
  EXPECT_TRUE(breaker_.IsShut());
  breaker_.Record(Failure::kOverloaded);  // it has told nothing
  EXPECT_FALSE(breaker_.IsShut());
  ASSERT_TRUE(breaker_.Allow());
  breaker_.Record(Failure::kTimeout);
  EXPECT_TRUE(breaker_.IsShut());
  loop_.Advance(200);
  ASSERT_TRUE(breaker_.Allow());
  breaker_.Record(Failure::kNone);
  EXPECT_FALSE(breaker_.IsShut());
}

TEST_F(BreakerStateTest, EndOfTheProbeDecides) {
  const struct {
    Failure failure;
    State next;
  } kCases[] = {
      {Failure::kNone, State::kClosed},         {Failure::kTimeout, State::kOpen},
      {Failure::kUnreachable, State::kOpen},    {Failure::kProtocol, State::kOpen},
      {Failure::kRefused, State::kClosed},      {Failure::kTooLarge, State::kClosed},
      {Failure::kOverloaded, State::kHalfOpen}, {Failure::kClosing, State::kHalfOpen},
  };
  for (const auto& test : kCases) {
    BreakerState breaker(kOptions, &loop_.clock());
    for (int i = 0; i < 3; ++i) breaker.Record(Failure::kTimeout);
    loop_.Advance(100);
    ASSERT_TRUE(breaker.Allow());
    breaker.Record(test.failure);
    EXPECT_EQ(breaker.state(), test.next) << FailureName(test.failure);
    EXPECT_EQ(breaker.Allow(), test.next != State::kOpen) << FailureName(test.failure);
  }
}

TEST_F(BreakerStateTest, FailedProbesDoubleThePauseUpToItsMaximumAndSuccessResetsIt) {
  Fail(3);
  for (const int64_t pause_ms : {100, 200, 350, 350}) {
    loop_.Advance(pause_ms - 1);
    EXPECT_FALSE(breaker_.Allow()) << pause_ms;
    loop_.Advance(1);
    ASSERT_TRUE(breaker_.Allow()) << pause_ms;
    breaker_.Record(Failure::kUnreachable);
  }
  loop_.Advance(350);
  ASSERT_TRUE(breaker_.Allow());
  breaker_.Record(Failure::kNone);
  Fail(3);
  EXPECT_EQ(breaker_.state(), State::kOpen);
  loop_.Advance(100);
  EXPECT_TRUE(breaker_.Allow());
}

TEST_F(BreakerStateTest, ReportsEachChangeOnce) {
  std::vector<std::pair<State, State>> changes;
  breaker_.OnChange([&](State from, State to) { changes.emplace_back(from, to); });
  Fail(3);
  loop_.Advance(100);
  ASSERT_TRUE(breaker_.Allow());
  breaker_.Record(Failure::kNone);
  const std::vector<std::pair<State, State>> want = {{State::kClosed, State::kOpen},
                                                     {State::kOpen, State::kHalfOpen},
                                                     {State::kHalfOpen, State::kClosed}};
  EXPECT_EQ(changes, want);
}

// An upstream whose answers the test gives.
class ScriptedTier : public RegionalTier {
 public:
  std::string_view name() const override { return "scripted"; }
  void Get(GetRequest, GetDone done) override { gets.push_back(std::move(done)); }
  void Put(PutRequest, PutDone done) override { puts.push_back(std::move(done)); }
  void Invalidate(int, std::string, int64_t, PutDone done) override {
    puts.push_back(std::move(done));
  }
  Health health() const override {
    tiers::Health health;
    health.reachable = true;
    health.state = "connected";
    return health;
  }
  void Close(base::Task done) override { closed = std::move(done); }
  void Relay(RelayRequest, RelayDone done) override { relays.push_back(std::move(done)); }
  void RelayTransaction(TransactionRequest, RelayDone done) override {
    relays.push_back(std::move(done));
  }
  std::unique_ptr<RegionalLease> Lease(Failure* failure, std::string*) override {
    *failure = Failure::kOverloaded;
    return nullptr;
  }
  uint64_t generation() const override { return 7; }
  void OnNewGeneration(base::Function<void(uint64_t)> callback) override {
    on_new_generation = std::move(callback);
  }

  std::vector<GetDone> gets;
  std::vector<PutDone> puts;
  std::vector<RelayDone> relays;
  base::Task closed;
  base::Function<void(uint64_t)> on_new_generation;
};

class BreakerTest : public ::testing::Test {
 protected:
  BreakerTest() {
    auto inner = std::make_unique<ScriptedTier>();
    inner_ = inner.get();
    guarded_ = WithBreaker(std::unique_ptr<RegionalTier>(std::move(inner)), kOptions, &loop_);
  }

  void Get() {
    guarded_->Get({}, [this](GetResult result) { ends_.push_back(result.failure); });
  }
  void Relay() {
    guarded_->Relay({}, [this](RelayResult result) { ends_.push_back(result.failure); });
  }
  // Answers the oldest unanswered get.
  void AnswerGet(Failure failure) {
    GetDone done = std::move(inner_->gets.front());
    inner_->gets.erase(inner_->gets.begin());
    GetResult result;
    result.failure = failure;
    result.outcome = failure == Failure::kNone ? Outcome::kAbsent : Outcome::kFailed;
    result.detail = "the reason";
    done(std::move(result));
  }
  void Open() {
    for (int i = 0; i < 3; ++i) {
      Get();
      AnswerGet(Failure::kUnreachable);
    }
    ends_.clear();
  }

  FakeLoop loop_;
  ScriptedTier* inner_;
  std::unique_ptr<RegionalTier> guarded_;
  std::vector<Failure> ends_;
};

TEST_F(BreakerTest, AnswersWithoutAskingWhileOpenAndNeverInsideTheCall) {
  Open();
  std::string detail;
  guarded_->Get({}, [&](GetResult result) {
    ends_.push_back(result.failure);
    detail = result.detail;
  });
  Relay();
  guarded_->Put({}, [this](PutResult result) { ends_.push_back(result.failure); });
  guarded_->Invalidate(0, "k", 0, [this](PutResult result) { ends_.push_back(result.failure); });
  EXPECT_TRUE(ends_.empty());
  loop_.RunPosted();
  EXPECT_EQ(ends_, std::vector<Failure>(4, Failure::kBreakerOpen));
  EXPECT_NE(detail.find("the reason"), std::string::npos) << detail;
  EXPECT_TRUE(inner_->gets.empty());
  EXPECT_TRUE(inner_->puts.empty());
  EXPECT_TRUE(inner_->relays.empty());
}

TEST_F(BreakerTest, ProbesWithOneCallOfAnyKindAndClosesOnItsAnswer) {
  Open();
  loop_.Advance(100);
  Relay();
  Get();
  loop_.RunPosted();
  ASSERT_EQ(inner_->relays.size(), 1u);
  EXPECT_TRUE(inner_->gets.empty());
  EXPECT_EQ(ends_, std::vector<Failure>{Failure::kBreakerOpen});
  EXPECT_EQ(guarded_->health().state, "half_open");
  inner_->relays.front()(RelayResult{});
  Get();
  EXPECT_EQ(inner_->gets.size(), 1u);
  EXPECT_EQ(guarded_->health().state, "connected");
}

TEST_F(BreakerTest, AnswersToCallsFromBeforeItOpenedAreNotTakenForTheProbe) {
  Get();  // will be answered late
  for (int i = 0; i < 3; ++i) {
    Relay();
    inner_->relays[static_cast<size_t>(i)]({Failure::kTimeout, "", "", false});
  }
  loop_.Advance(100);
  Get();  // the probe
  ASSERT_EQ(inner_->gets.size(), 2u);
  AnswerGet(Failure::kNone);  // the late one
  EXPECT_EQ(guarded_->health().state, "half_open");
  AnswerGet(Failure::kTimeout);  // the probe
  EXPECT_EQ(guarded_->health().state, "open");
  EXPECT_FALSE(guarded_->health().reachable);
}

TEST_F(BreakerTest, PassesResultsAndTheRestOfTheInterfaceThrough) {
  Get();
  AnswerGet(Failure::kNone);
  EXPECT_EQ(ends_, std::vector<Failure>{Failure::kNone});
  EXPECT_EQ(guarded_->name(), "scripted");
  EXPECT_EQ(guarded_->generation(), 7u);
  uint64_t generation = 0;
  guarded_->OnNewGeneration([&](uint64_t now) { generation = now; });
  inner_->on_new_generation(8);
  EXPECT_EQ(generation, 8u);
  bool closed = false;
  guarded_->Close([&] { closed = true; });
  std::move(inner_->closed)();
  EXPECT_TRUE(closed);
}

}  // namespace
}  // namespace terrace::tiers
