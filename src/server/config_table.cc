#include "server/config_table.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/files.h"
#include "base/glob.h"
#include "server/settings_names.h"
#include "server/settings_table.h"
#include "server/settings_value.h"

namespace terrace::server {
namespace {

using Row = SettingRow<Settings>;

// The accessors of rows take a mutable owner; reading through one changes nothing.
Field ReadOnly(const Row& row, const Settings& settings) {
  return row.field(const_cast<Settings&>(settings));
}

std::string SetFailed(std::string_view name, std::string_view reason) {
  return "ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " +
         std::string(reason);
}

bool MayChange(Permission permission, ConfigTable::Client client) {
  return permission == Permission::kYes ||
         (permission == Permission::kLocal && client == ConfigTable::Client::kLocal);
}

// Finds the rows of a CONFIG SET. Answers what is wrong with the names, in Redis's order.
std::string FindRows(const Settings& settings, std::span<const ConfigTable::Pair> pairs,
                     ConfigTable::Client client, std::vector<const Row*>& rows) {
  for (const auto& [name, value] : pairs) {
    const Row* row = FindSetting(name);
    if (row == nullptr || row->info.file_only) {
      return "ERR Unknown option or number of arguments for CONFIG SET - '" + name + "'";
    }
    rows.push_back(row);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]->info.needs_protected && !MayChange(settings.enable_protected_configs, client)) {
      return SetFailed(pairs[i].first, "can't set protected config");
    }
    if (std::find(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(i), rows[i]) !=
        rows.begin() + static_cast<std::ptrdiff_t>(i)) {
      return SetFailed(pairs[i].first, "duplicate parameter");
    }
  }
  return "";
}

// All that tiers and routes are set to, to see whether two are the same.
std::string TiersText(const Settings& settings) {
  std::string text;
  const auto add = [&text](const SettingInfo& info, Field field) {
    text += std::string(info.name) + "=" + TomlValue(info, field) + "\n";
  };
  for (RegionalSettings regional : settings.regionals) {
    for (const auto& row : RegionalRows()) add(row.info, row.field(regional));
  }
  for (OriginSettings origin : settings.origins) {
    for (const OriginRow& row : OriginRows()) {
      const auto field = row.fields[static_cast<size_t>(origin.kind)];
      if (field != nullptr) add(row.info, field(origin));
    }
  }
  for (RouteSettings route : settings.routes) {
    for (const auto& row : RouteRows()) add(row.info, row.field(route));
  }
  return text;
}

std::string ShownValue(const Row& row, const Settings& settings) {
  std::string text = GetValue(row.info, ReadOnly(row, settings));
  // Clients know it so: beside 'A', which does not include it, 'n' is not shown.
  if (row.info.type == SettingType::kKeyspaceEvents && text.starts_with('A')) std::erase(text, 'n');
  return text;
}

}  // namespace

ConfigTable::ConfigTable(ConfigFiles files, OnChange on_change)
    : files_(std::move(files)),
      on_change_(std::move(on_change)),
      changed_(files_.auto_names.begin(), files_.auto_names.end()) {}

std::vector<ConfigTable::Pair> ConfigTable::Get(const Settings& settings,
                                                std::span<const std::string> patterns) {
  std::vector<Pair> found;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name, const Row& row) {
    if (row.info.file_only) return;
    if (seen.insert(name).second) {
      found.emplace_back(name, ShownValue(row, settings));
    }
  };
  for (const std::string& pattern : patterns) {
    if (!base::IsGlob(pattern)) {
      if (const Row* row = FindSetting(pattern)) add(pattern, *row);
      continue;
    }
    for (const Row& row : SettingRows()) {
      for (const std::string_view name : {row.info.name, row.info.alias}) {
        if (base::GlobMatch(pattern, name, base::GlobCase::kInsensitive)) {
          add(std::string(name), row);
        }
      }
    }
  }
  return found;
}

