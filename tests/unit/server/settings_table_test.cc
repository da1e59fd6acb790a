#include "server/settings_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "eviction/registry.h"
#include "server/settings_names.h"
#include "server/settings_value.h"

namespace terrace::server {
namespace {

TEST(SettingsTable, NamesAndAliasesAreUniqueAcrossSections) {
  std::set<std::string> names;
  for (const auto& row : SettingRows()) {
    EXPECT_TRUE(names.insert(NormalName(row.info.name)).second) << row.info.name;
    if (row.info.alias.empty()) continue;
    EXPECT_TRUE(names.insert(NormalName(row.info.alias)).second) << row.info.alias;
  }
}

TEST(SettingsTable, SectionsAreNotInterleaved) {
  std::vector<std::string_view> sections;
  for (const auto& row : SettingRows()) {
    if (!sections.empty() && sections.back() == row.info.section) continue;
    EXPECT_EQ(std::count(sections.begin(), sections.end(), row.info.section), 0)
        << row.info.section;
    sections.push_back(row.info.section);
  }
}

TEST(SettingsTable, RowsOwnDifferentFields) {
  // Gives each row another value and looks whether the value of any other row changes with it.
  std::set<std::string> fields;
  Settings settings;
  for (const auto& row : SettingRows()) {
    const std::string address = std::visit(
        [](auto field) {
          if constexpr (std::is_same_v<decltype(field), EnumField>) {
            return std::to_string(reinterpret_cast<uintptr_t>(field.object));
          } else {
            return std::to_string(reinterpret_cast<uintptr_t>(field));
          }
        },
        row.field(settings));
    EXPECT_TRUE(fields.insert(address).second) << row.info.name << " shares its field";
  }
}

TEST(SettingsTable, EveryDefaultIsAValueOfItsSetting) {
  for (const auto& row : SettingRows()) {
    if (row.info.type == SettingType::kDirectory) continue;  // Becomes an absolute path.
    Settings settings;
    const std::string shown = GetValue(row.info, row.field(settings));
    EXPECT_EQ(SetValue(row.info, row.field(settings), shown), "") << row.info.name;
    EXPECT_EQ(GetValue(row.info, row.field(settings)), shown) << row.info.name;
  }
}

TEST(SettingsTable, NamesAreFoundInAnySpelling) {
  EXPECT_EQ(FindSetting("maxmemory-policy"), FindSetting("MAXMEMORY_POLICY"));
  EXPECT_EQ(FindSetting("parked-requests-max"), FindSetting("parked_requests_max"));
  EXPECT_EQ(FindSetting("hash-max-ziplist-entries"), FindSetting("hash-max-listpack-entries"));
  EXPECT_EQ(FindSetting("io-threads"), FindSetting("threads"));
  ASSERT_NE(FindSetting("threads"), nullptr);
  EXPECT_EQ(FindSetting("no-such-thing"), nullptr);
  EXPECT_EQ(FindSetting(""), nullptr);
}

TEST(SettingsTable, PoliciesAreThoseOfTheRegistry) {
  std::vector<std::string_view> known;
  for (const auto& policy : eviction::Policies()) known.push_back(policy.name);
  const auto& info = FindSetting("maxmemory-policy")->info;
  EXPECT_THAT(known, testing::UnorderedElementsAreArray(info.choices.begin(), info.choices.end()));
}

TEST(SettingsNames, MisspeltNamesAreRecognised) {
  constexpr std::string_view kNames[] = {"port", "maxmemory", "maxmemory-policy", "timeout"};
  EXPECT_EQ(Suggest("maxmemroy", kNames), "maxmemory");
  EXPECT_EQ(Suggest("max_memory_policy", kNames), "maxmemory-policy");
  EXPECT_EQ(Suggest("prot", kNames), "port");
  EXPECT_EQ(Suggest("prto1", kNames), "");  // Two slips in five letters.
  EXPECT_EQ(Suggest("pot", kNames), "port");
  EXPECT_EQ(Suggest("completely-different", kNames), "");
  EXPECT_EQ(DidYouMean("Timeuot", kNames), " (did you mean 'timeout'?)");
  EXPECT_EQ(DidYouMean("xyz", kNames), "");
}

TEST(SettingsNames, RefusedRedisDirectivesHaveAReason) {
  EXPECT_THAT(std::string(WhyNotSupported("rename-command")), testing::HasSubstr("ACL"));
  EXPECT_FALSE(WhyNotSupported("tls_port").empty());
  EXPECT_TRUE(WhyNotSupported("port").empty());
}

}  // namespace
}  // namespace terrace::server
