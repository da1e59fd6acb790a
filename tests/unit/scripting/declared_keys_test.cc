// Which scripts are proven to touch only their keys, which are not, and a search for one that is
// wrongly so. SCRIPT_PROOF_SEED repeats it; SCRIPT_PROOF_COUNT makes it longer.

#include "scripting/declared_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "scripting/library_builder.h"
#include "scripting/vm.h"
#include "unit/commands/command_fixture.h"

namespace terrace::scripting {
namespace {

// Runs nothing; remembers whether a command had a key that begins with what no given key does.
class WatchingExecutor : public commands::Executor {
 public:
  std::string WhyDenied(const commands::Command&, commands::Args, Denial) override { return ""; }
  bool MayReadEveryKey(const commands::Command&, commands::Args) const override { return true; }
  bool HoldsAllLocks() const override { return false; }
  void Run(const commands::Command& command, commands::Args args, commands::Session&,
           resp::Reply& reply) override {
    std::vector<int> positions;
    if (!command.has(commands::kNoLocks) && commands::FindKeys(command, args, &positions)) {
      for (const int at : positions) {
        ++keys;
        strayed |= !args[static_cast<size_t>(at)].starts_with("key:");
      }
    }
    strayed |= command.has(commands::kAllShards) || command.has(commands::kTakesLocks);
    reply.Integer(1);
  }
  int64_t BeginUnit() override { return 0; }
  int64_t WallUs() const override { return 0; }
  void CountRefused(const commands::Command*, std::string_view) override {}

  size_t keys = 0;
  bool strayed = false;
};

class EndSoon : public Supervisor {
 public:
  bool OnProgress(Run&) override { return false; }
  void OnEnd(Run&) override {}
};

class DeclaredKeysTest : public ::testing::Test {
 protected:
  bool IsProven(std::string_view script) {
    std::string error;
    const int reference = scripts_.Compile(script, "@user_script", &error);
    EXPECT_EQ(error, "") << script;
    const bool is_proven = scripts_.TouchesOnlyGivenKeys(reference, registry_);
    scripts_.Release(reference);
    return is_proven;
  }
  bool IsFunctionProven(std::string_view library) {
    LibraryBuilder builder;
    EXPECT_EQ(functions_.LoadLibrary(library, Vm::LoadLimit::kNone, builder), "") << library;
    return functions_.TouchesOnlyGivenKeys(builder.functions().begin()->second.reference,
                                           registry_);
  }

