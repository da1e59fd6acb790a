// Scripts as a client sees them: what they reply, what they may not do, and the libraries they
// have.

#include <gtest/gtest.h>

#include <atomic>
#include <cctype>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "base/numbers.h"
#include "base/sha1.h"
#include "scripting/script_runner.h"
#include "unit/commands/command_fixture.h"

namespace terrace::scripting {
namespace {

// Runs commands on the keyspace of the outer command, which holds all its locks.
class DirectExecutor : public commands::Executor {
 public:
  explicit DirectExecutor(commands::Call* outer) : outer_(outer) {}

  std::string WhyDenied(const commands::Command&, commands::Args, Denial) override { return ""; }
  bool MayReadEveryKey(const commands::Command&, commands::Args) const override { return true; }
  bool HoldsAllLocks() const override { return true; }
  void Run(const commands::Command& command, commands::Args args, commands::Session& session,
           resp::Reply& reply) override {
    std::vector<int> positions;
    std::vector<uint64_t> hashes(args.size());
    ASSERT_TRUE(commands::FindKeys(command, args, &positions));
    for (const int at : positions) {
      hashes[static_cast<size_t>(at)] =
          base::HashBytes(args[static_cast<size_t>(at)], outer_->db.keyspace().hash_seed());
    }
    keyspace::Database database = outer_->db.Other(session.database);
    commands::Call call{
        command,          args,          reply,         database, session, outer_->limits,
        outer_->registry, outer_->clock, hashes.data(), this};
    command.handler(call);
  }
  int64_t BeginUnit() override { return outer_->clock.NowUs(); }
  int64_t WallUs() const override { return outer_->clock.WallUs(); }
  void CountRefused(const commands::Command*, std::string_view) override { ++refused; }

  int refused = 0;

 private:
  commands::Call* const outer_;
};

class ScriptsTest : public ::testing::Test {
 protected:
  std::string Eval(std::string_view script, std::vector<std::string_view> keys = {},
                   Writes writes = Writes::kAllowed) {
    base::Int64Text text;
    std::vector<std::string_view> args = {
        "eval", script, base::FormatInt64(static_cast<int64_t>(keys.size()), text)};
    args.insert(args.end(), keys.begin(), keys.end());
    return Run(args, [&](commands::Call& call) { runner_.Eval(call, writes); });
  }
  std::string EvalDigest(std::string_view digest) {
    const std::vector<std::string_view> args = {"evalsha", digest, "0"};
    return Run(args, [&](commands::Call& call) { runner_.EvalDigest(call, Writes::kAllowed); });
  }
  template <typename Handler>
  std::string Run(const std::vector<std::string_view>& args, Handler handler) {
    base::Buffer out;
    resp::Reply reply(&out, protocol_);
    session_.protocol = protocol_;
    keyspace::Database database(&keyspace_, 0, clock_.NowMs());
    const commands::Limits limits;
    const commands::Command row{.name = args[0]};
    commands::Call call{row, args, reply, database, session_, limits, registry_, clock_, nullptr};
    DirectExecutor executor(&call);
    call.executor = &executor;
    handler(call);
    return std::string(out.view());
  }

