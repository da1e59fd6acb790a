#pragma once

// LoadSettings: from the command line to the settings the server starts with.
//
// Precedence: defaults, then the configuration file, then <file>.auto beside it (what CONFIG
// REWRITE
//             saved), then the command line.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/settings.h"
#include "server/settings_file.h"

namespace terrace::server {

using FlagList = std::vector<std::pair<std::string, std::string>>;  // name, text

// Where the settings came from: what CONFIG REWRITE needs to tell changes made at run time, and
// what it takes to load them again.
struct ConfigFiles {
  std::string config_file;                   // absolute path unless it is only checked; empty: none
  FlagList flags;                            // of the command line
  std::vector<TierFlag> tier_flags;          // the tables among them
  Settings base;                             // defaults and the configuration file
  std::vector<std::string_view> names;       // of the settings in the configuration file
  std::vector<std::string_view> auto_names;  // of the settings in <file>.auto
};

struct Startup {
  enum class Action : uint8_t { kServe, kExit };

  Action action = Action::kServe;
  int exit_code = 0;   // of kExit
  std::string output;  // to be printed: why it exits, or warnings; empty or whole lines
  Settings settings;
  ConfigFiles files;
};

[[nodiscard]] Startup LoadSettings(int argc, const char* const* argv);

// The same sources once more, as they are now; kExit means that they are not good any more.
[[nodiscard]] Startup LoadAgain(const ConfigFiles& files);

// The path of the file that CONFIG REWRITE writes.
std::string AutoFile(const std::string& config_file);

}  // namespace terrace::server
