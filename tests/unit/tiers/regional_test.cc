#include "tiers/regional.h"

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
#include "unit/support/redis_server.h"

namespace terrace::tiers {
namespace {

using testing::CannedServer;
using testing::HoldingProxy;
using testing::RedisServer;
using testing::TestLoop;

constexpr uint64_t kSeed = 20240117;

// One word for how a request ended, and the reply where there is one.
std::string Print(const RelayResult& result) {
  return result.failure == Failure::kNone ? result.reply
                                          : "(" + std::string(FailureName(result.failure)) + ")";
}
std::string Print(const GetResult& result) {
  if (result.outcome == Outcome::kValue) return result.value.bytes;
  if (result.outcome == Outcome::kAbsent) return "(absent)";
  return "(" + std::string(FailureName(result.failure)) + ")";
}
std::string Print(const PutResult& result) { return std::string(FailureName(result.failure)); }

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

TEST_F(RegionalTierTest, RelaysEveryTypeOfReplyByteForByte) {
  StartAndOpen();
  if (server_ == nullptr) return;
  EXPECT_EQ(Relay({"SET", "key", std::string("a\0\r\nb", 5)}), "+OK\r\n");
  EXPECT_EQ(Relay({"GET", "key"}), std::string("$5\r\na\0\r\nb\r\n", 11));
  EXPECT_EQ(Relay({"GET", "none"}), "$-1\r\n");
  EXPECT_EQ(Relay({"LPOP", "none", "2"}), "*-1\r\n");
  EXPECT_EQ(Relay({"STRLEN", "key"}), ":5\r\n");
  EXPECT_EQ(Relay({"SET", "empty", ""}), "+OK\r\n");
  EXPECT_EQ(Relay({"GET", "empty"}), "$0\r\n\r\n");
  EXPECT_EQ(Relay({"LRANGE", "none", "0", "-1"}), "*0\r\n");
  EXPECT_EQ(Relay({"EVAL", "return {1,{-2,'x',{}},false,{ok='fine'},{err='ERR bad'}}", "0"}),
            "*5\r\n:1\r\n*3\r\n:-2\r\n$1\r\nx\r\n*0\r\n$-1\r\n+fine\r\n-ERR bad\r\n");
  EXPECT_EQ(Relay({"EVAL", "return {'a',redis.call('LPOP','none','1'),'b'}", "0"}),
            "*3\r\n$1\r\na\r\n$-1\r\n$1\r\nb\r\n");

  std::optional<RelayResult> error;
  tier_->Relay(Command({"LPUSH", "key", "x"}), [&](RelayResult result) { error = result; });
  EXPECT_TRUE(loop_.RunUntil([&] { return error.has_value(); }));
  EXPECT_TRUE(error->is_error);
  EXPECT_EQ(error->failure, Failure::kNone);
  EXPECT_EQ(error->reply, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");

  const std::string large(3 << 20, 'x');
  EXPECT_EQ(Relay({"SET", "large", large}), "+OK\r\n");
  EXPECT_EQ(Relay({"GET", "large"}), "$3145728\r\n" + large + "\r\n");
}

TEST_F(RegionalTierTest, EverythingIsExecutedAndAnsweredInTheOrderOfTheCalls) {
  StartAndOpen();
  if (server_ == nullptr) return;
  Ledger ledger(&loop_);
  std::vector<std::string> texts(2000);
  for (size_t i = 0; i < texts.size(); i += 4) {
    tier_->Relay(Command({"INCR", "count"}), ledger.Expect(&texts[i]));
    tier_->Put(Store("copy", {Value::Form::kString, std::to_string(i), kNoTtl, true}),
               ledger.Expect(&texts[i + 1]));
    tier_->Relay(Command({"GET", "copy"}), ledger.Expect(&texts[i + 2]));
    tier_->Invalidate(0, "copy", loop_.InMs(5000), ledger.Expect(&texts[i + 3]));
  }
  ASSERT_TRUE(ledger.WaitForAll());
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(ledger.order()[i], i);
  for (size_t i = 0; i < texts.size(); i += 4) {
    const std::string number = std::to_string(i);
    EXPECT_EQ(texts[i], ":" + std::to_string(i / 4 + 1) + "\r\n");
    EXPECT_EQ(texts[i + 1], "none");
    EXPECT_EQ(texts[i + 2], "$" + std::to_string(number.size()) + "\r\n" + number + "\r\n");
    EXPECT_EQ(texts[i + 3], "none");
  }
  EXPECT_EQ(Relay({"EXISTS", "copy"}), ":0\r\n");
}

TEST_F(RegionalTierTest, GetBringsValuesOfAnyTypeWithTheirTimeToLive) {
  StartAndOpen();
  if (server_ == nullptr) return;
  server_->Call({"SET", "string", "value"});
  server_->Call({"RPUSH", "list", "a", "b", "c"});
  server_->Call({"PEXPIRE", "list", "60000"});

  const GetResult string = Get("string");
  EXPECT_EQ(string.outcome, Outcome::kValue);
  EXPECT_EQ(string.value.form, Value::Form::kDump);
  EXPECT_EQ(string.value.bytes, server_->Call({"DUMP", "string"}).text);
  EXPECT_EQ(string.value.ttl_ms, kNoTtl);

  const GetResult list = Get("list");
  EXPECT_EQ(list.value.bytes, server_->Call({"DUMP", "list"}).text);
  EXPECT_LT(list.value.ttl_ms, 60000);
  EXPECT_GT(list.value.ttl_ms, 50000);

  EXPECT_EQ(Get("none").outcome, Outcome::kAbsent);
  EXPECT_EQ(Get("list", 8).failure, Failure::kTooLarge);
  EXPECT_EQ(Get("list", 8).outcome, Outcome::kFailed);
  EXPECT_TRUE(Get("list", 8).value.bytes.empty());
}

TEST_F(RegionalTierTest, PutStoresEitherFormWithItsTimeToLive) {
  StartAndOpen();
  if (server_ == nullptr) return;
  EXPECT_EQ(Put("plain", {Value::Form::kString, "v", kNoTtl, true}).failure, Failure::kNone);
  EXPECT_EQ(server_->Call({"GET", "plain"}).text, "v");
  EXPECT_EQ(server_->Call({"PTTL", "plain"}).text, "-1");

  EXPECT_EQ(Put("plain", {Value::Form::kString, "w", 60000, true}).failure, Failure::kNone);
  EXPECT_GT(std::stoi(server_->Call({"PTTL", "plain"}).text), 50000);

  server_->Call({"RPUSH", "list", "a", "b"});
  Value dump = Get("list").value;
  dump.ttl_ms = 60000;
  EXPECT_EQ(Put("plain", dump).failure, Failure::kNone);  // another type is there
  EXPECT_EQ(server_->Call({"LRANGE", "plain", "0", "-1"}).Print(), "[\"a\" \"b\"]");
  EXPECT_GT(std::stoi(server_->Call({"PTTL", "plain"}).text), 50000);
  dump.ttl_ms = kNoTtl;
  EXPECT_EQ(Put("plain", dump).failure, Failure::kNone);
  EXPECT_EQ(server_->Call({"PTTL", "plain"}).text, "-1");

  // No time left is not "for ever", as RESTORE would have it.
  dump.ttl_ms = 0;
  EXPECT_EQ(Put("plain", dump).failure, Failure::kNone);
  EXPECT_EQ(server_->Call({"EXISTS", "plain"}).text, "0");

  const PutResult bad = Put("plain", {Value::Form::kDump, "not a dump", kNoTtl, true});
  EXPECT_EQ(bad.failure, Failure::kRefused);
  EXPECT_NE(bad.detail.find("DUMP payload"), std::string::npos);
}

TEST_F(RegionalTierTest, PutOnlyWhereAbsentLeavesWhatIsThere) {
  StartAndOpen();
  if (server_ == nullptr) return;
  const Value text{Value::Form::kString, "new", 60000, true};
  EXPECT_TRUE(Put("plain", text, true).stored);
  EXPECT_GT(std::stoi(server_->Call({"PTTL", "plain"}).text), 50000);
  const Value dump = Get("plain").value;
  EXPECT_TRUE(Put("copy", dump, true).stored);
  server_->Call({"SET", "copy", "old"});
  for (const Value& value : {text, dump, Value{Value::Form::kDump, "", 0, true}}) {
    const PutResult kept = Put("copy", value, true);
    EXPECT_EQ(kept.failure, Failure::kNone);
    EXPECT_FALSE(kept.stored);
    EXPECT_EQ(server_->Call({"GET", "copy"}).text, "old");
  }
}

TEST_F(RegionalTierTest, InvalidateRemovesAndAnAbsentKeyIsASuccess) {
  StartAndOpen();
  if (server_ == nullptr) return;
  server_->Call({"SET", "key", "v"});
  Ledger ledger(&loop_);
  tier_->Invalidate(0, "key", loop_.InMs(5000), ledger.Expect());
  tier_->Invalidate(0, "key", loop_.InMs(5000), ledger.Expect());
  ASSERT_TRUE(ledger.WaitForAll());
  EXPECT_EQ(ledger.count("none"), 2u);
  EXPECT_EQ(server_->Call({"EXISTS", "key"}).text, "0");
}

TEST_F(RegionalTierTest, EachRequestRunsInItsDatabase) {
  StartAndOpen();
  if (server_ == nullptr) return;
  Ledger ledger(&loop_);
  std::vector<std::string> refused(3);
  for (int round = 0; round < 50; ++round) {
    for (int database : {0, 1, 1, 5, 0, 5}) {
      const std::string number = std::to_string(database);
      tier_->Relay(Command({"RPUSH", "db" + number, number}, database), ledger.Expect());
    }
    if (round % 20 == 0) {
      tier_->Relay(Command({"SET", "stray", "x"}, 99),
                   ledger.Expect(&refused[static_cast<size_t>(round / 20)]));
    }
  }
  ASSERT_TRUE(ledger.WaitForAll());
  for (const std::string& text : refused) EXPECT_EQ(text, "(refused)");
  for (int database = 0; database < 16; ++database) {
    const std::string number = std::to_string(database);
    server_->Call({"SELECT", number});
    EXPECT_EQ(server_->Call({"EXISTS", "stray"}).text, "0") << database;
    const bool used = database == 0 || database == 1 || database == 5;
    EXPECT_EQ(server_->Call({"DBSIZE"}).text, used ? "1" : "0") << database;
    EXPECT_EQ(server_->Call({"LLEN", "db" + number}).text, used ? "100" : "0") << database;
  }
  EXPECT_EQ(tier_->generation(), 1u);
}

TEST_F(RegionalTierTest, ErrorsOfTheServerAreRefusals) {
  StartServer();
  if (server_ == nullptr) return;
  server_->Call(
      {"ACL", "SETUSER", "reader", "on", ">word", "~*", "+@all", "-dump", "-client|kill"});
  options_.username = "reader";
  options_.password = "word";
  Open();
  const GetResult result = Get("key");
  EXPECT_EQ(result.failure, Failure::kRefused);
  EXPECT_EQ(result.detail.substr(0, 6), "NOPERM");
}

TEST_F(RegionalTierTest, CommandsThatWouldDisturbTheSharedConnectionAreRefused) {
  StartAndOpen();
  if (server_ == nullptr) return;
  const std::vector<std::vector<std::string>> commands = {
      {"subscribe", "c"},
      {"MONITOR"},
      {"SELECT", "3"},
      {"MULTI"},
      {"Hello", "3"},
      {"BLPOP", "l", "0"},
      {"CLIENT", "reply", "off"},
      {"WAIT", "1", "0"},
      {"RESET"},
      {"QUIT"},
      {"SCRIPT", "DEBUG", "YES"},
      {"XREAD", "BLOCK", "0", "STREAMS", "s", "$"},
      {"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "block", "0", "STREAMS", "s", ">"}};
  for (const auto& command : commands) EXPECT_EQ(Relay(command), "(refused)") << command[0];
  EXPECT_EQ(Relay({"XREAD", "STREAMS", "block", "0"}), "*-1\r\n");
  EXPECT_EQ(Relay({"XREADGROUP", "GROUP", "block", "block", "STREAMS", "s", ">"}).substr(0, 8),
            "-NOGROUP");
  EXPECT_EQ(Relay({"CLIENT", "GETNAME"}), "$7\r\nterrace\r\n");
  EXPECT_EQ(tier_->generation(), 1u);
}

TEST_F(RegionalTierTest, LogsInAndSaysWhenItCannot) {
  StartServer({"--requirepass", "secret"});
  if (server_ == nullptr) return;
  options_.password = "wrong";
  Open();
  EXPECT_EQ(Relay({"PING"}), "(unreachable)");
  EXPECT_FALSE(tier_->health().reachable);
  EXPECT_EQ(tier_->health().state, "down");
  EXPECT_EQ(tier_->health().detail, "AUTH is refused (WRONGPASS)");
  Close();
  options_.password = "";
  Open();
  EXPECT_EQ(Relay({"PING"}), "(unreachable)");
  EXPECT_EQ(tier_->health().detail.substr(0, 6), "NOAUTH");
  Close();
  options_.password = "secret";
  Open();
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  EXPECT_TRUE(tier_->health().reachable);
  EXPECT_EQ(tier_->health().detail, "");
}

TEST_F(RegionalTierTest, ConnectsOverAUnixSocketAndByName) {
  StartServer();
  if (server_ == nullptr) return;
  options_.port = 1;
  options_.unix_socket = server_->socket_path();
  Open();
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  Close();
  options_.unix_socket = "";
  options_.port = server_->port();
  options_.host = "localhost";
  Open();
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  Close();
  options_.host = "no-such-host.invalid";
  Open();
  EXPECT_EQ(Relay({"PING"}), "(unreachable)");
}

TEST_F(RegionalTierTest, WaitsForTheFirstAttemptAndThenFailsAtOnce) {
  options_.port = testing::Listener().port();  // nobody listens there any more
  options_.reconnect_delay_min_ms = 2000;
  Open();
  EXPECT_EQ(tier_->health().state, "connecting");
  EXPECT_EQ(Relay({"PING"}), "(unreachable)");
  EXPECT_EQ(tier_->health().state, "down");
  const int64_t start_us = loop_.InMs(0);
  EXPECT_EQ(Relay({"PING"}), "(unreachable)");
  EXPECT_LT(loop_.InMs(0) - start_us, 900000);
  EXPECT_EQ(tier_->generation(), 0u);
}

TEST_F(RegionalTierTest, BeyondItsLimitsNothingIsSent) {
  StartServer();
  if (server_ == nullptr) return;
  options_.in_flight_max = 10;
  options_.queue_bytes_max = 10000;
  Open();
  Ledger ledger(&loop_);
  for (int i = 0; i < 15; ++i) tier_->Relay(Command({"INCR", "count"}), ledger.Expect());
  ASSERT_TRUE(ledger.WaitForAll());
  EXPECT_EQ(ledger.count("(overloaded)"), 5u);
  EXPECT_EQ(server_->Call({"GET", "count"}).text, "10");
  EXPECT_EQ(Relay({"SET", "key", std::string(20000, 'x')}), "(overloaded)");
  EXPECT_EQ(Relay({"SET", "key", std::string(5000, 'x')}), "+OK\r\n");
  EXPECT_EQ(Relay({"SET", "key", std::string(5000, 'x')}), "+OK\r\n");
}

TEST_F(RegionalTierTest, TheNewGenerationIsKnownBeforeAnythingIsAnswered) {
  StartServer();
  if (server_ == nullptr) return;
  Open();
  std::vector<std::string> log;
  Ledger ledger(&loop_);
  tier_->OnNewGeneration([&](uint64_t generation) {
    EXPECT_EQ(generation, tier_->generation());
    log.push_back("generation " + std::to_string(generation));
    tier_->Relay(Command({"ECHO", "asked by the callback"}), ledger.Expect());
  });
  EXPECT_EQ(tier_->generation(), 0u);
  tier_->Relay(Command({"PING"}), [&](RelayResult) { log.push_back("answer"); });
  ASSERT_TRUE(loop_.RunUntil([&] { return log.size() == 2; }));
  server_->Call({"CLIENT", "KILL", "TYPE", "normal"});
  ASSERT_TRUE(WaitForGeneration(2));
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  EXPECT_EQ(log, (std::vector<std::string>{"generation 1", "answer", "generation 2"}));
  EXPECT_EQ(ledger.count("$21\r\nasked by the callback\r\n"), 2u);
}

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
        loop_->get()->After(1, [this] { Ask(); });
      }
    });
  }
  void Stop() { stopped_ = true; }
  bool done() const { return answered_ == answers_.size(); }
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
  EXPECT_EQ(tier_->health().detail, "");
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
