#include "server/config_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "server/settings_file.h"
#include "support/temp_dir.h"

namespace terrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using Pairs = std::vector<ConfigTable::Pair>;

class ConfigTableTest : public ::testing::Test {
 protected:
  Pairs Get(std::vector<std::string> patterns) { return ConfigTable::Get(settings_, patterns); }

  std::string Set(const Pairs& pairs, ConfigTable::Client client = ConfigTable::Client::kRemote) {
    return table_.Set(settings_, pairs, client);
  }

  Settings settings_;
  // What the callback saw: "name=maxmemory", and what it refuses.
  std::vector<std::string> applied_;
  std::string refused_;
  ConfigTable table_{
      {}, [this](std::string_view name, const Settings& settings) {
        if (name == refused_) return std::string("it does not fit");
        applied_.push_back(std::string(name) + "=" + std::to_string(settings.maxmemory));
        return std::string();
      }};
};

TEST_F(ConfigTableTest, GetMatchesPatternsAndNamesOnce) {
  EXPECT_THAT(Get({"maxmemory"}), ElementsAre(Pair("maxmemory", "0")));
  EXPECT_THAT(Get({"maxmem*", "maxmemory", "MAXMEMORY-S*"}),
              ElementsAre(Pair("maxmemory", "0"), Pair("maxmemory-policy", "noeviction"),
                          Pair("maxmemory-samples", "8"), Pair("maxmemory-clients", "0")));
  EXPECT_THAT(Get({"nothing", "no*thing"}), ElementsAre());
  EXPECT_THAT(Get({"save"}), ElementsAre(Pair("save", "")));
  EXPECT_GT(Get({"*"}).size(), 60u);
}

TEST_F(ConfigTableTest, GetAnswersAliasesAndTheSpellingOfTheClient) {
  EXPECT_THAT(Get({"hash-max-*-entries"}), ElementsAre(Pair("hash-max-listpack-entries", "512"),
                                                       Pair("hash-max-ziplist-entries", "512")));
  EXPECT_THAT(Get({"MaxMemory"}), ElementsAre(Pair("MaxMemory", "0")));
}

TEST_F(ConfigTableTest, SetChangesSeveralAtOnceAndAppliesThem) {
  EXPECT_EQ(Set({{"maxmemory", "100mb"}, {"MAXMEMORY-POLICY", "allkeys-lru"}}), "");
  EXPECT_EQ(settings_.maxmemory, 100u << 20);
  EXPECT_EQ(settings_.maxmemory_policy, "allkeys-lru");
  EXPECT_THAT(applied_, ElementsAre("maxmemory=104857600", "maxmemory-policy=104857600"));
}

TEST_F(ConfigTableTest, SetAppliesOnlyWhatDiffers) {
  EXPECT_EQ(Set({{"maxmemory", "0"}, {"hz", "10"}}), "");
  EXPECT_THAT(applied_, ElementsAre());
}

TEST_F(ConfigTableTest, SetChangesNothingWhenOneValueIsBad) {
  EXPECT_EQ(Set({{"maxmemory", "1"}, {"maxmemory-clients", "200%"}, {"hz", "x"}}),
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - "
            "percentage argument must be less or equal to 100");
  EXPECT_EQ(settings_.maxmemory, 0u);
  EXPECT_THAT(applied_, ElementsAre());
}

TEST_F(ConfigTableTest, SetGoesBackWhenTheServerCannotApplyIt) {
  refused_ = "maxclients";
  EXPECT_EQ(Set({{"maxmemory", "7"}, {"maxclients", "9"}, {"hz", "20"}}),
            "ERR CONFIG SET failed (possibly related to argument 'maxclients') - "
            "it does not fit");
  EXPECT_EQ(settings_.maxmemory, 0u);
  EXPECT_EQ(settings_.maxclients, 10000);
  EXPECT_EQ(settings_.hz, 10);
  // Applied, and then applied again with the old value.
  EXPECT_THAT(applied_, ElementsAre("maxmemory=7", "maxmemory=0"));
}

