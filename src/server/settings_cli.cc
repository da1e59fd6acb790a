#include "server/settings_cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <string_view>

#include "server/settings_example.h"
#include "server/settings_names.h"
#include "server/settings_table.h"
#include "server/settings_tier_flags.h"
#include "server/version.h"

namespace terrace::server {
namespace {

bool IsOption(std::string_view arg) { return arg.size() > 2 && arg.starts_with("--"); }

// Settings that are several words: `--bind 127.0.0.1 ::1`, `--save ""`.
bool TakesWords(std::string_view name) {
  const auto* row = FindSetting(name);
  if (row == nullptr) return false;
  switch (row->info.type) {
    case SettingType::kList:
    case SettingType::kPercentiles:
    case SettingType::kOutputBufferLimits:
    case SettingType::kSavePoints:
      return true;
    default:
      return false;
  }
}

// Brings option names to their normal form and the words of a list into one argument, so that the
// parser sees `--name value` only: it would take the "-::1" of a bind for an option.
std::vector<std::string> Normalise(int argc, const char* const* argv) {
  std::vector<std::string> args;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (!IsOption(arg)) {
      args.emplace_back(arg);
      continue;
    }
    const size_t name_end = std::min(arg.find('='), arg.size());
    const std::string name = NormalName(arg.substr(2, name_end - 2));
    args.push_back("--" + name + std::string(arg.substr(name_end)));
    if (name_end != arg.size()) continue;
    if (!TakesWords(name)) {
      // The value of an option is its value, whatever it looks like.
      if (FindSetting(name) != nullptr && i + 1 < argc) args.emplace_back(argv[++i]);
      continue;
    }
    std::string words;
    for (; i + 1 < argc && !IsOption(argv[i + 1]); ++i) {
      words += (words.empty() ? "" : " ") + std::string(argv[i + 1]);
    }
    args.push_back(std::move(words));
  }
  return args;
}

std::string UnknownArgument(const std::string& arg) {
  if (!IsOption(arg)) return "unexpected argument '" + arg + "'";
  const std::string name = arg.substr(2, arg.find('=') - 2);
  if (const auto reason = WhyNotSupported(name); !reason.empty()) {
    return "'--" + name + "' is not supported: " + std::string(reason);
  }
  std::vector<std::string_view> names = {"config", "check-config", "print-config", "help",
                                         "version"};
  names.insert(names.end(), TierSections().begin(), TierSections().end());
  for (const auto& row : SettingRows()) names.push_back(row.info.name);
  return "unknown option '--" + name + "'" + DidYouMean(name, names);
}

CommandLine ExitLine(int exit_code, std::string output) {
  CommandLine line;
  line.action = CommandLine::Action::kExit;
  line.exit_code = exit_code;
  line.output = std::move(output);
  return line;
}

void AddTierOptions(CLI::App& app, CommandLine& line) {
  for (const std::string_view section : TierSections()) {
    app.add_option_function<std::vector<std::string>>(
           "--" + std::string(section),
           [&line, section](const std::vector<std::string>& tables) {
             for (const auto& text : tables) line.tiers.push_back({std::string(section), text});
           },
           "A [[" + std::string(section) + "]] as an inline table of TOML; may be repeated")
        ->allow_extra_args(false)
        ->group("Tiers");
  }
}

// What the help says behind the name of a setting.
std::string FlagHelp(const SettingInfo& info) {
  std::string text(info.doc);
  if (!info.unit.empty()) text += " [" + std::string(info.unit) + "]";
  for (size_t i = 0; i < info.choices.size(); ++i) {
    text += (i == 0 ? " (" : ", ") + std::string(info.choices[i]);
  }
  return info.choices.empty() ? text : text + ")";
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv) {
  CommandLine line;
  std::string check_file;
  CLI::App app("Terrace, a multi-layer cache that speaks Redis", "terrace");
  app.allow_extras();
  app.set_version_flag("--version", "terrace " + std::string(kVersion));
  app.add_option("config,--config", line.config_file, "Configuration file (TOML)");
  app.add_option("--check-config", check_file,
                 "Check a configuration file, with the other options, and say what is wrong");
  bool print_config = false;
  app.add_flag("--print-config", print_config, "Print a configuration with every setting");
  AddTierOptions(app, line);
  for (const auto& row : SettingRows()) {
    std::string names = "--" + NormalName(row.info.name);
    if (!row.info.alias.empty()) names += ",--" + std::string(row.info.alias);
    app.add_option_function<std::string>(
           names,
           [&line, name = row.info.name](const std::string& text) {
             line.values.emplace_back(name, text);
           },
           FlagHelp(row.info))
        ->multi_option_policy(row.info.type == SettingType::kTexts
                                  ? CLI::MultiOptionPolicy::Join  // each a line
                                  : CLI::MultiOptionPolicy::TakeLast)
        ->group("[" + std::string(row.info.section) + "]");
  }
  try {
    std::vector<std::string> args = Normalise(argc, argv);
    std::ranges::reverse(args);  // As the parser wants them.
    app.parse(std::move(args));
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int exit_code = app.exit(error, out, err);
    return ExitLine(exit_code == 0 ? 0 : 1, exit_code == 0 ? out.str() : err.str());
  }
  if (!app.remaining().empty()) {
    return ExitLine(1, "terrace: " + UnknownArgument(app.remaining().front()) + "\n");
  }
  if (print_config) return ExitLine(0, ExampleConfig());
  if (!check_file.empty()) {
    if (!line.config_file.empty()) {
      return ExitLine(1, "terrace: --check-config " + check_file + " names the file already: " +
                             "unexpected '" + line.config_file + "'\n");
    }
    line.action = CommandLine::Action::kCheckConfig;
    line.config_file = check_file;
  }
  return line;
}

}  // namespace terrace::server
