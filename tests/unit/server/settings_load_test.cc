#include "server/settings_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "server/version.h"
#include "support/temp_dir.h"

namespace terrace::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Startup Load(std::vector<std::string> args) {
  std::vector<const char*> argv = {"terrace"};
  for (const std::string& arg : args) argv.push_back(arg.c_str());
  return LoadSettings(static_cast<int>(argv.size()), argv.data());
}

// Settings of a command line that must be good.
Settings Loaded(std::vector<std::string> args) {
  const Startup startup = Load(std::move(args));
  EXPECT_EQ(startup.action, Startup::Action::kServe) << startup.output;
  EXPECT_EQ(startup.output, "");
  return startup.settings;
}

// What a command line that must not serve says.
std::string Refused(std::vector<std::string> args) {
  const Startup startup = Load(std::move(args));
  EXPECT_EQ(startup.action, Startup::Action::kExit);
  EXPECT_EQ(startup.exit_code, 1);
  return startup.output;
}

TEST(SettingsLoad, NothingGivenIsAllDefaults) {
  const Settings settings = Loaded({});
  EXPECT_EQ(settings.port, 6379);
  EXPECT_EQ(settings.maxmemory, 0u);
  EXPECT_TRUE(settings.protected_mode);
  EXPECT_TRUE(settings.routes.empty());
  EXPECT_EQ(settings.dir, std::filesystem::current_path().string());
}

TEST(SettingsLoad, FlagsAreTheNamesOfRedis) {
  const Settings settings =
      Loaded({"--port", "7000", "--maxmemory", "1gb", "--threads", "1", "--enable-debug-command",
              "yes", "--maxmemory-policy=allkeys-lru", "--list-max-ziplist-size", "-3"});
  EXPECT_EQ(settings.port, 7000);
  EXPECT_EQ(settings.maxmemory, 1u << 30);
  EXPECT_EQ(settings.threads, 1);
  EXPECT_EQ(settings.enable_debug_command, Permission::kYes);
  EXPECT_EQ(settings.maxmemory_policy, "allkeys-lru");
  EXPECT_EQ(settings.list_max_listpack_size, -3);
}

TEST(SettingsLoad, FlagsOfListsTakeSeveralWords) {
  EXPECT_EQ(Loaded({"--bind", "127.0.0.1", "-::1", "--port", "1"}).bind,
            (std::vector<std::string>{"127.0.0.1", "-::1"}));
  EXPECT_EQ(Loaded({"--client-output-buffer-limit", "pubsub", "1mb", "1mb", "5"})
                .client_output_buffer_limit.pubsub,
            (OutputBufferLimit{1 << 20, 1 << 20, 5}));
  EXPECT_EQ(Loaded({"--save", "", "--port", "5"}).port, 5);
  EXPECT_EQ(Loaded({"--save", "900", "1", "--port", "5"}).save, "900 1");
  EXPECT_EQ(Loaded({"--port", "5", "--save"}).port, 5);
}

TEST(SettingsLoad, FlagsIgnoreCaseAndTellNoUnderscoresFromDashes) {
  EXPECT_EQ(Loaded({"--tcp_backlog", "7"}).tcp_backlog, 7);
  EXPECT_EQ(Loaded({"--parked_requests_max", "9"}).parked_requests_max, 9);
  EXPECT_EQ(Loaded({"--Parked-Requests-Max", "9"}).parked_requests_max, 9);
}