TEST_F(ConfigTableTest, SetRefusesUnknownAndRepeatedNames) {
  EXPECT_EQ(Set({{"maxmemory", "1"}, {"foo", "bar"}}),
            "ERR Unknown option or number of arguments for CONFIG SET - 'foo'");
  EXPECT_EQ(Set({{"maxmemory", "1"}, {"maxmemory", "2"}}),
            "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - "
            "duplicate parameter");
  EXPECT_THAT(Set({{"hash-max-ziplist-value", "1"}, {"hash-max-listpack-value", "2"}}),
              HasSubstr("duplicate parameter"));
  EXPECT_EQ(settings_.maxmemory, 0u);
}

TEST_F(ConfigTableTest, SetKeepsWhatOnlyARestartCanChange) {
  EXPECT_EQ(Set({{"DAEMONIZE", "yes"}}),
            "ERR CONFIG SET failed (possibly related to argument 'DAEMONIZE') - "
            "can't set immutable config");
  EXPECT_THAT(Set({{"port", "1"}}), HasSubstr("can't set immutable config"));
  EXPECT_EQ(settings_.port, 6379);
  EXPECT_EQ(Set({{"port", "6379"}}), "");
}

TEST_F(ConfigTableTest, EverySettingAcceptsTheValueItHas) {
  settings_.enable_protected_configs = Permission::kYes;
  for (const auto& [name, value] : Get({"*"})) {
    EXPECT_EQ(Set({{name, value}}), "") << name;
  }
  EXPECT_THAT(applied_, ElementsAre("dir=0"));  // "." has become an absolute path.
}

TEST_F(ConfigTableTest, ProtectedSettingsAskWhoTheClientIs) {
  const std::string refusal =
      "ERR CONFIG SET failed (possibly related to argument 'dbfilename') - "
      "can't set protected config";
  const Pairs pairs = {{"dbfilename", "x.rdb"}};
  EXPECT_EQ(Set(pairs, ConfigTable::Client::kLocal), refusal);
  settings_.enable_protected_configs = Permission::kLocal;
  EXPECT_EQ(Set(pairs, ConfigTable::Client::kRemote), refusal);
  EXPECT_EQ(Set(pairs, ConfigTable::Client::kLocal), "");
  settings_.enable_protected_configs = Permission::kYes;
  EXPECT_EQ(Set({{"dbfilename", "y.rdb"}}, ConfigTable::Client::kRemote), "");
}

TEST_F(ConfigTableTest, PasswordsAreSensitive) {
  EXPECT_TRUE(ConfigTable::IsSensitive("RequirePass"));
  EXPECT_FALSE(ConfigTable::IsSensitive("maxmemory"));
  EXPECT_FALSE(ConfigTable::IsSensitive("foo"));
}

TEST_F(ConfigTableTest, RewriteNeedsAConfigurationFile) {
  EXPECT_EQ(table_.Rewrite(settings_), "ERR The server is running without a config file");
}

class ConfigRewrite : public ::testing::Test {
 protected:
  Startup Start(std::vector<const char*> flags = {}) {
    std::vector<const char*> argv = {"terrace", file_.c_str()};
    argv.insert(argv.end(), flags.begin(), flags.end());
    Startup startup = LoadSettings(static_cast<int>(argv.size()), argv.data());
    EXPECT_EQ(startup.action, Startup::Action::kServe) << startup.output;
    return startup;
  }

  static std::string Set(ConfigTable& table, Settings& settings, const Pairs& pairs) {
    return table.Set(settings, pairs, ConfigTable::Client::kLocal);
  }

  std::string Read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(dir_.path() / name).rdbuf();
    return text.str();
  }

  const terrace::test::TempDir dir_;
  const std::string file_ = (dir_.path() / "t.toml").string();
};