  commands::ManualClock clock_;
  base::Log log_{&clock_};
  std::atomic<bool> allows_all_{false};
  const Host host_{.log = &log_,
                   .clock = &clock_,
                   .redis_version = "7.2.6",
                   .allows_every_command = &allows_all_};
  EndSoon end_soon_;
  commands::Registry registry_{commands::DataFamilies()};
  Vm scripts_{Vm::Kind::kScript, host_, &end_soon_};
  Vm functions_{Vm::Kind::kFunction, host_, nullptr};
};

TEST_F(DeclaredKeysTest, CommonScriptsAreProven) {
  for (const std::string_view script : {
           "return 1",
           "return redis.call('incr', KEYS[1])",
           "return redis.pcall('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])",
           "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else "
           "return 0 end",
           "redis.call('DECRBY', KEYS[1], ARGV[1]) redis.call('INCRBY', KEYS[2], ARGV[1]) return "
           "redis.call('GET', KEYS[1])",
           "return redis.call('MGET', unpack(KEYS))",
           "return redis.call('mset', KEYS[1], ARGV[1], KEYS[2], ARGV[2])",
           "return redis.call('sadd', KEYS[1], unpack(ARGV))",
           "return redis.call('del', KEYS[1], unpack(KEYS, 2))",
           "for i = 1, #KEYS do redis.call('set', KEYS[i], ARGV[i]) end",
           "for i, key in ipairs(KEYS) do redis.call('set', key, i) end",
           "for _, key in pairs(KEYS) do redis.call('del', key) end",
           "local key, call = KEYS[1], redis.call local total = 0 for i = 1, 3 do total = total + "
           "call('llen', key) end return total",
           "local ok, why = pcall(function() return redis.call('get', KEYS[1]) end) return ok",
           "local a, b = unpack(KEYS) return redis.call('rename', a, b)",
           "local key = KEYS[tonumber(ARGV[1])] while redis.call('llen', key) > 0 do "
           "redis.call('lpop', key) end",
           "local key if ARGV[1] then key = KEYS[1] else key = KEYS[2] end return "
           "redis.call('get', key)",
           "local now = redis.call('time') redis.call('zadd', KEYS[1], now[1], ARGV[1]) return "
           "cjson.encode({now[1], redis.sha1hex('x')})",
           "redis.call('publish', ARGV[1], ARGV[2]) redis.call('select', 3) return "
           "redis.status_reply('FINE')",
           "return redis.call('object', 'encoding', KEYS[1])",
           "local t = {} for i = 1, 100 do t[#t + 1] = KEYS[1] .. i end return t",
       }) {
    const bool is_of_server =
        script.find("time") != script.npos || script.find("publish") != script.npos;
    // The commands of the server are not in this table.
    EXPECT_EQ(IsProven(script), !is_of_server) << script;
  }
}

TEST_F(DeclaredKeysTest, OthersAreNot) {
  for (const std::string_view script : {
           "return redis.call('get', 'other')",
           "return redis.call('get', ARGV[1])",
           "return redis.call('get', KEYS[1] .. ':x')",
           "return redis.call('get', KEYS[1] or 'other')",
           "return redis.call('set', KEYS[1], 1, unpack(ARGV)) and redis.call('del', unpack(ARGV))",
           "return redis.call('del', KEYS[1], unpack(ARGV))",
           "return redis.call('mset', KEYS[1], 1, ARGV[1], 2)",
           "return redis.call(ARGV[1], KEYS[1])",
           "return redis.call(unpack(ARGV))",
           "return redis.call('randomkey')",
           "return redis.call('dbsize')",
           "return redis.call('scan', 0)",
           "return redis.call('flushall')",
           "return redis.call('sort', KEYS[1], 'by', 'weight_*')",
           "return redis.call('eval', 'x', 0)",
           "return redis['call']('get', 'other')",
           "return redis[ARGV[1]]('get', 'other')",
           "local f = redis.call return pcall(f, 'get', 'other')",
           "return pcall(redis.call, 'get', 'other')",
           "local r = redis local f = function() return r.call('get', 'other') end return f()",
           "local call = redis.call local f = function(key) return call('get', key) end return "
           "f('other')",
           "local f = function(key) return redis.call('get', key) end return f('other')",
           "local t = {redis.call} return t[1]('get', 'other')",
           "local t = {} t.f = redis return t.f.call('get', 'other')",
           "local f if ARGV[1] then f = redis.call else f = tostring end return f('get', 'other')",
           "local f = tostring for i = 1, 2 do f('get', 'other') f = redis.call end",
           "KEYS[1] = 'other' return redis.call('get', KEYS[1])",
           "local k = KEYS k[1] = 'other' return redis.call('get', KEYS[1])",
           "table.insert(KEYS, 'other') return redis.call('get', KEYS[2])",
           "rawset(KEYS, 1, 'other') return redis.call('get', KEYS[1])",
           "local t = {KEYS} t[1][1] = 'other' return redis.call('get', KEYS[1])",
           "local f = function() return KEYS end f()[1] = 'other' return redis.call('get', "
           "KEYS[1])",
           "local key = KEYS[1] local f = function() key = 'other' end f() return "
           "redis.call('get', key)",
           "local key = KEYS[1] for i = 1, 2 do redis.call('get', key) key = 'other' end",
           "for key in pairs(KEYS) do redis.call('get', key) end",
           "for i, key in ipairs(ARGV) do redis.call('get', key) end",
           "local next_key, keys, i = ipairs(KEYS) return redis.call('get', 'other')",
           "return _G.redis.call('get', 'other')",
           "return getfenv().redis.call('get', 'other')",
           "return loadstring('return redis.call(\"get\", \"other\")')()",
           "setfenv(1, {}) return redis.call('get', KEYS[1])",
           "setmetatable(KEYS, {}) return redis.call('get', KEYS[1])",
           "local t = {[KEYS] = 1} for keys in pairs(t) do keys[1] = 'other' end return "
           "redis.call('get', KEYS[1])",
           "return select(2, 'x', redis.call)('get', 'other')",
       }) {
    EXPECT_FALSE(IsProven(script)) << script;
  }
}

TEST_F(DeclaredKeysTest, FunctionsAreProvenByTheirParameter) {
  const auto library = [](std::string_view before, std::string_view function) {
    return std::string(before) + " redis.register_function('f', " + std::string(function) + ")";
  };
  EXPECT_TRUE(IsFunctionProven(
      library("", "function(keys, args) return redis.call('set', keys[1], args[1]) end")));
  EXPECT_TRUE(IsFunctionProven(
      library("local ttl = 10",
              "function(keys) for _, k in ipairs(keys) do redis.call('expire', k, ttl) end end")));
  for (const std::string_view function : {
           "function(keys, args) return redis.call('get', args[1]) end",
           "function(keys, args) keys[1] = args[1] return redis.call('get', keys[1]) end",
           "function(...) local keys, args = ... return redis.call('get', keys[1]) end",
           "function(keys) return helper(keys) end",
           "function(keys) kept = keys return redis.call('get', keys[1]) end",
           "function(keys) return redis.call('get', kept[1]) end",
           "function(keys) return run('get', 'other') end",
           "function(keys) local f = function() keys[1] = 'other' end f() return "
           "redis.call('get', keys[1]) end",
       }) {
    EXPECT_FALSE(IsFunctionProven(
        library("local kept, run local function helper(keys) return 1 end", function)))
        << function;
  }
}

// Writes scripts that pass the dangerous values around in all ways there are.
class ScriptWriter {
 public:
  explicit ScriptWriter(uint64_t seed) : rng_(seed) {}