std::string ConfigTable::Set(Settings& settings, std::span<const Pair> pairs, Client client) {
  std::vector<const Row*> rows;
  if (auto error = FindRows(settings, pairs, client, rows); !error.empty()) return error;

  Settings wanted = settings;
  std::vector<const Row*> different;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = *rows[i];
    const std::string old_text = GetValue(row.info, row.field(settings));
    const std::string error = SetValue(row.info, row.field(wanted), pairs[i].second);
    const bool same = error.empty() && GetValue(row.info, row.field(wanted)) == old_text;
    if (row.info.change == Change::kRestart && !same) {
      return SetFailed(pairs[i].first, "can't set immutable config");
    }
    if (!error.empty()) return SetFailed(row.info.name, error);
    if (!same) different.push_back(&row);
  }

  auto error = Apply(settings, std::move(wanted), different);
  if (error.empty()) {
    for (const Row* row : rows) changed_.insert(row->info.name);
  }
  return error;
}

std::string ConfigTable::Apply(Settings& settings, Settings wanted,
                               std::span<const Row* const> different) {
  std::swap(settings, wanted);
  for (size_t i = 0; i < different.size() && on_change_; ++i) {
    const std::string error = on_change_(different[i]->info.name, settings);
    if (error.empty()) continue;
    std::swap(settings, wanted);
    for (size_t applied = 0; applied < i; ++applied) {
      // Nothing more can be done if even the old value is refused now.
      static_cast<void>(on_change_(different[applied]->info.name, settings));
    }
    return SetFailed(different[i]->info.name, error);
  }
  return "";
}

ConfigTable::Reloaded ConfigTable::Reload(Settings& settings) {
  Reloaded result;
  Startup again = LoadAgain(files_);
  if (again.action == Startup::Action::kExit) {
    result.error = again.output;
    return result;
  }
  Settings wanted = settings;
  std::vector<const Row*> different;
  for (const Row& row : SettingRows()) {
    const std::string text = GetValue(row.info, row.field(again.settings));
    if (text == GetValue(row.info, row.field(settings))) continue;
    if (row.info.change == Change::kRestart) {
      result.needs_restart.emplace_back(row.info.name);
      continue;
    }
    // The sources were checked when they were read.
    TERRACE_CHECK(SetValue(row.info, row.field(wanted), text).empty());
    different.push_back(&row);
    result.changed.emplace_back(row.info.name);
  }
  if (TiersText(again.settings) != TiersText(settings)) result.needs_restart.emplace_back("tiers");
  result.error = Apply(settings, std::move(wanted), different);
  if (!result.error.empty()) {
    result.changed.clear();
    return result;
  }
  files_ = std::move(again.files);
  changed_ = {files_.auto_names.begin(), files_.auto_names.end()};
  return result;
}

std::string ConfigTable::Rewrite(const Settings& settings) {
  if (files_.config_file.empty()) return "ERR The server is running without a config file";
  const int error = base::ReplaceFile(AutoFile(files_.config_file), AutoText(settings));
  return error == 0 ? "" : std::string("ERR Rewriting config file: ") + std::strerror(error);
}

std::string ConfigTable::AutoText(const Settings& settings) const {
  std::string text =
      "# Settings changed at run time, written by CONFIG REWRITE and read after the configuration\n"
      "# file beside it. Remove a line to go back to the value of that file.\n";
  std::string_view section;
  for (const Row& row : SettingRows()) {
    const Field field = ReadOnly(row, settings);
    if (!changed_.contains(row.info.name) ||
        GetValue(row.info, field) == GetValue(row.info, ReadOnly(row, files_.base))) {
      continue;
    }
    if (row.info.section != section) {
      section = row.info.section;
      text += "\n[" + std::string(section) + "]\n";
    }
    text += std::string(row.info.name) + " = " + TomlValue(row.info, field) + "\n";
  }
  return text;
}

void ConfigTable::NoteChanged(std::string_view name) {
  changed_.insert(FindSetting(name)->info.name);
}

bool ConfigTable::IsSensitive(std::string_view name) {
  const Row* row = FindSetting(name);
  return row != nullptr && row->info.sensitive;
}

}  // namespace terrace::server
