#include "server/settings_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace terrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SettingsFile : public ::testing::Test {
 protected:
  // The errors and warnings as an operator sees them.
  std::vector<std::string> Read(std::string_view text, FileKind kind = FileKind::kOperator) {
    const FileResult result = ReadSettings("t.toml", text, kind, settings_);
    std::vector<std::string> lines;
    for (const ConfigError& error : result.errors) lines.push_back(ToText(error));
    names_ = result.names;
    ok_ = result.ok();
    return lines;
  }

  // The one thing wrong with a text.
  std::string Wrong(std::string_view text) {
    const auto lines = Read(text);
    EXPECT_FALSE(ok_);
    EXPECT_EQ(lines.size(), 1u) << ::testing::PrintToString(lines);
    return lines.empty() ? "" : lines[0];
  }

  Settings settings_;
  std::vector<std::string_view> names_;
  bool ok_ = false;
};

TEST_F(SettingsFile, AnEmptyFileIsAllDefaults) {
  EXPECT_THAT(Read(""), ElementsAre());
  EXPECT_TRUE(ok_);
  EXPECT_EQ(settings_.port, 6379);
  EXPECT_TRUE(settings_.routes.empty());
}

// The TOML library must not be asked whether such characters are blanks.
TEST_F(SettingsFile, OnlyAsciiStandsOutsideStringsAndComments) {
  EXPECT_THAT(Read("[security]  # \uFE8D \"\nrequirepass = \"a\\\"\uFE8D\"  # \uFE8D\n"
                   "[log]\nlogfile = \"\"\"\n\"\uFE8D\"\"\"\n"),
              ElementsAre());
  EXPECT_THAT(Wrong("\uFE8D"), HasSubstr("t.toml:1:1: error: "));
  EXPECT_THAT(Wrong("[server]\nport = 7 \u03C2"), HasSubstr("t.toml:2:"));
  EXPECT_THAT(Wrong("x = 3==[['\uFEFD-[Z"), HasSubstr("t.toml:1:"));
}

TEST_F(SettingsFile, ValuesAreWrittenAsPeopleWould) {
  EXPECT_THAT(Read(R"(
[server]
port = 7000
bind = ["10.0.0.1", "-::1"]
unixsocketperm = "770"
tcp_keepalive = 60
[memory]
maxmemory = "2gb"
maxmemory-clients = "5%"
maxmemory-policy = "sieve"
lazyfree-lazy-expire = true
lazyfree-lazy-eviction = "yes"
[clients]
client-output-buffer-limit = ["normal 1mb 512kb 10"]
[log]
latency-tracking-info-percentiles = [50, 99.99]
[limits]
parked_ms_max = "1m"
)"),
              ElementsAre());
  EXPECT_EQ(settings_.port, 7000);
  EXPECT_EQ(settings_.bind, (std::vector<std::string>{"10.0.0.1", "-::1"}));
  EXPECT_EQ(settings_.unixsocketperm, 0770);
  EXPECT_EQ(settings_.tcp_keepalive, 60);
  EXPECT_EQ(settings_.maxmemory, 2ull << 30);
  EXPECT_EQ(settings_.maxmemory_clients, -5);
  EXPECT_EQ(settings_.maxmemory_policy, "sieve");
  EXPECT_TRUE(settings_.lazyfree_lazy_expire);
  EXPECT_TRUE(settings_.lazyfree_lazy_eviction);
  EXPECT_EQ(settings_.client_output_buffer_limit.normal,
            (OutputBufferLimit{1 << 20, 512 << 10, 10}));
  EXPECT_EQ(settings_.latency_tracking_info_percentiles, (std::vector<double>{50, 99.99}));
  EXPECT_EQ(settings_.parked_ms_max, 60000);
}

TEST_F(SettingsFile, NamesWhatItSets) {
  Read("[server]\nport = 1\n[memory]\nmaxmemory = 0\n");
  EXPECT_THAT(names_, ElementsAre("port", "maxmemory"));
}

TEST_F(SettingsFile, WhatIsNotTomlHasAPlace) {
  EXPECT_THAT(Wrong("[server]\nport = = 1\n"), HasSubstr("t.toml:2:8: error: "));
}

TEST_F(SettingsFile, MisspeltNamesAreCorrected) {
  EXPECT_EQ(Wrong("[memory]\n  maxmemroy = 1\n"),
            "t.toml:2:3: error: unknown setting 'maxmemroy' (did you mean 'maxmemory'?)");
  EXPECT_EQ(Wrong("\n[memroy]\nmaxmemory = 1\n"),
            "t.toml:2:1: error: unknown section 'memroy' (did you mean 'memory'?)");
  EXPECT_EQ(Wrong("[server]\nfrobnicate = 1\n"), "t.toml:2:1: error: unknown setting 'frobnicate'");
}

