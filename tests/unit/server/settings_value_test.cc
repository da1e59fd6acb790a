#include "server/settings_value.h"

#include <gtest/gtest.h>

#include <string>

#include "support/temp_dir.h"

namespace terrace::server {
namespace {

class SettingsValue : public ::testing::Test {
 protected:
  std::string Set(std::string_view name, std::string_view text) {
    const auto* row = FindSetting(name);
    return SetValue(row->info, row->field(settings_), text);
  }
  std::string Get(std::string_view name) {
    const auto* row = FindSetting(name);
    return GetValue(row->info, row->field(settings_));
  }
  std::string Toml(std::string_view name) {
    const auto* row = FindSetting(name);
    return TomlValue(row->info, row->field(settings_));
  }

  Settings settings_;
};

TEST_F(SettingsValue, BoolsAreYesAndNo) {
  EXPECT_EQ(Set("protected-mode", "NO"), "");
  EXPECT_FALSE(settings_.protected_mode);
  EXPECT_EQ(Get("protected-mode"), "no");
  EXPECT_EQ(Toml("protected-mode"), "false");
  EXPECT_EQ(Set("protected-mode", "maybe"), "argument must be 'yes' or 'no'");
  EXPECT_FALSE(settings_.protected_mode);
}

TEST_F(SettingsValue, IntegersKeepTheirRange) {
  EXPECT_EQ(Set("port", "7000"), "");
  EXPECT_EQ(settings_.port, 7000);
  EXPECT_EQ(Set("port", "65536"), "argument must be between 0 and 65535 inclusive");
  EXPECT_EQ(Set("port", "-1"), "argument must be between 0 and 65535 inclusive");
  EXPECT_EQ(Set("port", "70a"), "argument couldn't be parsed into an integer");
  EXPECT_EQ(Set("port", ""), "argument couldn't be parsed into an integer");
  EXPECT_EQ(settings_.port, 7000);
  EXPECT_EQ(Set("list-max-listpack-size", "-5"), "");
  EXPECT_EQ(Get("list-max-listpack-size"), "-5");
}

TEST_F(SettingsValue, SizesHaveUnits) {
  EXPECT_EQ(Set("maxmemory", "1Gb"), "");
  EXPECT_EQ(Get("maxmemory"), "1073741824");
  EXPECT_EQ(Toml("maxmemory"), "\"1gb\"");
  EXPECT_EQ(Set("maxmemory", "10000001"), "");
  EXPECT_EQ(Toml("maxmemory"), "10000001");
  EXPECT_EQ(Set("maxmemory", "1.5gb"), "argument must be a memory value");
  EXPECT_EQ(Set("maxmemory", "-1"), "argument must be a memory value");
  EXPECT_EQ(Set("proto-max-bulk-len", "1"),
            "argument must be between 1048576 and 9223372036854775807 inclusive");
}

TEST_F(SettingsValue, ClientMemoryIsASizeOrAPercentage) {
  EXPECT_EQ(Set("maxmemory-clients", "5%"), "");
  EXPECT_EQ(settings_.maxmemory_clients, -5);
  EXPECT_EQ(Get("maxmemory-clients"), "5%");
  EXPECT_EQ(Toml("maxmemory-clients"), "\"5%\"");
  EXPECT_EQ(Set("maxmemory-clients", "100mb"), "");
  EXPECT_EQ(Get("maxmemory-clients"), "104857600");
  EXPECT_EQ(Set("maxmemory-clients", "200%"), "percentage argument must be less or equal to 100");
  EXPECT_EQ(Set("maxmemory-clients", "%"), "argument must be a memory or percent value");
}

TEST_F(SettingsValue, PermissionsAreOctal) {
  EXPECT_EQ(Set("unixsocketperm", "700"), "");
  EXPECT_EQ(settings_.unixsocketperm, 0700);
  EXPECT_EQ(Get("unixsocketperm"), "700");
  EXPECT_EQ(Set("unixsocketperm", "1000"), "argument must be between 0 and 777 inclusive");
  EXPECT_EQ(Set("unixsocketperm", "9"), "argument couldn't be parsed as an octal number");
}

TEST_F(SettingsValue, ChoicesIgnoreCaseAndNameTheOthers) {
  EXPECT_EQ(Set("maxmemory-policy", "Allkeys-LRU"), "");
  EXPECT_EQ(settings_.maxmemory_policy, "allkeys-lru");
  EXPECT_EQ(Set("loglevel", "warning"), "");
  EXPECT_EQ(settings_.loglevel, LogLevel::kWarning);
  EXPECT_EQ(Get("loglevel"), "warning");
  EXPECT_EQ(Set("enable-debug-command", "local"), "");
  EXPECT_EQ(settings_.enable_debug_command, Permission::kLocal);
  EXPECT_EQ(Set("loglevel", "loud"),
            "argument(s) must be one of the following: debug, verbose, notice, warning");
}

TEST_F(SettingsValue, ListsAreWords) {
  EXPECT_EQ(Set("bind", " 10.0.0.1   ::1 "), "");
  EXPECT_EQ(settings_.bind, (std::vector<std::string>{"10.0.0.1", "::1"}));
  EXPECT_EQ(Get("bind"), "10.0.0.1 ::1");
  EXPECT_EQ(Toml("bind"), "[\"10.0.0.1\", \"::1\"]");
  EXPECT_EQ(Set("bind", ""), "");
  EXPECT_TRUE(settings_.bind.empty());
}

TEST_F(SettingsValue, PercentilesAreShownWithoutNeedlessZeros) {
  EXPECT_EQ(Get("latency-tracking-info-percentiles"), "50 99 99.9");
  EXPECT_EQ(Set("latency-tracking-info-percentiles", "50.0 0 100"), "");
  EXPECT_EQ(Get("latency-tracking-info-percentiles"), "50 0 100");
  EXPECT_EQ(Set("latency-tracking-info-percentiles", ""), "");
  EXPECT_EQ(Get("latency-tracking-info-percentiles"), "");
  EXPECT_EQ(Set("latency-tracking-info-percentiles", "50 101"),
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");
  EXPECT_EQ(Set("latency-tracking-info-percentiles", "fifty"),
            "Invalid latency-tracking-info-percentiles parameters");
}

TEST_F(SettingsValue, KeyspaceEventsAreShownInOneOrder) {
  EXPECT_EQ(Set("notify-keyspace-events", "KEA"), "");
  EXPECT_EQ(Get("notify-keyspace-events"), "AKE");
  EXPECT_EQ(Set("notify-keyspace-events", "Elg$"), "");
  EXPECT_EQ(Get("notify-keyspace-events"), "g$lE");
  EXPECT_EQ(Set("notify-keyspace-events", "g$lshzxetd"), "");
  EXPECT_EQ(Get("notify-keyspace-events"), "A");
  EXPECT_EQ(Set("notify-keyspace-events", ""), "");
  EXPECT_EQ(Get("notify-keyspace-events"), "");
  EXPECT_EQ(Set("notify-keyspace-events", "Ky"),
            "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
}

TEST_F(SettingsValue, OutputBufferLimitsChangeTheNamedClassesOnly) {
  EXPECT_EQ(Set("client-output-buffer-limit", "pubsub 1kb 2kb 30 normal 5 6 7"), "");
  EXPECT_EQ(Get("client-output-buffer-limit"),
            "normal 5 6 7 slave 268435456 67108864 60 pubsub 1024 2048 30");
  EXPECT_EQ(Set("client-output-buffer-limit", "replica 1 2 3"), "");
  EXPECT_EQ(settings_.client_output_buffer_limit.replica, (OutputBufferLimit{1, 2, 3}));
  EXPECT_EQ(Toml("client-output-buffer-limit"),
            "[\"normal 5 6 7\", \"replica 1 2 3\", \"pubsub 1kb 2kb 30\"]");

  const auto before = settings_.client_output_buffer_limit;
  EXPECT_EQ(Set("client-output-buffer-limit", "normal 1 2"),
            "Wrong number of arguments in buffer limit configuration.");
  EXPECT_EQ(Set("client-output-buffer-limit", "normal 1 1 1 master 1 2 3"),
            "Invalid client class specified in buffer limit configuration.");
  EXPECT_EQ(Set("client-output-buffer-limit", "normal 1 1 1 pubsub 1 2 -3"),
            "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
  EXPECT_EQ(settings_.client_output_buffer_limit, before);
}

TEST_F(SettingsValue, SettingsWithoutAMeaningHereAcceptTheirDefaultOnly) {
  EXPECT_EQ(Set("daemonize", "no"), "");
  EXPECT_NE(Set("daemonize", "yes"), "");
  EXPECT_FALSE(settings_.daemonize);
}

TEST_F(SettingsValue, SavePointsArePairsOfSecondsAndChanges) {
  EXPECT_EQ(Set("save", " 3600 1\t300  100 "), "");
  EXPECT_EQ(settings_.save, "3600 1 300 100");
  for (const char* text : {"900", "0 1", "-1 1", "1 -1", "1 x", "1 1 1", "99999999999 1"}) {
    EXPECT_EQ(Set("save", text), "Invalid save parameters") << text;
  }
  EXPECT_EQ(settings_.save, "3600 1 300 100");
  EXPECT_EQ(Set("save", ""), "");
  EXPECT_EQ(settings_.save, "");
}

TEST_F(SettingsValue, FileNamesHaveNoPathAndDirectoriesExist) {
  EXPECT_EQ(Set("dbfilename", "a/b"), "dbfilename can't be a path, just a filename");
  EXPECT_EQ(Set("dbfilename", "b.rdb"), "");
  const test::TempDir dir;
  EXPECT_EQ(Set("dir", dir.path().string()), "");
  EXPECT_EQ(settings_.dir, std::filesystem::canonical(dir.path()).string());
  EXPECT_EQ(Set("dir", (dir.path() / "none").string()), "No such file or directory");
  dir.Write("file", "");
  EXPECT_EQ(Set("dir", (dir.path() / "file").string()), "Not a directory");
}

TEST_F(SettingsValue, DurationsAreMilliseconds) {
  EXPECT_EQ(Set("parked_ms_max", "5s"), "");
  EXPECT_EQ(settings_.parked_ms_max, 5000);
  EXPECT_EQ(Get("parked_ms_max"), "5000");
  EXPECT_EQ(Toml("parked_ms_max"), "\"5s\"");
  EXPECT_NE(Set("parked_ms_max", "5 s"), "");
  EXPECT_NE(Set("parked_ms_max", "none"), "");
  EXPECT_NE(Set("parked_ms_max", "0"), "");
}

TEST_F(SettingsValue, FractionsMayBePercentages) {
  RouteSettings route;
  for (const auto& row : RouteRows()) {
    if (row.info.name != "jitter") continue;
    EXPECT_EQ(SetValue(row.info, row.field(route), "25%"), "");
    EXPECT_DOUBLE_EQ(route.jitter, 0.25);
    EXPECT_EQ(SetValue(row.info, row.field(route), "1"), "");
    EXPECT_EQ(SetValue(row.info, row.field(route), "1.1"),
              "argument must be between 0 and 1 inclusive");
    EXPECT_NE(SetValue(row.info, row.field(route), "much"), "");
    EXPECT_DOUBLE_EQ(route.jitter, 1);
  }
}

TEST_F(SettingsValue, StringsAreQuotedSoThatTheyReadBack) {
  EXPECT_EQ(TomlString("plain"), "\"plain\"");
  EXPECT_EQ(TomlString("a\"b\\c\n\x7f"), "\"a\\\"b\\\\c\\u000a\\u007f\"");
}

}  // namespace
}  // namespace terrace::server
