#pragma once

// The table of settings: one row each, and the only place that knows a setting's name, type, range
// and meaning. The configuration file, the command line, CONFIG GET / SET / REWRITE, --help and the
// test of config.example are all derived from it.
//
// Names:   Redis's settings are spelled as Redis spells them ("tcp-backlog"), Terrace's own in
//          snake_case ("parked_requests_max"); on input '-' and '_' are the same and case does not
//          matter. One name everywhere: in the file (below [section]), on the command line
//          (--name) and in CONFIG. Names are unique across sections.
// Default: what a default-constructed owner holds; the table does not repeat it.
// Threads: the tables are constants.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "server/settings.h"

namespace terrace::server {

enum class SettingType : uint8_t {
  kBool,
  kInt,
  kOctal,
  kBytes,
  kBytesOrPercent,  // per cent is kept as a negative number
  kDurationMs,      // where min is -1, "none" is -1
  kFraction,        // 0.1 or "10%"
  kString,
  kFileName,   // a name without a path
  kDirectory,  // exists; kept as an absolute path
  kChoice,     // one of choices
  kList,       // words
  kTexts,      // texts with blanks in them; one a line
  kPercentiles,
  kKeyspaceEvents,
  kSavePoints,
  kOutputBufferLimits,
};

enum class Change : uint8_t {
  kLive,     // CONFIG SET applies it
  kRestart,  // CONFIG SET accepts nothing but the current value
};

struct SettingInfo {
  std::string_view section = {};
  std::string_view name = {};
  SettingType type = SettingType::kString;
  int64_t min = 0;  // of numbers
  int64_t max = std::numeric_limits<int64_t>::max();
  Change change = Change::kLive;
  std::string_view unit = {};  // as documentation shows it
  std::string_view doc = {};   // one line
  std::span<const std::string_view> choices = {};
  std::string_view alias = {};   // Redis's older name of the same setting
  bool only_default = false;     // known to Redis, without a meaning here beyond this value
  bool needs_protected = false;  // CONFIG SET asks enable-protected-configs
  bool file_only = false;        // CONFIG GET and SET do not know it
  bool sensitive = false;        // never in logs, MONITOR or the slow log
};

// An enum class somewhere; choices[n] names the value n.
struct EnumField {
  void* object;
  int (*get)(const void* object);
  void (*set)(void* object, int value);
};

// Where the value of a row lives in one owner.
using Field =
    std::variant<bool*, int*, int64_t*, uint64_t*, double*, std::string*, std::vector<std::string>*,
                 std::vector<double>*, OutputBufferLimits*, EnumField>;

template <typename Owner>
struct SettingRow {
  SettingInfo info;
  Field (*field)(Owner& owner);

  constexpr SettingRow Alias(std::string_view alias) const {
    SettingRow row = *this;
    row.info.alias = alias;
    return row;
  }
  constexpr SettingRow OnlyDefault() const {
    SettingRow row = *this;
    row.info.only_default = true;
    return row;
  }
  constexpr SettingRow Protected() const {
    SettingRow row = *this;
    row.info.needs_protected = true;
    return row;
  }
  constexpr SettingRow FileOnly() const {
    SettingRow row = *this;
    row.info.file_only = true;
    return row;
  }
  constexpr SettingRow Sensitive() const {
    SettingRow row = *this;
    row.info.sensitive = true;
    return row;
  }
};

template <typename T>
Field MakeField(T& value) {
  if constexpr (std::is_enum_v<T>) {
    return EnumField{
        &value, [](const void* object) { return static_cast<int>(*static_cast<const T*>(object)); },
        [](void* object, int number) { *static_cast<T*>(object) = static_cast<T>(number); }};
  } else {
    return &value;
  }
}

// The accessor of the member reached by a path of member pointers.
template <typename Owner, auto... path>
Field At(Owner& owner) {
  return MakeField((owner.*....*path));
}

std::span<const SettingRow<Settings>> SettingRows();
std::span<const SettingRow<RegionalSettings>> RegionalRows();  // no sections: keys of [[regional]]
std::span<const SettingRow<RouteSettings>> RouteRows();

// A key of [[origin]] belongs to some kinds only, and to another field in each.
struct OriginRow {
  SettingInfo info;
  // By OriginKind; nullptr where the kind has no such key.
  std::array<Field (*)(OriginSettings& owner), 3> fields;
};
std::span<const OriginRow> OriginRows();

// By name or alias; nullptr when there is none.
const SettingRow<Settings>* FindSetting(std::string_view name);

}  // namespace terrace::server