  commands::ManualClock clock_;
  base::Log log_{&clock_};
  std::atomic<bool> allows_all_{false};
  commands::Registry registry_{commands::DataFamilies()};
  keyspace::Keyspace keyspace_{{.shard_count = 4, .concurrent = false, .seed = 1}};
  commands::Session session_;
  ScriptStore store_;
  ScriptRunner runner_{{.log = &log_,
                        .clock = &clock_,
                        .redis_version = "7.2.6",
                        .allows_every_command = &allows_all_},
                       &store_,
                       nullptr};
  int protocol_ = 2;
};

TEST_F(ScriptsTest, ConvertsValuesToReplies) {
  EXPECT_EQ(Eval("return {1, 2.9, 'x', false, true, {ok='fine'}, {err='BAD thing'}}"),
            "*7\r\n:1\r\n:2\r\n$1\r\nx\r\n$-1\r\n:1\r\n+fine\r\n-BAD thing\r\n");
  EXPECT_EQ(Eval("return {1, nil, 3}"), "*1\r\n:1\r\n");
  EXPECT_EQ(Eval("return {double=3.5}"), "$3\r\n3.5\r\n");
  protocol_ = 3;
  EXPECT_EQ(Eval("return {double=3.5}"), ",3.5\r\n");
  EXPECT_EQ(Eval("return {map={a=1}}"), "%1\r\n$1\r\na\r\n:1\r\n");
  EXPECT_EQ(Eval("return {set={a=true}}"), "~1\r\n$1\r\na\r\n");
  EXPECT_EQ(Eval("return {big_number='12\\r\\n3'}"), "(12  3\r\n");
  EXPECT_EQ(Eval("return {verbatim_string={format='md', string='hi'}}"), "=6\r\nmd :hi\r\n");
  EXPECT_EQ(Eval("return true"), ":1\r\n");
  EXPECT_EQ(Eval("redis.setresp(3) return true"), "#t\r\n");
}

TEST_F(ScriptsTest, ConvertsRepliesToValues) {
  EXPECT_EQ(
      Eval("redis.call('hset', KEYS[1], 'f', 'v') return redis.call('hgetall', KEYS[1])", {"h"}),
      "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  EXPECT_EQ(Eval("redis.setresp(3) return redis.call('hgetall', KEYS[1]).map.f", {"h"}),
            "$1\r\nv\r\n");
  EXPECT_EQ(Eval("return redis.call('get', 'none') == false"), ":1\r\n");
  EXPECT_EQ(Eval("redis.setresp(3) return redis.call('get', 'none') == nil"), ":1\r\n");
  EXPECT_EQ(Eval("return redis.call('set', 'a', 1).ok"), "$2\r\nOK\r\n");
  EXPECT_EQ(Eval("redis.call('zadd', 'z', 1.5, 'm') redis.setresp(3) "
                 "return tostring(redis.call('zscore', 'z', 'm').double)"),
            "$3\r\n1.5\r\n");
}

TEST_F(ScriptsTest, NumbersKeepTheirDigits) {
  EXPECT_EQ(Eval("redis.call('set', 'n', 9007199254740991) return redis.call('get', 'n')"),
            "$16\r\n9007199254740991\r\n");
  EXPECT_EQ(Eval("redis.call('set', 'n', 0.1) return redis.call('get', 'n')"), "$3\r\n0.1\r\n");
}

// Found as a double free, by the address sanitizer at once and as a crash later on without it.
TEST_F(ScriptsTest, ATableWhoseArrayShrinksToNothingIsFreedOnce) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Eval("local kept = {} for i = 1, 200 do local t = {1} t[1] = nil t.a = 1 "
                   "kept[i] = t end local s = {} for i = 1, 200 do s[i] = {i} end "
                   "kept = nil collectgarbage() return #s"),
              ":200\r\n");
  }
}

TEST_F(ScriptsTest, ErrorsSayWhere) {
  EXPECT_EQ(Eval("return redis.call('incr', 'x', 'y')"),
            "-ERR Wrong number of args calling Redis command from script script: " +
                base::Sha1Hex("return redis.call('incr', 'x', 'y')") + ", on @user_script:1.\r\n");
  EXPECT_EQ(Eval("return redis.pcall('lpush', 'l')"),
            "-ERR Wrong number of args calling Redis command from script\r\n");
  EXPECT_TRUE(Eval("error('mine')").starts_with("-ERR user_script:1: mine script: "));
  EXPECT_TRUE(Eval("error({err='CODE mine'})").starts_with("-CODE mine script: "));
  EXPECT_EQ(Eval("local ok, why = pcall(redis.call, 'nope') return why"),
            "$44\r\nERR Unknown Redis command called from script\r\n");
  EXPECT_TRUE(Eval("if").starts_with("-ERR Error compiling script (new function): user_script:1:"));
}