  std::string Write() {
    text_ = "local a, b, c, d ";
    Block(0);
    return text_;
  }

 private:
  size_t Below(size_t count) { return rng_.Next() % count; }
  template <size_t count>
  std::string Pick(const char* const (&words)[count]) {
    return words[Below(count)];
  }
  std::string Variable() { return Pick({"a", "b", "c", "d"}); }
  std::string Expression(int depth) {
    if (depth < 2 && Below(3) == 0) {
      switch (Below(9)) {
        case 0:
          return Variable() + " or " + Expression(depth + 1);
        case 1:
          return Variable() + " and " + Expression(depth + 1);
        case 2:
          return "{" + Expression(depth + 1) + "}";
        case 3:
          return "(" + Expression(depth + 1) + ")[" + Pick({"1", "'call'", "a"}) + "]";
        case 4:
          return "(" + Expression(depth + 1) + ")(" + Expression(depth + 1) + ")";
        case 5:
          return "function() " + Statement(depth + 1) + " return " + Expression(depth + 1) + " end";
        case 6:
          return "function(a, b) " + Statement(depth + 1) + " return " + Variable() + " end";
        case 7:
          return Pick({"unpack", "ipairs", "pcall", "tostring"}) + "(" + Expression(depth + 1) +
                 ")";
        default:
          return Command();
      }
    }
    return Pick({"KEYS", "KEYS[1]", "KEYS[2]", "redis", "redis.call", "redis.pcall", "'other'",
                 "ARGV", "ARGV[1]", "nil", "a", "b", "c", "d", "unpack", "1"});
  }
  std::string Command() {
    const std::string callee =
        Below(4) == 0 ? Variable() : Pick({"redis.call", "redis.call", "redis.pcall"});
    const std::string words = Below(2) == 0 ? "'get', " : Pick({"'mget', ", "'del', KEYS[1], "});
    return callee + "(" + words +
           Pick({"KEYS[1]", "a", "b", "c", "d", "unpack(KEYS)", "unpack(a)"}) + ")";
  }
  std::string Statement(int depth) {
    switch (Below(depth < 3 ? 11 : 6)) {
      case 0:
      case 1:
        return Variable() + " = " + Expression(0) + " ";
      case 2:
        return "local " + Variable() + " = " + Expression(0) + " ";
      case 3:
        return Variable() + ", " + Variable() + " = " + Expression(0) + ", " + Expression(1) + " ";
      case 4:
        return "local _ = " + Command() + " ";
      case 5:
        return "if type(" + Variable() + ") == 'table' then " + Variable() +
               "[1] = " + Expression(1) + " end ";
      case 6:
        return "if " + Variable() + " then " + Statement(depth + 1) + "else " +
               Statement(depth + 1) + "end ";
      case 7:
        return "for i = 1, 2 do " + Statement(depth + 1) + Statement(depth + 1) + "end ";
      case 8:
        return "for b, c in " + Pick({"ipairs(KEYS)", "pairs(KEYS)", "ipairs(ARGV)"}) + " do " +
               Statement(depth + 1) + Statement(depth + 1) + "end ";
      case 9:
        return "pcall(function() " + Statement(depth + 1) + Statement(depth + 1) + "end) ";
      default:
        return "do " + Statement(depth + 1) + Statement(depth + 1) + "end ";
    }
  }
  void Block(int depth) {
    const size_t count = 2 + Below(6);
    for (size_t i = 0; i < count; ++i) text_ += Statement(depth);
  }

