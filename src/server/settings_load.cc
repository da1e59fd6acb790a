#include "server/settings_load.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "server/settings_cli.h"
#include "server/settings_file.h"
#include "server/settings_outside.h"
#include "server/settings_table.h"
#include "server/settings_value.h"

namespace terrace::server {
namespace {

enum class ReadOutcome : uint8_t { kRead, kMissing, kFailed };

// error is a line for people unless the file was read.
ReadOutcome ReadFile(const std::string& path, std::string& text, std::string& error) {
  const int reason = base::ReadWholeFile(path, SIZE_MAX, &text);
  if (reason == 0) return ReadOutcome::kRead;
  error = path + ": error: cannot be read: " + std::strerror(reason) + "\n";
  return reason == ENOENT ? ReadOutcome::kMissing : ReadOutcome::kFailed;
}

std::string Lines(const std::vector<ConfigError>& errors) {
  std::string lines;
  for (const ConfigError& error : errors) lines += ToText(error) + "\n";
  return lines;
}

Startup Exit(int exit_code, std::string output) {
  Startup startup;
  startup.action = Startup::Action::kExit;
  startup.exit_code = exit_code;
  startup.output = std::move(output);
  return startup;
}

// The default is the working directory, which CONFIG GET shows by name.
void MakeDirAbsolute(Settings& settings) {
  std::error_code error;
  const auto dir = std::filesystem::canonical(settings.dir, error);
  if (!error) settings.dir = dir.string();
}

// Or a line that says what is wrong.
std::string ApplyFlags(const FlagList& flags, Settings& settings) {
  for (const auto& [name, text] : flags) {
    const auto* row = FindSetting(name);
    const std::string error = SetValue(row->info, row->field(settings), text);
    if (!error.empty()) return "terrace: '--" + name + " " + text + "': " + error + "\n";
  }
  return {};
}

// The files and the tiers of the command line. False when the server cannot start with them;
// startup.output says why.
bool LoadFiles(Startup& startup) {
  const std::string& config_file = startup.files.config_file;
  std::string text;
  std::string error;
  if (!config_file.empty() && ReadFile(config_file, text, error) != ReadOutcome::kRead) {
    startup.output = error;
    return false;
  }
  Settings& settings = startup.settings;
  const FileResult from_file =
      ReadSettings(config_file, text, FileKind::kOperator, settings, startup.files.tier_flags);
  startup.output += Lines(from_file.errors);
  if (!from_file.ok()) return false;
  startup.files.base = settings;
  startup.files.names = from_file.names;
  if (config_file.empty()) return true;

  const std::string auto_file = AutoFile(config_file);
  switch (ReadFile(auto_file, text, error)) {
    case ReadOutcome::kMissing:
      return true;
    case ReadOutcome::kFailed:
      startup.output += error;
      return false;
    case ReadOutcome::kRead:
      break;
  }
  FileResult from_auto = ReadSettings(auto_file, text, FileKind::kAuto, settings);
  startup.output += Lines(from_auto.errors);
  startup.files.auto_names = std::move(from_auto.names);
  return from_auto.ok();
}

// What --check-config says of what was loaded.
Startup Report(const Startup& startup) {
  if (startup.action == Startup::Action::kExit) return startup;
  const Settings& settings = startup.settings;
  const std::string users = CheckUsers(settings);
  if (!users.empty()) return Exit(1, users);
  const auto count = [](size_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
  };
  return Exit(0, startup.output + startup.files.config_file + ": ok (" +
                     count(startup.files.names.size(), "setting") + ", " +
                     count(settings.regionals.size(), "regional") + ", " +
                     count(settings.origins.size(), "origin") + ", " +
                     count(settings.routes.size(), "route") + ")\n");
}

}  // namespace

std::string AutoFile(const std::string& config_file) { return config_file + ".auto"; }

Startup LoadSettings(int argc, const char* const* argv) {
  CommandLine line = ParseCommandLine(argc, argv);
  if (line.action == CommandLine::Action::kExit) return Exit(line.exit_code, line.output);
  const bool check_only = line.action == CommandLine::Action::kCheckConfig;

  ConfigFiles files;
  files.config_file = line.config_file;
  if (!check_only && !line.config_file.empty()) {
    // The path must stay valid when the working directory changes.
    std::error_code error;
    const auto absolute = std::filesystem::absolute(line.config_file, error);
    if (!error) files.config_file = absolute.string();
  }
  files.flags = std::move(line.values);
  files.tier_flags = std::move(line.tiers);
  return check_only ? Report(LoadAgain(files)) : LoadAgain(files);
}

Startup LoadAgain(const ConfigFiles& files) {
  Startup startup;
  startup.files.config_file = files.config_file;
  startup.files.flags = files.flags;
  startup.files.tier_flags = files.tier_flags;
  const bool files_fine = LoadFiles(startup);
  const std::string in_flags = ApplyFlags(files.flags, startup.settings);
  if (!files_fine || !in_flags.empty()) return Exit(1, startup.output + in_flags);
  MakeDirAbsolute(startup.settings);
  MakeDirAbsolute(startup.files.base);
  const std::string outside = CheckFiles(startup.settings);
  if (!outside.empty()) return Exit(1, "terrace: " + outside);
  return startup;
}

}  // namespace terrace::server
