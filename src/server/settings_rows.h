#pragma once

// Rows: short spellings for the rows of the settings tables; included by the tables only.

#include <cstdint>
#include <limits>

#include "server/settings_table.h"

namespace terrace::server {

inline constexpr int64_t kIntMax = std::numeric_limits<int>::max();
inline constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

template <typename Owner>
struct Rows {
  using Row = SettingRow<Owner>;

  template <auto... path>
  static constexpr Row Make(SettingInfo info) {
    return Row{info, &At<Owner, path...>};
  }

  // Types whose range needs no words: kBool, kString, kList and the like.
  template <auto... path>
  static constexpr Row Plain(std::string_view section, std::string_view name, SettingType type,
                             Change change, std::string_view doc) {
    return Make<path...>(
        {.section = section, .name = name, .type = type, .change = change, .doc = doc});
  }

  template <auto... path>
  static constexpr Row Number(std::string_view section, std::string_view name, SettingType type,
                              int64_t min, int64_t max, std::string_view unit, Change change,
                              std::string_view doc) {
    return Make<path...>({.section = section,
                          .name = name,
                          .type = type,
                          .min = min,
                          .max = max,
                          .change = change,
                          .unit = unit,
                          .doc = doc});
  }

  template <auto... path>
  static constexpr Row Choice(std::string_view section, std::string_view name,
                              std::span<const std::string_view> choices, Change change,
                              std::string_view doc) {
    return Make<path...>({.section = section,
                          .name = name,
                          .type = SettingType::kChoice,
                          .change = change,
                          .doc = doc,
                          .choices = choices});
  }
};

}  // namespace terrace::server