constexpr std::string_view kConfig = "[memory]\nmaxmemory = \"1mb\"  # mine\n[server]\nhz = 50\n";

TEST_F(ConfigRewrite, RuntimeChangesSurviveARestartAndTheFileIsUntouched) {
  dir_.Write("t.toml", kConfig);
  Startup first = Start();
  ConfigTable table(first.files);
  ASSERT_EQ(Set(table, first.settings,
                {{"maxmemory", "2mb"},
                 {"requirepass", "a\"b\\c"},
                 {"notify-keyspace-events", "KEA"},
                 {"client-output-buffer-limit", "normal 1mb 2mb 3"},
                 {"maxmemory-clients", "7%"},
                 {"latency-tracking-info-percentiles", "1 2.5"},
                 {"list-max-listpack-size", "-4"},
                 {"lazyfree-lazy-user-del", "yes"},
                 {"parked_ms_max", "1500"}}),
            "");
  ASSERT_EQ(table.Rewrite(first.settings), "");
  EXPECT_EQ(Read("t.toml"), kConfig);

  const Startup second = Start();
  const std::vector<std::string> all = {"*"};
  EXPECT_EQ(ConfigTable::Get(second.settings, all), ConfigTable::Get(first.settings, all));
}

TEST_F(ConfigRewrite, OnlyWhatWasChangedAtRunTimeIsSaved) {
  dir_.Write("t.toml", kConfig);
  Startup startup = Start({"--maxclients", "77"});
  ConfigTable table(startup.files);
  ASSERT_EQ(Set(table, startup.settings, {{"hz", "60"}}), "");
  ASSERT_EQ(table.Rewrite(startup.settings), "");
  EXPECT_THAT(Read("t.toml.auto"), HasSubstr("[server]\nhz = 60\n"));
  EXPECT_THAT(Read("t.toml.auto"), Not(HasSubstr("maxclients")));
  EXPECT_THAT(Read("t.toml.auto"), Not(HasSubstr("maxmemory")));
}

TEST_F(ConfigRewrite, WhatWasSavedBeforeStaysUntilItIsTheFilesValueAgain) {
  dir_.Write("t.toml", kConfig);
  dir_.Write("t.toml.auto", "[server]\nhz = 60\ntimeout = 5\n");
  Startup startup = Start();
  ConfigTable table(startup.files);
  ASSERT_EQ(table.Rewrite(startup.settings), "");
  EXPECT_THAT(Read("t.toml.auto"), HasSubstr("timeout = 5\n"));
  EXPECT_THAT(Read("t.toml.auto"), HasSubstr("hz = 60\n"));

  ASSERT_EQ(Set(table, startup.settings, {{"hz", "50"}}), "");
  ASSERT_EQ(table.Rewrite(startup.settings), "");
  EXPECT_THAT(Read("t.toml.auto"), HasSubstr("timeout = 5\n"));
  EXPECT_THAT(Read("t.toml.auto"), Not(HasSubstr("hz")));
}

