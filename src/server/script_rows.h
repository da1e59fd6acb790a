#pragma once

// What the rows of EVAL, SCRIPT, FCALL and FUNCTION have in common; included by their files only.

#include <functional>
#include <string_view>

#include "commands/command.h"
#include "server/busy_script.h"

namespace terrace::server {

class Worker;

// What a script does with its keys is not known: the most that it may.
inline constexpr commands::KeySpec kScriptKeys = commands::CountedKeys(2, "RW access update");
inline constexpr commands::KeySpec kReadOnlyScriptKeys = commands::CountedKeys(2, "RO access");
inline constexpr commands::KeySpec kNotedScriptKeys = commands::Noted(
    kScriptKeys, "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE");
inline constexpr commands::KeySpec kNotedReadOnlyScriptKeys = commands::Noted(
    kReadOnlyScriptKeys,
    "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS");

// EVAL, FCALL and their kin: command script numkeys [key ...] [argument ...].
// keys: how it uses its keys, for clients.
constexpr commands::Command InvocationRow(
    std::string_view name, uint32_t flags, const commands::KeySpec& keys, commands::Handler handler,
    bool (*needs_only_keys)(commands::Session&, commands::Args), std::string_view since,
    std::string_view syntax, std::string_view summary) {
  return {.name = name,
          .arity = -3,
          .flags = commands::kNoScript | commands::kSkipMonitor | commands::kNoMandatoryKeys |
                   commands::kStale | commands::kMovableKeys | commands::kAllShards |
                   commands::kRunsBelow | flags,
          .categories = commands::kScripting,
          .keys = keys,
          .resolve = commands::Resolve::kValue,
          .handler = handler,
          .group = "scripting",
          .since = since,
          .syntax = syntax,
          .summary = summary,
          .needs_only_keys = needs_only_keys};
}

constexpr commands::Command ScriptingRow(std::string_view name, int arity, uint32_t flags,
                                         commands::Handler handler, std::string_view since,
                                         std::string_view syntax, std::string_view summary) {
  return {.name = name,
          .arity = arity,
          .flags = commands::kNoScript | commands::kNoLocks | flags,
          .categories = commands::kScripting,
          .handler = handler,
          .group = "scripting",
          .since = since,
          .syntax = syntax,
          .summary = summary};
}

// The HELP of one of these commands, which scripts may ask for.
constexpr commands::Command ScriptingHelpRow(std::string_view name, commands::Handler handler,
                                             std::string_view since) {
  commands::Command row = ScriptingRow(name, 2, commands::kLoading | commands::kStale, handler,
                                       since, {}, "Describes the subcommands.");
  row.flags &= ~commands::kNoScript;
  return row;
}

// SCRIPT KILL and FUNCTION KILL.
void ReplyKilled(commands::Call& call, BusyScript::Killed killed);

// Calls trim for the call's worker now and for every other on its own thread, soon.
void TrimWorkers(commands::Call& call, void (*trim)(Worker& worker));

}  // namespace terrace::server
