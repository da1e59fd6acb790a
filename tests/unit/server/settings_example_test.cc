#include "server/settings_example.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "server/config_table.h"
#include "server/settings_file.h"

namespace terrace::server {
namespace {

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Takes away the '#' in front of settings; prose has "# ".
std::string Enabled(const std::string& text) {
  std::istringstream lines(text);
  std::string enabled;
  for (std::string line; std::getline(lines, line);) {
    const bool setting = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    enabled += (setting ? line.substr(1) : line) + "\n";
  }
  return enabled;
}

TEST(ConfigExample, TheFileInTheRepositoryIsWhatTheProgramPrints) {
  EXPECT_EQ(ReadFile(std::string(TERRACE_SOURCE_DIR) + "/config.example"), ExampleConfig())
      << "Write it anew: terrace --print-config > config.example";
}

TEST(ConfigExample, AsItStandsItIsAllDefaults) {
  Settings settings;
  const FileResult result =
      ReadSettings("config.example", ExampleConfig(), FileKind::kOperator, settings);
  for (const ConfigError& error : result.errors) ADD_FAILURE() << ToText(error);
  const std::vector<std::string> all = {"*"};
  // The one value that depends on where the process runs.
  settings.dir = Settings().dir;
  EXPECT_EQ(ConfigTable::Get(settings, all), ConfigTable::Get(Settings(), all));
}

TEST(ConfigExample, EverySettingStandsInItOnce) {
  std::map<std::string, int> times;
  std::istringstream lines(ExampleConfig());
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) ++times[line.substr(0, line.find(" = "))];
  }
  for (const auto& row : SettingRows()) {
    EXPECT_EQ(times[std::string(row.info.name)], 1) << row.info.name;
  }
}

TEST(ConfigExample, EverySettingIsExplained) {
  for (const auto& row : SettingRows()) EXPECT_GT(row.info.doc.size(), 8u) << row.info.name;
}

TEST(ConfigExample, ItsTiersWorkOnceEnabled) {
  Settings settings;
  const FileResult result =
      ReadSettings("config.example", Enabled(ExampleConfig()), FileKind::kOperator, settings);
  for (const ConfigError& error : result.errors) {
    EXPECT_EQ(error.severity, ConfigError::Severity::kWarning) << ToText(error);
  }
  EXPECT_EQ(settings.regionals.size(), 1u);
  EXPECT_EQ(settings.origins.size(), 3u);
  ASSERT_EQ(settings.routes.size(), 1u);
  // Every key of a route stands there with its default.
  const RouteSettings defaults;
  EXPECT_EQ(settings.routes[0].ttl_ms, defaults.ttl_ms);
  EXPECT_EQ(settings.routes[0].max_value, defaults.max_value);
  EXPECT_EQ(settings.routes[0].origin_timeout_ms, defaults.origin_timeout_ms);
}

TEST(ConfigExample, EveryKeyOfATierStandsInIt) {
  const std::string text = ExampleConfig();
  const auto expect_key = [&text](std::string_view name) {
    EXPECT_NE(text.find("\n#" + std::string(name) + " = "), std::string::npos) << name;
  };
  for (const auto& row : RegionalRows()) expect_key(row.info.name);
  for (const auto& row : OriginRows()) expect_key(row.info.name);
  for (const auto& row : RouteRows()) expect_key(row.info.name);
}

}  // namespace
}  // namespace terrace::server