TEST_F(SettingsFile, NamesInTheWrongSectionAreShownTheirPlace) {
  EXPECT_EQ(Wrong("[server]\nmaxmemory = 1\n"),
            "t.toml:2:1: error: 'maxmemory' belongs below [memory]");
  EXPECT_EQ(Wrong("port = 7000\n"), "t.toml:1:1: error: 'port' belongs below [server]");
}

TEST_F(SettingsFile, RefusedRedisDirectivesSayWhy) {
  EXPECT_THAT(Wrong("[security]\nrename-command = [\"FLUSHALL\", \"\"]\n"),
              HasSubstr("'rename-command' is not supported: commands cannot be renamed"));
}

TEST_F(SettingsFile, WrongTypesAndRangesHaveThePlaceOfTheValue) {
  EXPECT_EQ(Wrong("[server]\nport = true\n"), "t.toml:2:8: error: 'port': expected a whole number");
  EXPECT_EQ(Wrong("[server]\nport = 70000\n"),
            "t.toml:2:8: error: 'port': argument must be between 0 and 65535 inclusive");
  EXPECT_EQ(Wrong("[memory]\nmaxmemory = 1.5\n"),
            "t.toml:2:13: error: 'maxmemory': expected a size such as \"64mb\"");
  EXPECT_EQ(Wrong("[security]\nrequirepass = 1234\n"),
            "t.toml:2:15: error: 'requirepass': expected a text in quotes");
  EXPECT_EQ(Wrong("[server]\nbind = [[\"a\"]]\n"),
            "t.toml:2:8: error: 'bind': expected a plain value");
  EXPECT_THAT(Wrong("[memory]\nmaxmemory-policy = \"lru\"\n"),
              HasSubstr("must be one of the following: volatile-lru"));
}

TEST_F(SettingsFile, TwoSpellingsOfOneSettingAreTwoSettings) {
  EXPECT_THAT(Wrong("[encoding]\nhash-max-listpack-entries = 1\nhash-max-ziplist-entries = 2\n"),
              HasSubstr("t.toml:3:1: error: 'hash-max-ziplist-entries' is set twice"));
  EXPECT_THAT(Wrong("[server]\ntcp-backlog = 1\ntcp_backlog = 2\n"), HasSubstr("is set twice"));
}

TEST_F(SettingsFile, EverythingWrongIsReportedInTheOrderOfTheFile) {
  const auto lines = Read("[server]\nport = -1\nhx = 3\n[memory]\nmaxmemory = \"lots\"\n");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_THAT(lines[0], HasSubstr("t.toml:2:"));
  EXPECT_THAT(lines[1], HasSubstr("t.toml:3:"));
  EXPECT_THAT(lines[2], HasSubstr("t.toml:5:"));
}

TEST_F(SettingsFile, ASavedFileHoldsNoTiers) {
  Read("[[route]]\nprefix = \"\"\n", FileKind::kAuto);
  EXPECT_FALSE(ok_);
}

TEST_F(SettingsFile, ASavedFileKeepsTheTiersOfTheOperator) {
  Read("[[route]]\nprefix = \"\"\n");
  Read("[server]\nhz = 20\n", FileKind::kAuto);
  EXPECT_TRUE(ok_);
  EXPECT_EQ(settings_.routes.size(), 1u);
}

TEST_F(SettingsFile, SingleAndDoubleBracketsAreToldApart) {
  EXPECT_THAT(Wrong("[route]\nprefix = \"\"\n"), HasSubstr("write [[route]] in double brackets"));
  EXPECT_THAT(Wrong("[[server]]\nport = 1\n"), HasSubstr("write [server] in single brackets"));
}

// --- Tiers ------------------------------------------------------------------------------------

constexpr std::string_view kTiers = R"([[regional]]
name = "near"
host = "10.0.0.1"
[[origin]]
name = "api"
kind = "http"
url = "https://api.example.com/{key}"
)";

