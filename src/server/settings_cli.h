#pragma once

// The command line: every setting as --name value, tables of tiers as --route and its kin, and the
// configuration file.
//
// Errors: never returned as such; action is kExit and output says what was wrong.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/settings_file.h"

namespace terrace::server {

struct CommandLine {
  enum class Action : uint8_t { kServe, kCheckConfig, kExit };

  Action action = Action::kServe;
  int exit_code = 0;        // of kExit
  std::string output;       // of kExit: help, version, or the error
  std::string config_file;  // of kServe (may be empty) and kCheckConfig
  std::vector<std::pair<std::string, std::string>> values;  // name and text of settings
  std::vector<TierFlag> tiers;                              // in the order they were given
};

[[nodiscard]] CommandLine ParseCommandLine(int argc, const char* const* argv);

}  // namespace terrace::server