TEST(SettingsLoad, TablesOfTiersAreFlagsToo) {
  const Settings settings =
      Loaded({"--regional", "name = \"near\", host = \"10.0.0.5\", breaker.open_ms = \"1s\"",
              "--port", "5", "--route={prefix = \"a:\", regional = \"near\"}", "--route",
              R"(prefix="b:",ttl="1m")"});
  ASSERT_EQ(settings.regionals.size(), 1u);
  EXPECT_EQ(settings.regionals[0].options.host, "10.0.0.5");
  EXPECT_EQ(settings.regionals[0].breaker.open_ms, 1000);
  ASSERT_EQ(settings.routes.size(), 2u);
  EXPECT_EQ(settings.routes[0].regional, "near");
  EXPECT_EQ(settings.routes[1].ttl_ms, 60'000);
  EXPECT_EQ(settings.port, 5);
}

TEST(SettingsLoad, AFlagChangesTheTableOfTheFileThatHasItsNameOrAddsOne) {
  const terrace::test::TempDir dir;
  dir.Write("t.toml", R"(
[[regional]]
name = "near"
host = "10.0.0.5"
port = 7
[[route]]
prefix = "a:"
regional = "near"
ttl = "1h"
)");
  const Settings settings =
      Loaded({dir.path() / "t.toml", "--regional", R"(name = "near", host = "::1")", "--route",
              R"(prefix = "a:", ttl = "1m")", "--route", R"(prefix = "a:", jitter = 0.5)",
              "--route", R"(prefix = "b:", regional = "near", write = "spill")"});
  ASSERT_EQ(settings.regionals.size(), 1u);
  EXPECT_EQ(settings.regionals[0].options.host, "::1");
  EXPECT_EQ(settings.regionals[0].options.port, 7);
  ASSERT_EQ(settings.routes.size(), 2u);
  EXPECT_EQ(settings.routes[0].ttl_ms, 60'000);
  EXPECT_EQ(settings.routes[0].jitter, 0.5);
  EXPECT_EQ(settings.routes[1].write, WriteMode::kSpill);
}

TEST(SettingsLoad, WhatIsWrongWithATableOnTheCommandLineNamesTheFlag) {
  EXPECT_THAT(Refused({"--route", R"(prefix = "a:", tll = "1m")"}),
              HasSubstr("terrace: '--route prefix = \"a:\", tll = \"1m\"': error: unknown setting "
                        "'tll' of a [[route]] (did you mean 'ttl'?)"));
  EXPECT_THAT(Refused({"--route", "prefix = a"}), HasSubstr("'--route prefix = a': error: "));
  EXPECT_THAT(Refused({"--regional", R"(name = "a", password = "hidden", prot = 1)"}),
              AllOf(HasSubstr("'prot'"), Not(HasSubstr("hidden"))));
  EXPECT_THAT(Refused({"--route", R"(prefix = "a"}, {prefix = "b")"}),
              HasSubstr("expected one inline table"));
  EXPECT_THAT(Refused({"--route", "1}], routes = [{"}), HasSubstr("error: "));
  EXPECT_THAT(Refused({"--route", R"(prefix = "a", prefix = "b")"}), HasSubstr("error: "));
  EXPECT_THAT(Refused({"--route", R"(prefix = "", regional = "near")"}),
              HasSubstr("there is no [[regional]] named 'near'"));
  EXPECT_THAT(Refused({"--routes", "x"}), HasSubstr("did you mean 'route'?"));
}

TEST(SettingsLoad, ThePasswordMayLookLikeAnOption) {
  EXPECT_EQ(Loaded({"--requirepass", "-x"}).requirepass, "-x");
}

TEST(SettingsLoad, WrongFlagsAreExplained) {
  EXPECT_EQ(Refused({"--prot", "1"}), "terrace: unknown option '--prot' (did you mean 'port'?)\n");
  EXPECT_EQ(Refused({"--port", "x"}),
            "terrace: '--port x': argument couldn't be parsed into an integer\n");
  EXPECT_THAT(Refused({"--port"}), HasSubstr("--port"));
  EXPECT_THAT(Refused({"--cluster-node-timeout", "5"}), HasSubstr("not a node of a Redis Cluster"));
  EXPECT_THAT(Refused({"--save", "900"}), HasSubstr("Invalid save parameters"));
  EXPECT_THAT(Refused({"--daemonize", "yes"}), HasSubstr("supports only 'no'"));
  EXPECT_THAT(Refused({"a.toml", "b.toml"}), HasSubstr("unexpected argument 'b.toml'"));
}

TEST(SettingsLoad, HelpAndVersionExitWell) {
  const Startup help = Load({"--help"});
  EXPECT_EQ(help.action, Startup::Action::kExit);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, AllOf(HasSubstr("--maxmemory-policy"), HasSubstr("--check-config")));
  const Startup version = Load({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.output, HasSubstr(std::string(kVersion)));
}

class SettingsLoadFiles : public ::testing::Test {
 protected:
  std::string File(const std::string& name = "t.toml") const {
    return (dir_.path() / name).string();
  }

  const terrace::test::TempDir dir_;
};

TEST_F(SettingsLoadFiles, LaterSourcesWin) {
  dir_.Write("t.toml", "[server]\nport = 1\nhz = 11\n[memory]\nmaxmemory = 100\n");
  dir_.Write("t.toml.auto", "[server]\nhz = 12\n[memory]\nmaxmemory = 200\n");
  const Settings settings = Loaded({File(), "--maxmemory", "300"});
  EXPECT_EQ(settings.port, 1);
  EXPECT_EQ(settings.hz, 12);
  EXPECT_EQ(settings.maxmemory, 300u);

  const Startup startup = Load({"--config", File()});
  EXPECT_EQ(startup.files.base.hz, 11);
  EXPECT_EQ(startup.files.auto_names, (std::vector<std::string_view>{"hz", "maxmemory"}));
  EXPECT_EQ(startup.files.config_file, File());
}

TEST_F(SettingsLoadFiles, BadFilesPreventTheStart) {
  EXPECT_THAT(Refused({File("none.toml")}), HasSubstr("No such file or directory"));
  EXPECT_THAT(Refused({dir_.path().string()}), HasSubstr("Is a directory"));
  dir_.Write("t.toml", "[server]\nprot = 1\n");
  EXPECT_THAT(Refused({File()}), HasSubstr("t.toml:2:1: error: unknown setting 'prot'"));
  dir_.Write("t.toml", "");
  dir_.Write("t.toml.auto", "[server]\nport = true\n");
  EXPECT_THAT(Refused({File()}), HasSubstr("t.toml.auto:2:8: error: 'port'"));
}

TEST_F(SettingsLoadFiles, WarningsDoNotPreventTheStart) {
  dir_.Write("t.toml", "[[regional]]\nname = \"near\"\n");
  const Startup startup = Load({File()});
  EXPECT_EQ(startup.action, Startup::Action::kServe);
  EXPECT_THAT(startup.output, HasSubstr("t.toml:2:8: warning: no [[route]] uses"));
}

TEST_F(SettingsLoadFiles, CheckConfigTellsGoodFromBad) {
  dir_.Write("t.toml", "[server]\nport = 1\n[[route]]\nprefix = \"\"\n");
  const Startup good = Load({"--check-config", File()});
  EXPECT_EQ(good.action, Startup::Action::kExit);
  EXPECT_EQ(good.exit_code, 0);
  EXPECT_EQ(good.output, File() + ": ok (1 setting, 0 regionals, 0 origins, 1 route)\n");

  dir_.Write("t.toml",
             "[server]\nport = 1\n[[route]]\nprefix = \"\"\norigin = \"x\"\nttl = \"1y\"\n");
  EXPECT_THAT(Refused({"--check-config", File()}),
              AllOf(HasSubstr("t.toml:5:10: error: there is no [[origin]] named 'x'"),
                    HasSubstr("t.toml:6:7: error: 'ttl': argument must be a duration")));
  EXPECT_THAT(Refused({"--check-config", File("none")}), HasSubstr("cannot be read"));
}

TEST_F(SettingsLoadFiles, CheckConfigTakesTheOtherOptionsIntoAccount) {
  dir_.Write("t.toml", "[[route]]\nprefix = \"a:\"\nregional = \"near\"\n");
  EXPECT_THAT(Refused({"--check-config", File()}), HasSubstr("no [[regional]] named 'near'"));
  EXPECT_EQ(Load({"--check-config", File(), "--regional", "name = \"near\""}).exit_code, 0);
  EXPECT_THAT(Refused({"--check-config", File(), "--regional", "name = \"near\"", "--hz", "x"}),
              HasSubstr("terrace: '--hz x': "));
  EXPECT_THAT(Refused({"--check-config", File(), "--prot", "5"}),
              HasSubstr("unknown option '--prot' (did you mean 'port'?)"));
  EXPECT_THAT(Refused({"--check-config", File(), File()}), HasSubstr("names the file already"));
}

TEST_F(SettingsLoadFiles, CheckConfigLooksAtWhatConfigRewriteSaved) {
  dir_.Write("t.toml", "[server]\nport = 1\n");
  dir_.Write("t.toml.auto", "[server]\nport = true\n");
  EXPECT_THAT(Refused({"--check-config", File()}), HasSubstr("t.toml.auto:2:8: error: 'port'"));
}

TEST_F(SettingsLoadFiles, NamesWhatIsWrongWithTheFileAndWithTheFlagsAtOnce) {
  dir_.Write("t.toml", "[server]\nport = true\n");
  EXPECT_THAT(Refused({File(), "--hz", "x"}),
              AllOf(HasSubstr("t.toml:2:8: error: 'port'"), HasSubstr("terrace: '--hz x': ")));
}

TEST_F(SettingsLoadFiles, CheckConfigLooksAtWhatTheServerWouldRefuseToStartWith) {
  const auto refusal = [&](const std::string& text) {
    dir_.Write("t.toml", text);
    return Refused({"--check-config", File()});
  };
  EXPECT_THAT(refusal("[security]\nuser = [\"a on foo\"]\n"), HasSubstr("user 'a': Syntax error"));
  EXPECT_THAT(refusal("[security]\nuser = [\"a on\", \"a off\"]\n"), HasSubstr("a"));
  EXPECT_THAT(refusal("[security]\nuser = [\"a on\"]\naclfile = \"users.acl\"\n"),
              HasSubstr("not in both"));
  EXPECT_THAT(refusal("[security]\naclfile = \"missing.acl\"\n"), HasSubstr("missing.acl"));
  EXPECT_THAT(refusal("[log]\nlogfile = \"/missing/log\"\n"), HasSubstr("logfile"));
  const std::string origin =
      "[[origin]]\nname = \"o\"\nkind = \"http\"\nurl = \"https://localhost/{key}\"\nca_file = "
      "\"/missing.pem\"\n"
      "[[route]]\nprefix = \"\"\norigin = \"o\"\n";
  EXPECT_THAT(refusal(origin), HasSubstr("origin o: ca_file: cannot open /missing.pem"));
  EXPECT_THAT(Refused({"--config", File()}), HasSubstr("ca_file"));
}

}  // namespace
}  // namespace terrace::server