TEST_F(SettingsFile, TiersAndRoutesAreRead) {
  EXPECT_THAT(Read(R"(
[[route]]
prefix = "user:"
regional = "near"
origin = "api"
ttl = "5m"
negative_ttl = "250ms"
jitter = "20%"
max_value = "1mb"
timeout = "800ms"
relay_in_flight_max = 7
[[route]]
prefix = ""
[[regional]]
name = "near"
unix_socket = "/run/redis.sock"
username = "terrace"
password = "secret"
connect_timeout = "300ms"
in_flight_max = 5
queue_bytes_max = "1mb"
reconnect_delay_min = 10
reconnect_delay_max = "1s"
[regional.breaker]
failures_to_open = 3
open_ms = "1s"
[[origin]]
name = "api"
kind = "http"
url = "https://api.example.com/v1/{key:1}"
authorization = "Bearer x"
ca_file = "/etc/ca.pem"
concurrency_max = 9
queue_max = 0
breaker.open_max_ms = "30s"
[[origin]]
name = "files"
kind = "directory"
path = "/srv"
concurrency_max = 4
)"),
              ElementsAre("t.toml:37:8: warning: no [[route]] uses the origin 'files'"));
  ASSERT_TRUE(ok_);

  ASSERT_EQ(settings_.regionals.size(), 1u);
  const auto& regional = settings_.regionals[0];
  EXPECT_EQ(regional.options.name, "near");
  EXPECT_EQ(regional.options.unix_socket, "/run/redis.sock");
  EXPECT_EQ(regional.options.username, "terrace");
  EXPECT_EQ(regional.options.password, "secret");
  EXPECT_EQ(regional.options.connect_timeout_ms, 300);
  EXPECT_EQ(regional.options.in_flight_max, 5u);
  EXPECT_EQ(regional.options.queue_bytes_max, 1u << 20);
  EXPECT_EQ(regional.options.reconnect_delay_min_ms, 10);
  EXPECT_EQ(regional.options.reconnect_delay_max_ms, 1000);
  EXPECT_EQ(regional.breaker.failures_to_open, 3);
  EXPECT_EQ(regional.breaker.open_ms, 1000);

  ASSERT_EQ(settings_.origins.size(), 2u);
  const auto& api = settings_.origins[0];
  EXPECT_EQ(api.kind, OriginKind::kHttp);
  EXPECT_EQ(api.http.name, "api");
  EXPECT_EQ(api.http.url, "https://api.example.com/v1/{key:1}");
  EXPECT_EQ(api.http.authorization, "Bearer x");
  EXPECT_EQ(api.http.ca_file, "/etc/ca.pem");
  EXPECT_EQ(api.http.concurrency_max, 9u);
  EXPECT_EQ(api.http.queue_max, 0u);
  EXPECT_EQ(api.breaker.open_max_ms, 30000);
  const auto& files = settings_.origins[1];
  EXPECT_EQ(files.kind, OriginKind::kDirectory);
  EXPECT_EQ(files.directory.name, "files");
  EXPECT_EQ(files.directory.path, "/srv");
  EXPECT_EQ(files.directory.concurrency_max, 4u);

  ASSERT_EQ(settings_.routes.size(), 2u);
  const auto& route = settings_.routes[0];
  EXPECT_EQ(route.prefix, "user:");
  EXPECT_EQ(route.regional, "near");
  EXPECT_EQ(route.origin, "api");
  EXPECT_EQ(route.write, WriteMode::kForward);
  EXPECT_EQ(route.ttl_ms, 300000);
  EXPECT_EQ(route.negative_ttl_ms, 250);
  EXPECT_DOUBLE_EQ(route.jitter, 0.2);
  EXPECT_EQ(route.max_value, 1u << 20);
  EXPECT_EQ(route.timeout_ms, 800);
  EXPECT_EQ(route.relay_in_flight_max, 7u);
  EXPECT_EQ(settings_.routes[1].write, WriteMode::kLocal);
}

TEST_F(SettingsFile, ARouteWithoutABoundOfItsOwnUsesThatOfItsSource) {
  Read(std::string(kTiers) + "[[route]]\nprefix = \"\"\nregional = \"near\"\norigin = \"api\"\n" +
       "ttl = \"none\"\n");
  ASSERT_TRUE(ok_);
  EXPECT_EQ(settings_.routes[0].ttl_ms, tiers::kNoTtl);
}

TEST_F(SettingsFile, PartsOfATimeoutFitIntoTheWhole) {
  Read(std::string(kTiers) +
       "[[route]]\nprefix = \"\"\nregional = \"near\"\norigin = \"api\"\ntimeout = 500\n");
  ASSERT_TRUE(ok_);
  EXPECT_EQ(settings_.routes[0].regional_timeout_ms, 500);
  EXPECT_EQ(settings_.routes[0].origin_timeout_ms, 500);
  EXPECT_EQ(Wrong(std::string(kTiers) +
                  "[[route]]\nprefix = \"\"\nregional = \"near\"\norigin = \"api\"\n"
                  "timeout = 500\norigin_timeout = 501\n"),
            "t.toml:13:18: error: 'origin_timeout' is longer than 'timeout', which bounds the "
            "whole");
}

TEST_F(SettingsFile, RoutesNameTiersThatExist) {
  EXPECT_THAT(Read(std::string(kTiers) + "[[route]]\nprefix = \"\"\nregional = \"nera\"\n"),
              ::testing::Contains("t.toml:10:12: error: there is no [[regional]] named 'nera' "
                                  "(did you mean 'near'?)"));
  EXPECT_FALSE(ok_);
  EXPECT_EQ(Wrong("[[route]]\nprefix = \"\"\norigin = \"x\"\n"),
            "t.toml:3:10: error: there is no [[origin]] named 'x'");
}