  base::Rng rng_;
  std::string text_;
};

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST_F(DeclaredKeysTest, WhatIsProvenDoesNotStray) {
  const uint64_t seed = NumberFrom("SCRIPT_PROOF_SEED", std::random_device()());
  const uint64_t count = NumberFrom("SCRIPT_PROOF_COUNT", 20'000);
  std::cout << "SCRIPT_PROOF_SEED=" << seed << "\n";
  ScriptWriter writer(seed);
  keyspace::Keyspace keyspace{{.shard_count = 4, .concurrent = false, .seed = 1}};
  keyspace::Database database(&keyspace, 0, 0);
  commands::Session session;
  const commands::Limits limits;
  const commands::Command row{.name = "eval"};
  size_t proven = 0, reached = 0, unproven_strayed = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string script = writer.Write();
    std::string error;
    const int reference = scripts_.Compile(script, "@user_script", &error);
    ASSERT_EQ(error, "") << script;
    const bool is_proven = scripts_.TouchesOnlyGivenKeys(reference, registry_);
    base::Buffer out;
    resp::Reply reply(&out, 2);
    WatchingExecutor executor;
    commands::Call call{row,    {},        reply,  database, session,
                        limits, registry_, clock_, nullptr,  &executor};
    scripting::Run run(call, scripting::Run::Kind::kScript, "script");
    scripts_.Call(run, reference, std::vector<std::string_view>{"key:1", "key:2"},
                  std::vector<std::string_view>{"other:1"});
    scripts_.Release(reference);
    proven += is_proven;
    reached += is_proven && executor.keys > 0;
    unproven_strayed += !is_proven && executor.strayed;
    ASSERT_FALSE(is_proven && executor.strayed) << script;
  }
  // The search is worth something only while it finds all three.
  EXPECT_GT(proven, count / 100);
  EXPECT_GT(reached, count / 1000);
  EXPECT_GT(unproven_strayed, count / 100);
  std::cout << proven << " proven, " << reached << " of them touched keys; " << unproven_strayed
            << " of the others strayed\n";
}

}  // namespace
}  // namespace terrace::scripting