// Valkey's name of the same functions. What it is called by is what its errors name.
TEST_F(ScriptsTest, ServerIsAnotherNameOfRedis) {
  EXPECT_EQ(Eval("server.call('set', 'k', server.sha1hex('')) return redis.call('get', 'k')"),
            "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n");
  EXPECT_EQ(Eval("return server.REDIS_VERSION == redis.REDIS_VERSION"), ":1\r\n");
  EXPECT_EQ(Eval("return server.pcall('lpush', 'l')"),
            "-ERR Wrong number of args calling command from script\r\n");
  EXPECT_EQ(Eval("return server.pcall('nope')"), "-ERR Unknown command called from script\r\n");
  EXPECT_EQ(Eval("return server.pcall({})"),
            "-ERR Command arguments must be strings or integers\r\n");
  EXPECT_EQ(Eval("return redis.pcall({})"),
            "-ERR Lua redis lib command arguments must be strings or integers\r\n");
  EXPECT_TRUE(Eval("server.setresp()").starts_with("-ERR server.setresp() requires one argument."));
  EXPECT_TRUE(Eval("redis.setresp()").starts_with("-ERR redis.setresp() requires one argument."));
  EXPECT_TRUE(
      Eval("server.call = 1").starts_with("-ERR user_script:1: Attempt to modify a readonly"));
}

TEST_F(ScriptsTest, OfTheSystemThereIsTheClock) {
  EXPECT_EQ(Eval("local names = {} for name in pairs(os) do table.insert(names, name) end "
                 "return {names, os.clock() >= 0}"),
            "*2\r\n*1\r\n$5\r\nclock\r\n:1\r\n");
  EXPECT_NE(Eval("os.exit()").find("attempt to call field 'exit'"), std::string::npos);
}

TEST_F(ScriptsTest, ReadOnlyScriptsDoNotWrite) {
  EXPECT_TRUE(Eval("return redis.call('set', 'a', 1)", {}, Writes::kForbidden)
                  .starts_with("-ERR Write commands are not allowed from read-only scripts."));
  EXPECT_TRUE(Eval("#!lua flags=no-writes\nreturn redis.call('set', 'a', 1)")
                  .starts_with("-ERR Write commands are not allowed from read-only scripts."));
  EXPECT_EQ(Eval("#!lua\nreturn 1", {}, Writes::kForbidden),
            "-ERR Can not execute a script with write flag using *_ro command.\r\n");
  EXPECT_EQ(Eval("#!lua flags=odd\nreturn 1"), "-ERR Unexpected flag in script shebang: odd\r\n");
}

TEST_F(ScriptsTest, NothingGetsOutOfTheSandbox) {
  for (const char* script : {
           "x = 1",
           "redis.call = 1",
           "string.rep = 1",
           "rawset(_G, 'x', 1)",
           "rawset(redis, 'x', 1)",
           "setmetatable(_G, {})",
           "setmetatable(redis, {})",
           "getmetatable(_G).__index = nil",
           "getmetatable('').__index = nil",
           "getmetatable('').__index.rep = nil",
           "table.insert(redis, 1)",
           "table.sort(redis)",
           "_G.redis = nil",
           "for _, t in pairs(_G) do if type(t) == 'table' then t.x = 1 end end",
       }) {
    EXPECT_NE(Eval(script).find("Attempt to modify a readonly table"), std::string::npos) << script;
  }
  for (const char* script :
       {"return print", "return io", "return debug", "return require", "return dofile"}) {
    EXPECT_NE(Eval(script).find("nonexistent global variable"), std::string::npos) << script;
  }
  EXPECT_EQ(Eval("return (loadstring(string.dump(function() return 1 end))) == nil"), ":1\r\n");
  EXPECT_NE(Eval("return unpack({}, -2147483648, 2147483647)").find("too many results"),
            std::string::npos);
  EXPECT_EQ(Eval("setfenv(0, {}) return 1"), ":1\r\n");
  EXPECT_EQ(Eval("return type(redis)"), "$5\r\ntable\r\n");
}

