#pragma once

// The fixture of the regional tier's tests: a real redis-server, a tier before it, and a ledger
// that expects every answer exactly once.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/tcp_server.h"
#include "support/test_loop.h"
#include "tiers/origin.h"
#include "tiers/regional.h"
#include "unit/support/redis_server.h"

namespace terrace::tiers {
using test::CannedServer;
using test::HoldingProxy;
using test::RedisServer;
using test::TestLoop;

constexpr uint64_t kSeed = 20240117;

// One word for how a request ended, and the reply where there is one.
inline std::string Print(const RelayResult& result) {
  return result.failure == Failure::kNone ? result.reply
                                          : "(" + std::string(FailureName(result.failure)) + ")";
}
inline std::string Print(const GetResult& result) {
  if (result.outcome == Outcome::kValue) return result.value.bytes;
  if (result.outcome == Outcome::kAbsent) return "(absent)";
  return "(" + std::string(FailureName(result.failure)) + ")";
}
inline std::string Print(const PutResult& result) {
  return std::string(FailureName(result.failure));
}

// Answers of requests, each expected exactly once and never inside the call.
class Ledger {
 public:
  explicit Ledger(TestLoop* loop) : loop_(loop) {}
  ~Ledger() {
    for (const auto& [number, count] : answers_) EXPECT_EQ(count, 1) << "request " << number;
  }

  // A callback to hand out; text receives what it is called with.
  auto Expect(std::string* text = nullptr) {
    const size_t number = answers_.size();
    answers_[number] = 0;
    return [this, number, text](auto result) {
      ++answers_[number];
      ++answered_;
      order_.push_back(number);
      last_us_ = loop_->InMs(0);
      ++by_print_[Print(result)];
      if (text != nullptr) *text = Print(result);
    };
  }

  size_t asked() const { return answers_.size(); }
  size_t answered() const { return answered_; }
  size_t count(const std::string& print) { return by_print_[print]; }
  const std::vector<size_t>& order() const { return order_; }
  int64_t last_us() const { return last_us_; }
  bool WaitForAll(int64_t limit_ms = 10000) {
    return loop_->RunUntil([this] { return answered_ >= answers_.size(); }, limit_ms);
  }

 private:
  TestLoop* const loop_;
  std::map<size_t, int> answers_;
  std::map<std::string, size_t> by_print_;
  std::vector<size_t> order_;
  size_t answered_ = 0;
  int64_t last_us_ = 0;
};

class RegionalTierTest : public ::testing::Test {
 protected:
  ~RegionalTierTest() override {
    if (tier_ != nullptr) Close();
  }

  void StartServer(const std::vector<std::string>& args = {}) {
    server_ = RedisServer::Start(args);
    if (server_ == nullptr) GTEST_SKIP() << "needs a redis-server on the PATH";
    options_.port = server_->port();
  }

  void Open() {
    options_.name = "region";
    tier_ = NewRegionalTier(options_, loop_.get(), kSeed);
  }

  // Serves a freshly started server.
  void StartAndOpen(const std::vector<std::string>& args = {}) {
    StartServer(args);
    if (server_ != nullptr) Open();
  }

  void Close() {
    bool closed = false;
    tier_->Close([&] { closed = true; });
    EXPECT_FALSE(closed) << "called back inside the call";
    EXPECT_TRUE(loop_.RunUntil([&] { return closed; }));
    tier_.reset();
  }

  RelayRequest Command(std::vector<std::string> args, int database = 0, int64_t ms = 5000) {
    return {database, std::move(args), loop_.InMs(ms)};
  }

  PutRequest Store(std::string key, Value value, bool only_if_absent = false) {
    PutRequest request;
    request.key = std::move(key);
    request.value = std::move(value);
    request.only_if_absent = only_if_absent;
    request.deadline_us = loop_.InMs(5000);
    return request;
  }

  std::string Relay(std::vector<std::string> args, int database = 0, int64_t ms = 5000) {
    std::string text;
    Ledger ledger(&loop_);
    tier_->Relay(Command(std::move(args), database, ms), ledger.Expect(&text));
    EXPECT_EQ(ledger.answered(), 0u) << "answered inside the call";
    EXPECT_TRUE(ledger.WaitForAll());
    return text;
  }

  std::string Transaction(std::vector<std::vector<std::string>> commands, int database = 0) {
    std::string text;
    Ledger ledger(&loop_);
    tier_->RelayTransaction({database, std::move(commands), loop_.InMs(5000)},
                            ledger.Expect(&text));
    EXPECT_TRUE(ledger.WaitForAll());
    return text;
  }

  GetResult Get(std::string key, size_t value_bytes_max = 0, int database = 0) {
    std::optional<GetResult> got;
    tier_->Get({database, std::move(key), loop_.InMs(5000), value_bytes_max},
               [&](GetResult result) { got = std::move(result); });
    EXPECT_TRUE(loop_.RunUntil([&] { return got.has_value(); }));
    return got.value_or(GetResult{});
  }

  PutResult Put(std::string key, Value value, bool only_if_absent = false) {
    std::optional<PutResult> got;
    tier_->Put(Store(std::move(key), std::move(value), only_if_absent),
               [&](PutResult result) { got = std::move(result); });
    EXPECT_TRUE(loop_.RunUntil([&] { return got.has_value(); }));
    return got.value_or(PutResult{});
  }

  bool WaitForGeneration(uint64_t generation, int64_t limit_ms = 10000) {
    return loop_.RunUntil([&] { return tier_->generation() >= generation; }, limit_ms);
  }

  TestLoop loop_;
  std::unique_ptr<RedisServer> server_;
  RegionalOptions options_;
  std::unique_ptr<RegionalTier> tier_;
};

}  // namespace terrace::tiers