TEST_F(SettingsFile, PrefixesAndNamesAreUnique) {
  EXPECT_EQ(Wrong("[[route]]\nprefix = \"a\"\n[[route]]\nprefix = \"a\"\n"),
            "t.toml:4:10: error: the route of line 1 has the same prefix \"a\"");
  EXPECT_EQ(Wrong("[[route]]\nttl = 1\n"),
            "t.toml:1:1: error: a [[route]] needs a prefix; \"\" is every key");
  const std::string two = "[[regional]]\nname = \"n\"\n[[regional]]\nname = \"n\"\n";
  EXPECT_THAT(Read(two), ::testing::Contains(
                             "t.toml:4:8: error: the regional of line 2 has the same name 'n'"));
  EXPECT_THAT(Wrong("[[regional]]\nhost = \"h\"\n"), HasSubstr("a [[regional]] needs a name"));
}

TEST_F(SettingsFile, WriteModesFitTheTiersOfTheRoute) {
  EXPECT_THAT(Wrong("[[route]]\nprefix = \"\"\nwrite = \"forward\"\n"),
              HasSubstr("this write mode needs a 'regional'"));
  EXPECT_THAT(Wrong("[[regional]]\nname = \"n\"\n[[route]]\nprefix = \"\"\nregional = \"n\"\n"
                    "write = \"local\"\n"),
              HasSubstr("t.toml:6:9: error: write = \"local\" leaves the regional tier nothing"));
  Read(
      "[[regional]]\nname = \"n\"\n[[route]]\nprefix = \"\"\nregional = \"n\"\n"
      "write = \"spill\"\n");
  EXPECT_TRUE(ok_);
  EXPECT_EQ(settings_.routes[0].write, WriteMode::kSpill);
  for (const char* mode : {"behind", "around"}) {
    EXPECT_THAT(Wrong("[[route]]\nprefix = \"\"\nwrite = \"" + std::string(mode) + "\"\n"),
                HasSubstr("this version does not have \"" + std::string(mode) + "\""));
  }
}

TEST_F(SettingsFile, OriginsHaveWhatTheirKindNeedsAndNothingElse) {
  const auto origin = [](std::string_view rest) {
    return "[[origin]]\nname = \"o\"\n" + std::string(rest) +
           "[[route]]\nprefix = \"\"\norigin = \"o\"\n";
  };
  EXPECT_THAT(Wrong(origin("")), HasSubstr("an [[origin]] needs a kind"));
  EXPECT_THAT(Wrong(origin("kind = \"http\"\n")), HasSubstr("needs a url"));
  EXPECT_THAT(Wrong(origin("kind = \"http\"\nurl = \"ftp://x/{key}\"\n")), HasSubstr("t.toml:4:7"));
  EXPECT_THAT(Wrong(origin("kind = \"directory\"\n")), HasSubstr("needs a path"));
  EXPECT_THAT(Wrong(origin("kind = \"directory\"\npath = \"/\"\nurl = \"http://x/\"\n")),
              HasSubstr("'url' has no meaning for an origin of this kind"));
  EXPECT_THAT(Wrong(origin("kind = \"sql\"\n")),
              HasSubstr("must be one of the following: http, directory, redis"));
  Read(origin("kind = \"redis\"\nhost = \"h\"\nport = 6380\n"));
  EXPECT_TRUE(ok_);
  EXPECT_EQ(settings_.origins[0].redis.port, 6380);
  EXPECT_EQ(settings_.origins[0].redis.name, "o");
}

TEST_F(SettingsFile, ConnectionsAndBreakersMakeSense) {
  const auto regional = [](std::string_view rest) {
    return "[[regional]]\nname = \"n\"\n" + std::string(rest) +
           "[[route]]\nprefix = \"\"\nregional = \"n\"\n";
  };
  EXPECT_THAT(Wrong(regional("host = \"h\"\nunix_socket = \"/s\"\n")), HasSubstr("not both"));
  EXPECT_THAT(Wrong(regional("host = \"\"\n")), HasSubstr("it needs a host or a unix_socket"));
  EXPECT_THAT(Wrong(regional("username = \"u\"\n")), HasSubstr("a username needs a password"));
  EXPECT_THAT(Wrong(regional("reconnect_delay_min = \"9s\"\n")), HasSubstr("is longer than"));
  EXPECT_THAT(Wrong(regional("breaker.open_ms = \"1h\"\n")), HasSubstr("is longer than"));
  EXPECT_THAT(Wrong(regional("breaker.opne_ms = \"1h\"\n")),
              HasSubstr("unknown setting 'breaker.opne_ms' of a [[regional]] (did you mean "
                        "'breaker.open_ms'?)"));
}

}  // namespace
}  // namespace terrace::server