TEST_F(ScriptsTest, PacksRecords) {
  EXPECT_EQ(Eval("return struct.pack('>I2<I2', 258, 258)"), "$4\r\n\x01\x02\x02\x01\r\n");
  EXPECT_EQ(Eval("return struct.pack('>H', 0/0) .. struct.pack('>I8', 0/0)"),
            std::string("$10\r\n\0\0\x80\0\0\0\0\0\0\0\r\n", 17));
  EXPECT_EQ(Eval("return {struct.unpack('>hBs', struct.pack('>hBs', -2, 255, 'ab'))}"),
            "*4\r\n:-2\r\n:255\r\n$2\r\nab\r\n:7\r\n");
  EXPECT_EQ(Eval("return struct.size('!8bd')"), ":16\r\n");
  EXPECT_EQ(Eval("return struct.unpack('Bc0', '\\3abcd')"), "$3\r\nabc\r\n");
  EXPECT_NE(Eval("return struct.unpack('I4', 'abc')").find("data string too short"),
            std::string::npos);
  EXPECT_NE(Eval("return struct.pack('c99999999999', 'x')").find("integral size overflow"),
            std::string::npos);
  EXPECT_NE(Eval("return struct.unpack('c0', 'abc')").find("needs a previous size"),
            std::string::npos);
}

TEST_F(ScriptsTest, PacksMessages) {
  EXPECT_EQ(
      Eval("return cmsgpack.pack({1, -1, 200, 'a', true, 1.5})"),
      std::string_view("$13\r\n\x96\x01\xff\xcc\xc8\xa1\x61\xc3\xca\x3f\xc0\x00\x00\r\n", 20));
  EXPECT_EQ(Eval("local t = cmsgpack.unpack(cmsgpack.pack({a={1,2}})) return t.a"),
            "*2\r\n:1\r\n:2\r\n");
  EXPECT_EQ(Eval("return {cmsgpack.unpack_one(cmsgpack.pack(1, 2), 0)}"), "*2\r\n:1\r\n:1\r\n");
  EXPECT_NE(Eval("return cmsgpack.unpack('\\217\\255')").find("Missing bytes"), std::string::npos);
  EXPECT_NE(Eval("return cmsgpack.unpack('\\193')").find("Bad data format"), std::string::npos);
  EXPECT_EQ(Eval("local t = {} t.t = t return #cmsgpack.pack(t) > 16"), ":1\r\n");
}

TEST_F(ScriptsTest, ReadsAndWritesJson) {
  EXPECT_EQ(Eval("return cjson.encode({1, 2.5, 'a\"', cjson.null, {}})"),
            "$21\r\n[1,2.5,\"a\\\"\",null,{}]\r\n");
  EXPECT_EQ(Eval("return cjson.decode('{\"a\":[1,2]}').a"), "*2\r\n:1\r\n:2\r\n");
  EXPECT_NE(Eval("return cjson.decode(string.rep('[', 2000))").find("nested data structures"),
            std::string::npos);
  EXPECT_NE(Eval("return cjson.decode('{')").find("Expected"), std::string::npos);
}

TEST_F(ScriptsTest, WritesJsonAfterALargeText) {
  for (const char* keep : {"true", "false"}) {
    EXPECT_EQ(Eval("cjson.encode_keep_buffer(" + std::string(keep) +
                   ") local large = #cjson.encode(string.rep('x', 3e6)) "
                   "return {large, cjson.encode({1}), tostring(cjson.encode_keep_buffer())}"),
              "*3\r\n:3000002\r\n$3\r\n[1]\r\n$" + std::to_string(std::strlen(keep)) + "\r\n" +
                  keep + "\r\n");
  }
}

