#include "tiers/regional.h"

#include <gtest/gtest.h>

#include "keyspace/dump.h"
#include "unit/tiers/regional_fixture.h"

namespace terrace::tiers {
namespace {

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

TEST_F(RegionalTierTest, TransactionsExecuteAsOneAndKeepTheirPlaceAmongTheOthers) {
  StartAndOpen();
  if (server_ == nullptr) return;
  EXPECT_EQ(Transaction({{"SET", "a", "1"}, {"INCR", "a"}, {"LPUSH", "a", "x"}, {"GET", "none"}}),
            "*4\r\n+OK\r\n:2\r\n"
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n$-1\r\n");
  EXPECT_EQ(Transaction({{"INCR", "a"}, {"NONSENSE"}}).substr(0, 65),
            "-EXECABORT Transaction discarded because of: ERR unknown command ");
  EXPECT_EQ(Transaction({{"INCR", "a"}}, 5), "*1\r\n:1\r\n");
  // Nothing of others gets in between, in whatever order they are asked.
  Ledger ledger(&loop_);
  std::vector<std::string> texts(300);
  for (size_t i = 0; i < texts.size(); i += 3) {
    tier_->Relay(Command({"INCR", "n"}, static_cast<int>(i % 2)), ledger.Expect(&texts[i]));
    tier_->RelayTransaction({0, {{"SET", "n", "0"}, {"INCR", "n"}, {"GET", "n"}}, loop_.InMs(5000)},
                            ledger.Expect(&texts[i + 1]));
    tier_->Relay(Command({"INCR", "n"}), ledger.Expect(&texts[i + 2]));
  }
  ASSERT_TRUE(ledger.WaitForAll());
  for (size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(ledger.order()[i], i);
  for (size_t i = 0; i < texts.size(); i += 3) {
    EXPECT_EQ(texts[i + 1], "*3\r\n+OK\r\n:1\r\n$1\r\n1\r\n");
    EXPECT_EQ(texts[i + 2], ":2\r\n");
  }
}

TEST_F(RegionalTierTest, ATransactionThatTheServerDoesNotTakeLeavesTheConnectionInOrder) {
  StartAndOpen();
  if (server_ == nullptr) return;
  ASSERT_TRUE(WaitForGeneration(1));
  server_->Call({"ACL", "SETUSER", "default", "-multi"});
  EXPECT_EQ(Transaction({{"INCR", "a"}, {"GET", "a"}}), "(protocol)");
  EXPECT_EQ(Relay({"GET", "a"}), "$1\r\n1\r\n");
  server_->Call({"ACL", "SETUSER", "default", "+multi"});
  EXPECT_EQ(Transaction({{"INCR", "a"}}), "*1\r\n:2\r\n");
  EXPECT_EQ(tier_->generation(), 1u);
}

TEST_F(RegionalTierTest, EverythingIsExecutedAndAnsweredInTheOrderOfTheCalls) {
  StartAndOpen();
  if (server_ == nullptr) return;
  Ledger ledger(&loop_);
  std::vector<std::string> texts(2000);
  for (size_t i = 0; i < texts.size(); i += 4) {
    tier_->Relay(Command({"INCR", "count"}), ledger.Expect(&texts[i]));
    tier_->Put(Store("copy", {Value::Form::kString, std::to_string(i)}),
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
  EXPECT_EQ(string.value.deadline_ms, keyspace::kNoDeadline);

  const GetResult list = Get("list");
  EXPECT_EQ(list.value.bytes, server_->Call({"DUMP", "list"}).text);
  EXPECT_LE(list.value.deadline_ms, loop_.get()->clock().NowMs() + 60000);
  EXPECT_GT(list.value.deadline_ms, loop_.get()->clock().NowMs() + 50000);

  // It is the length of a string that counts, not that of its compressed payload.
  server_->Call({"SET", "long", std::string(10000, 'x')});
  EXPECT_LT(Get("long").value.bytes.size(), 1000u);
  EXPECT_EQ(Get("long", 9999).failure, Failure::kTooLarge);
  EXPECT_EQ(Get("long", 10000).outcome, Outcome::kValue);
  EXPECT_EQ(Get("string", 5).outcome, Outcome::kValue);

  EXPECT_EQ(Get("none").outcome, Outcome::kAbsent);
  EXPECT_EQ(Get("list", 8).failure, Failure::kTooLarge);
  EXPECT_EQ(Get("list", 8).outcome, Outcome::kFailed);
  EXPECT_TRUE(Get("list", 8).value.bytes.empty());
}

TEST_F(RegionalTierTest, PutStoresEitherFormWithItsTimeToLive) {
  StartAndOpen();
  if (server_ == nullptr) return;
  EXPECT_EQ(Put("plain", {Value::Form::kString, "v"}).failure, Failure::kNone);
  EXPECT_EQ(server_->Call({"GET", "plain"}).text, "v");
  EXPECT_EQ(server_->Call({"PTTL", "plain"}).text, "-1");

  EXPECT_EQ(Put("plain", {Value::Form::kString, "w", loop_.get()->clock().NowMs() + 60000}).failure,
            Failure::kNone);
  EXPECT_GT(std::stoi(server_->Call({"PTTL", "plain"}).text), 50000);

  server_->Call({"RPUSH", "list", "a", "b"});
  Value dump = Get("list").value;
  dump.deadline_ms = loop_.get()->clock().NowMs() + 60000;
  EXPECT_EQ(Put("plain", dump).failure, Failure::kNone);  // another type is there
  EXPECT_EQ(server_->Call({"LRANGE", "plain", "0", "-1"}).Print(), "[\"a\" \"b\"]");
  EXPECT_GT(std::stoi(server_->Call({"PTTL", "plain"}).text), 50000);
  dump.deadline_ms = keyspace::kNoDeadline;
  EXPECT_EQ(Put("plain", dump).failure, Failure::kNone);
  EXPECT_EQ(server_->Call({"PTTL", "plain"}).text, "-1");

  // No time left is not "for ever", as RESTORE would have it.
  dump.deadline_ms = loop_.get()->clock().NowMs();
  EXPECT_EQ(Put("plain", dump).failure, Failure::kNone);
  EXPECT_EQ(server_->Call({"EXISTS", "plain"}).text, "0");

  const PutResult bad = Put("plain", {Value::Form::kDump, "not a dump"});
  EXPECT_EQ(bad.failure, Failure::kRefused);
  EXPECT_NE(bad.detail.find("DUMP payload"), std::string::npos);
}

// A put may wait, here and there: what it stores must end when the value ends here.
TEST_F(RegionalTierTest, PutThatIsExecutedLateEndsInTime) {
  StartAndOpen({"--enable-debug-command", "yes"});
  if (server_ == nullptr) return;
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  const base::Clock& clock = loop_.get()->clock();
  for (const Value::Form form : {Value::Form::kString, Value::Form::kDump}) {
    Value value{form, "v", clock.NowMs() + 60000};
    if (form == Value::Form::kDump) value.bytes = keyspace::EncodeStringDump("v");
    Ledger ledger(&loop_);
    tier_->Relay(Command({"DEBUG", "SLEEP", "0.2"}), ledger.Expect());
    tier_->Put(Store("late", value), ledger.Expect());
    ASSERT_TRUE(ledger.WaitForAll());
    EXPECT_EQ(ledger.count("none"), 1u);
    const int64_t ends_ms = std::stoll(server_->Call({"PEXPIRETIME", "late"}).text);
    const int64_t wanted_ms = value.deadline_ms + clock.WallMs() - clock.NowMs();
    EXPECT_LE(ends_ms, wanted_ms);
    EXPECT_GT(ends_ms, wanted_ms - 100);
  }
}

TEST_F(RegionalTierTest, PutOnlyWhereAbsentLeavesWhatIsThere) {
  StartAndOpen();
  if (server_ == nullptr) return;
  const Value text{Value::Form::kString, "new", loop_.get()->clock().NowMs() + 60000};
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
  EXPECT_EQ(tier_->health().last_error, "AUTH is refused (WRONGPASS)");
  Close();
  options_.password = "";
  Open();
  EXPECT_EQ(Relay({"PING"}), "(unreachable)");
  EXPECT_EQ(tier_->health().last_error.substr(0, 6), "NOAUTH");
  Close();
  options_.password = "secret";
  Open();
  EXPECT_EQ(Relay({"PING"}), "+PONG\r\n");
  EXPECT_TRUE(tier_->health().reachable);
  EXPECT_EQ(tier_->health().last_error, "");
  EXPECT_EQ(tier_->health().warning, "");
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
  options_.port = test::Listener().port();  // nobody listens there any more
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

}  // namespace
}  // namespace terrace::tiers
