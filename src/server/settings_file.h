#pragma once

// Reading a configuration file into Settings, with everything that is wrong with it at once.
//
// Errors:  each has line and column; when there is any of Severity::kError, settings is unusable.
// Threads: pure functions.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/settings.h"
#include "server/settings_document.h"
#include "server/settings_table.h"

namespace terrace::server {

enum class FileKind : uint8_t {
  kOperator,  // the configuration: any section
  kAuto,      // what CONFIG REWRITE wrote: settings only, no tiers
};

struct FileResult {
  std::vector<ConfigError> errors;      // and warnings, in the order of the file
  std::vector<std::string_view> names;  // of the settings that the file sets

  bool ok() const;
};

// A table of tiers on the command line.
struct TierFlag {
  std::string section;  // "regional", "origin" or "route"
  std::string text;     // an inline table of TOML
};

// Settings that the file does not mention keep the value they have. The flags change and complete
// the tables of tiers of an operator's file.
FileResult ReadSettings(std::string_view file, std::string_view text, FileKind kind,
                        Settings& settings, std::span<const TierFlag> flags = {});

// Collects what is wrong with one file and the flags that complete it, which must stay.
class ErrorList {
 public:
  explicit ErrorList(std::string_view file, std::span<const TierFlag> flags = {})
      : file_(file), flags_(flags) {}

  void Error(Position at, std::string message);
  void Warning(Position at, std::string message);

  // In the order of the file.
  std::vector<ConfigError> Take();

 private:
  void Add(Position at, std::string message, ConfigError::Severity severity);

  const std::string file_;
  const std::span<const TierFlag> flags_;
  std::vector<ConfigError> errors_;
};

// Sets a field from a value of the file, or reports why that cannot be. True when it was set.
bool Assign(const SettingInfo& info, Field field, const DocumentValue& value, ErrorList& errors);

}  // namespace terrace::server
