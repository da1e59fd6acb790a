#pragma once

// ConfigTable: CONFIG GET, SET, REWRITE and RELOAD over Settings. It knows names, texts and files;
// what a new value changes in the running server is done by a callback.
//
// Promises:  Set and Reload change all of their settings or none, also when the callback refuses
// one. Rewrite
//            replaces <config>.auto in one step and never touches the operator's own file.
// Ownership: keeps no Settings; the caller passes the live ones in.
// Threads:   none inside; the server calls it under the mutex of its settings.
// Errors:    texts as CONFIG replies them, without the '-'; empty: done.

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/settings.h"
#include "server/settings_load.h"
#include "server/settings_table.h"

namespace terrace::server {

class ConfigTable {
 public:
  using Pair = std::pair<std::string, std::string>;

  // Brings a setting that has just changed into effect; settings hold the new value. Answers what
  // prevents it, in a few words, or "" when it is done. After a refusal it is called again, with
  // the old values, for each setting it had already applied.
  using OnChange = std::function<std::string(std::string_view name, const Settings& settings)>;

  // Whether the client is on this machine, for settings under enable-protected-configs.
  enum class Client : uint8_t { kLocal, kRemote };

  explicit ConfigTable(ConfigFiles files, OnChange on_change = {});

  // Names and values that any of the patterns matches, each once. A plain name is answered as the
  // client spelt it.
  static std::vector<Pair> Get(const Settings& settings, std::span<const std::string> patterns);

  [[nodiscard]] std::string Set(Settings& settings, std::span<const Pair> pairs, Client client);

  [[nodiscard]] std::string Rewrite(const Settings& settings);
  // The value of this setting was changed otherwise than by Set.
  void NoteChanged(std::string_view name);

  struct Reloaded {
    std::string error;                       // why nothing was changed; may be several lines
    std::vector<std::string> changed;        // names of settings in effect with a new value
    std::vector<std::string> needs_restart;  // differ from the sources, but cannot change live
  };

  // Reads the sources of the start once more, flags included. What was set at run time and not
  // saved is lost. "tiers" among needs_restart stands for regionals, origins and routes.
  [[nodiscard]] Reloaded Reload(Settings& settings);

  // Must the value be hidden in MONITOR, the slow log and the log?
  static bool IsSensitive(std::string_view name);

 private:
  // Makes wanted the settings in effect, or leaves them as they are and answers why.
  std::string Apply(Settings& settings, Settings wanted,
                    std::span<const SettingRow<Settings>* const> different);
  std::string AutoText(const Settings& settings) const;

  ConfigFiles files_;
  const OnChange on_change_;
  std::set<std::string_view> changed_;  // names in <config>.auto, or set since the start
};

}  // namespace terrace::server