// lua-cjson would grow its buffer for ever.
TEST_F(ScriptsTest, RefusesToWriteMoreJsonThanFitsABuffer) {
  const auto refuses = [this](const std::string& script) {
    return Eval(script).find("text may exceed 1000000000 bytes") != std::string::npos;
  };
  const std::string doubled = "local t = string.rep('x', 1e6) for i = 1, 40 do t = {t, t} end ";
  EXPECT_TRUE(refuses(doubled + "return cjson.encode(t)"));
  EXPECT_TRUE(refuses(doubled + "return cjson.new().encode({[7] = {key = t}})"));
  EXPECT_TRUE(
      refuses("local t, k = 1, string.rep('k', 1e6) "
              "for i = 1, 40 do t = {{[k] = t}, {[k] = t}} end return cjson.encode(t)"));
  const std::string sparse = "local j = cjson.new() j.encode_sparse_array(true, 0) ";
  EXPECT_TRUE(refuses(sparse + "return j.encode({[3e8] = 1})"));
  EXPECT_EQ(Eval(sparse + "return j.encode({[4] = 1})"), "$18\r\n[null,null,null,1]\r\n");

  // What lua-cjson refuses by itself is not measured.
  EXPECT_NE(Eval("return cjson.encode({[3e8] = 1})").find("excessively sparse array"),
            std::string::npos);
  EXPECT_NE(Eval("local t = {} t.t = t return cjson.encode(t)").find("excessive nesting (1001)"),
            std::string::npos);
}

TEST_F(ScriptsTest, RefusesToPackMoreThanAClientCanSend) {
  EXPECT_NE(Eval("local t = string.rep('x', 1e7) for i = 1, 15 do t = {t, t} end "
                 "return cmsgpack.pack(t)")
                .find("more than 512 MB"),
            std::string::npos);
}

TEST_F(ScriptsTest, ComputesOnBits) {
  EXPECT_EQ(Eval("return bit.tohex(0xdeadbeef)"), "$8\r\ndeadbeef\r\n");
  EXPECT_EQ(Eval("return bit.tohex(65535, -2147483648)"), "$8\r\n0000FFFF\r\n");
  EXPECT_EQ(Eval("return bit.bor(1, 2, 4)"), ":7\r\n");
  EXPECT_EQ(Eval("return bit.arshift(-8, 1)"), ":-4\r\n");
  EXPECT_NE(Eval("return bit.band('x')").find("number expected"), std::string::npos);
}

TEST_F(ScriptsTest, ScriptsAreKeptByTheirDigestUntilTheyAreFlushed) {
  Eval("return 'kept'");
  EXPECT_NE(store_.Find(base::Sha1Hex("return 'kept'")), nullptr);
  std::string upper_case = base::Sha1Hex("return 'kept'");
  for (char& c : upper_case) c = static_cast<char>(std::toupper(c));
  EXPECT_NE(store_.Find(upper_case), nullptr);
  store_.Flush();
  EXPECT_EQ(store_.Find(base::Sha1Hex("return 'kept'")), nullptr);
  EXPECT_EQ(Eval("return 'kept'"), "$4\r\nkept\r\n");
  EXPECT_EQ(store_.count(), 1u);
}

TEST_F(ScriptsTest, ADigestInCapitalsRunsTheScriptThatIsCompiledAlready) {
  Eval("return 'kept'");
  std::string digest = base::Sha1Hex("return 'kept'");
  for (char& c : digest) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(EvalDigest(digest), "$4\r\nkept\r\n");
  const size_t before = runner_.vm_bytes();
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(EvalDigest(digest), "$4\r\nkept\r\n");
  EXPECT_LT(runner_.vm_bytes(), before + 65536);
}

TEST(Sha1, IsThatOfTheStandard) {
  EXPECT_EQ(base::Sha1Hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(base::Sha1Hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(base::Sha1Hex(std::string(119, 'a')), "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56");
}

}  // namespace
}  // namespace terrace::scripting
