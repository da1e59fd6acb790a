#include "server/settings_file.h"

#include <algorithm>
#include <set>
#include <utility>

#include "server/settings_names.h"
#include "server/settings_tier_flags.h"
#include "server/settings_tiers.h"
#include "server/settings_value.h"

namespace terrace::server {
namespace {

using Kind = DocumentValue::Kind;

bool IsTierSection(std::string_view name) {
  return std::ranges::find(TierSections(), name) != TierSections().end();
}

// What an operator should have written, or empty when the kind suits the type.
std::string_view WrongKind(SettingType type, Kind kind) {
  if (kind == Kind::kOther) return "expected a plain value";
  if (kind == Kind::kString) return {};
  switch (type) {
    case SettingType::kBool:
    case SettingType::kChoice:
      return kind == Kind::kBoolean ? std::string_view{} : "expected a word in quotes";
    case SettingType::kInt:
    case SettingType::kOctal:
      return kind == Kind::kInteger ? std::string_view{} : "expected a whole number";
    case SettingType::kBytes:
    case SettingType::kBytesOrPercent:
      return kind == Kind::kInteger ? std::string_view{} : "expected a size such as \"64mb\"";
    case SettingType::kDurationMs:
      return kind == Kind::kInteger ? std::string_view{} : "expected a duration such as \"5s\"";
    case SettingType::kFraction:
      return kind == Kind::kInteger || kind == Kind::kFloat ? std::string_view{}
                                                            : "expected a fraction such as 0.1";
    case SettingType::kList:
    case SettingType::kTexts:
    case SettingType::kPercentiles:
    case SettingType::kOutputBufferLimits:
      return kind == Kind::kArray ? std::string_view{} : "expected a list in brackets";
    default:
      return "expected a text in quotes";
  }
}

class SettingsReader {
 public:
  SettingsReader(Settings& settings, ErrorList& errors) : settings_(settings), errors_(errors) {}

  void ReadSection(const DocumentSection& section) {
    if (section.is_element) {
      errors_.Error(section.at, "write [" + section.name + "] in single brackets");
      return;
    }
    for (const DocumentValue& value : section.values) ReadValue(section, value);
  }

  // A name above the first section, or in a section that does not exist.
  void ReportUnknownSection(const DocumentSection& section) {
    if (!section.name.empty()) {
      std::vector<std::string_view> sections(TierSections().begin(), TierSections().end());
      for (const auto& row : SettingRows()) sections.push_back(row.info.section);
      errors_.Error(section.at,
                    "unknown section '" + section.name + "'" + DidYouMean(section.name, sections));
      return;
    }
    for (const DocumentValue& value : section.values) ReadValue(section, value);
  }

  std::vector<std::string_view> TakeNames() { return std::move(names_); }

 private:
  void ReadValue(const DocumentSection& section, const DocumentValue& value) {
    const auto* row = FindSetting(value.name);
    if (row == nullptr) {
      ReportUnknownName(value);
    } else if (row->info.section != section.name) {
      errors_.Error(value.name_at,
                    "'" + value.name + "' belongs below [" + std::string(row->info.section) + "]");
    } else if (!seen_.insert(row).second) {
      errors_.Error(value.name_at, "'" + value.name +
                                       "' is set twice; it is another spelling of '" +
                                       std::string(row->info.name) + "'");
    } else if (Assign(row->info, row->field(settings_), value, errors_)) {
      names_.push_back(row->info.name);
    }
  }

  void ReportUnknownName(const DocumentValue& value) {
    if (const auto reason = WhyNotSupported(value.name); !reason.empty()) {
      errors_.Error(value.name_at, "'" + value.name + "' is not supported: " + std::string(reason));
      return;
    }
    std::vector<std::string_view> names;
    for (const auto& row : SettingRows()) {
      names.push_back(row.info.name);
      if (!row.info.alias.empty()) names.push_back(row.info.alias);
    }
    errors_.Error(value.name_at,
                  "unknown setting '" + value.name + "'" + DidYouMean(value.name, names));
  }

  Settings& settings_;
  ErrorList& errors_;
  std::set<const SettingRow<Settings>*> seen_;
  std::vector<std::string_view> names_;
};

bool IsSettingsSection(std::string_view name) {
  return std::ranges::any_of(SettingRows(),
                             [name](const auto& row) { return row.info.section == name; });
}

// Errors end up in logs: a text with a password in it is not repeated.
std::string_view ShownText(const TierFlag& flag) {
  const bool has_secret = NormalName(flag.text).find("password") != std::string::npos;
  return has_secret ? "... (not shown: has a password)" : std::string_view(flag.text);
}

}  // namespace

void ErrorList::Error(Position at, std::string message) {
  Add(at, std::move(message), ConfigError::Severity::kError);
}

void ErrorList::Warning(Position at, std::string message) {
  Add(at, std::move(message), ConfigError::Severity::kWarning);
}

void ErrorList::Add(Position at, std::string message, ConfigError::Severity severity) {
  std::string source = file_;
  if (at.flag > 0) {
    const TierFlag& flag = flags_[static_cast<size_t>(at.flag) - 1];
    source = "terrace: '--" + flag.section + " " + std::string(ShownText(flag)) + "'";
  }
  errors_.push_back({std::move(source), at, std::move(message), severity});
}

std::vector<ConfigError> ErrorList::Take() {
  std::ranges::stable_sort(errors_, {}, &ConfigError::at);
  return std::move(errors_);
}

bool Assign(const SettingInfo& info, Field field, const DocumentValue& value, ErrorList& errors) {
  if (const auto wrong = WrongKind(info.type, value.kind); !wrong.empty()) {
    errors.Error(value.value_at, "'" + value.name + "': " + std::string(wrong));
    return false;
  }
  std::string text = value.text;
  if (info.type == SettingType::kTexts && value.kind == Kind::kArray) {
    text.clear();
    for (const std::string& element : value.elements) text += element + "\n";
  }
  if (const auto error = SetValue(info, field, text); !error.empty()) {
    errors.Error(value.value_at, "'" + value.name + "': " + error);
    return false;
  }
  return true;
}

bool FileResult::ok() const {
  return std::ranges::none_of(errors, [](const ConfigError& error) {
    return error.severity == ConfigError::Severity::kError;
  });
}

FileResult ReadSettings(std::string_view file, std::string_view text, FileKind kind,
                        Settings& settings, std::span<const TierFlag> flags) {
  ConfigError syntax_error;
  auto document = ParseDocument(text, &syntax_error);
  if (!document) {
    syntax_error.file = file;
    return {{syntax_error}, {}};
  }
  ErrorList errors(file, flags);
  AddTierFlags(flags, *document, errors);
  SettingsReader reader(settings, errors);
  for (const DocumentSection& section : document->sections) {
    if (IsSettingsSection(section.name)) {
      reader.ReadSection(section);
    } else if (kind == FileKind::kAuto || !IsTierSection(section.name)) {
      reader.ReportUnknownSection(section);
    }
  }
  if (kind == FileKind::kOperator) ReadTiers(*document, settings, errors);
  return {errors.Take(), reader.TakeNames()};
}

}  // namespace terrace::server