TEST_F(ConfigRewrite, TheSavedFileIsForItsOwnerOnlyAndReplacedInOneStep) {
  dir_.Write("t.toml", kConfig);
  Startup startup = Start();
  ConfigTable table(startup.files);
  ASSERT_EQ(table.Rewrite(startup.settings), "");
  struct stat status {};
  ASSERT_EQ(stat((file_ + ".auto").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_FALSE(std::filesystem::exists(file_ + ".auto.new"));
}

TEST_F(ConfigRewrite, AFailureIsReportedAndKeepsTheOldFile) {
  dir_.Write("t.toml", kConfig);
  Startup startup = Start();
  ConfigTable table(startup.files);
  // A directory in the way: nothing can be renamed over it.
  dir_.Write("t.toml.auto/keep", "x");
  EXPECT_THAT(table.Rewrite(startup.settings), HasSubstr("ERR Rewriting config file: "));
  EXPECT_EQ(Read("t.toml.auto/keep"), "x");
  EXPECT_FALSE(std::filesystem::exists(file_ + ".auto.new"));
}

class ConfigReload : public ConfigRewrite {};

TEST_F(ConfigReload, WhatCanChangeLiveIsAppliedAndTheRestIsNamed) {
  dir_.Write("t.toml", kConfig);
  Startup startup = Start({"--maxclients", "77"});
  std::vector<std::string> applied;
  ConfigTable table(startup.files, [&applied](std::string_view name, const Settings&) {
    applied.emplace_back(name);
    return std::string();
  });
  dir_.Write("t.toml",
             "[memory]\nmaxmemory = \"3mb\"\n[server]\nhz = 50\nport = 1\nmaxclients = 5\n"
             "[[route]]\nprefix = \"\"\n");
  const auto result = table.Reload(startup.settings);
  EXPECT_EQ(result.error, "");
  EXPECT_THAT(result.changed, ElementsAre("maxmemory"));
  EXPECT_THAT(result.needs_restart, ElementsAre("port", "tiers"));
  EXPECT_THAT(applied, ElementsAre("maxmemory"));
  EXPECT_EQ(startup.settings.maxmemory, 3u << 20);
  EXPECT_EQ(startup.settings.port, 6379);
  EXPECT_EQ(startup.settings.maxclients, 77);  // The flag still wins.
  EXPECT_TRUE(startup.settings.routes.empty());
}

TEST_F(ConfigReload, ABadFileChangesNothing) {
  dir_.Write("t.toml", kConfig);
  Startup startup = Start();
  ConfigTable table(startup.files);
  dir_.Write("t.toml", "[server]\nhz = 60\n[memory]\nmaxmemroy = 1\n");
  const auto result = table.Reload(startup.settings);
  EXPECT_THAT(result.error, HasSubstr("t.toml:4:1: error: unknown setting 'maxmemroy'"));
  EXPECT_THAT(result.changed, ElementsAre());
  EXPECT_EQ(startup.settings.hz, 50);
}

TEST_F(ConfigReload, ARefusedSettingTakesTheOthersBack) {
  dir_.Write("t.toml", kConfig);
  Startup startup = Start();
  ConfigTable table(startup.files, [](std::string_view name, const Settings&) {
    return name == "maxmemory" ? std::string("no room") : std::string();
  });
  dir_.Write("t.toml", "[server]\nhz = 60\n[memory]\nmaxmemory = 7\n");
  const auto result = table.Reload(startup.settings);
  EXPECT_THAT(result.error, HasSubstr("'maxmemory') - no room"));
  EXPECT_THAT(result.changed, ElementsAre());
  EXPECT_EQ(startup.settings.hz, 50);
  EXPECT_EQ(startup.settings.maxmemory, 1u << 20);
}

TEST_F(ConfigReload, SavedChangesStayAndUnsavedOnesGo) {
  dir_.Write("t.toml", kConfig);
  Startup startup = Start();
  ConfigTable table(startup.files);
  ASSERT_EQ(Set(table, startup.settings, {{"hz", "60"}}), "");
  ASSERT_EQ(table.Rewrite(startup.settings), "");
  ASSERT_EQ(Set(table, startup.settings, {{"timeout", "9"}}), "");
  EXPECT_THAT(table.Reload(startup.settings).changed, ElementsAre("timeout"));
  EXPECT_EQ(startup.settings.hz, 60);
  EXPECT_EQ(startup.settings.timeout, 0);
  ASSERT_EQ(table.Rewrite(startup.settings), "");
  EXPECT_THAT(Read("t.toml.auto"), HasSubstr("hz = 60\n"));
  EXPECT_THAT(Read("t.toml.auto"), Not(HasSubstr("timeout")));
}

}  // namespace
}  // namespace terrace::server
