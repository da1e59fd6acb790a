// Administration: CONFIG, TIME, SHUTDOWN, and the answers of a server without replicas.

#include <string>
#include <vector>

#include "base/memory.h"
#include "base/numbers.h"
#include "commands/registry.h"
#include "server/commands.h"
#include "server/server.h"
#include "server/version.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kAdmin;
using commands::kDangerous;
using commands::kFast;
using commands::kLoading;
using commands::kNoLocks;
using commands::kNoScript;
using commands::kStale;

void ConfigGet(Call& call) {
  std::vector<std::string> patterns(call.args.begin() + 2, call.args.end());
  const auto pairs = ConfigTable::Get(CoreOf(call).server->settings(), patterns);
  call.reply.Map(pairs.size());
  for (const auto& [name, value] : pairs) {
    call.reply.Bulk(name);
    call.reply.Bulk(value);
  }
}

void ConfigSet(Call& call) {
  if (call.argc() % 2 != 0) return call.reply.SyntaxError();
  std::vector<ConfigTable::Pair> pairs;
  for (size_t at = 2; at < call.argc(); at += 2) {
    pairs.emplace_back(call.args[at], call.args[at + 1]);
  }
  const auto client = ConnectionOf(call).stream->is_loopback() ? ConfigTable::Client::kLocal
                                                               : ConfigTable::Client::kRemote;
  Server& server = *CoreOf(call).server;
  const std::string error = server.SetConfig(pairs, client);
  // Not within a transaction, which would be cut in two.
  if (!call.executor->HoldsAllLocks()) server.append_only().RunScheduled(server.settings());
  RefreshAfterOwnChange(CoreOf(call), ConnectionOf(call));
  if (!error.empty()) return call.reply.Error(error);
  call.reply.Ok();
}

void ConfigRewrite(Call& call) {
  const std::string error = CoreOf(call).server->RewriteConfig();
  if (!error.empty()) return call.reply.Error(error);
  call.reply.Ok();
}

void ConfigResetStat(Call& call) {
  CoreOf(call).server->ResetStats();
  call.reply.Ok();
}

void ConfigReload(Call& call) {
  const auto reloaded = CoreOf(call).server->ReloadConfig();
  RefreshAfterOwnChange(CoreOf(call), ConnectionOf(call));
  if (!reloaded.error.empty()) return call.reply.Error("ERR " + reloaded.error);
  call.reply.Map(2);
  const auto list = [&](std::string_view title, const auto& names) {
    call.reply.Bulk(title);
    call.reply.Array(names.size());
    for (const auto& name : names) call.reply.Bulk(name);
  };
  list("changed", reloaded.changed);
  list("needs_restart", reloaded.needs_restart);
}

void ConfigHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
      "SET <directive> <value>",
      "    Set the configuration <directive> to <value>.",
      "RESETSTAT",
      "    Reset statistics reported by the INFO command.",
      "REWRITE",
      "    Save what was changed at run time beside the configuration file.",
      "RELOAD",
      "    Read the configuration file again and apply what can change live.",
  };
  commands::ReplyHelp(call, kLines);
}

void Time(Call& call) {
  const int64_t wall_us = call.executor->WallUs();
  call.reply.Array(2);
  call.reply.BulkInteger(wall_us / 1'000'000);
  call.reply.BulkInteger(wall_us % 1'000'000);
}

void Shutdown(Call& call) {
  using LastSave = Server::LastSave;
  bool aborts = false, is_forced = false, saves = false, saves_not = false, is_now = false;
  for (size_t at = 1; at < call.argc(); ++at) {
    if (call.Is(at, "abort")) {
      aborts = true;
    } else if (call.Is(at, "nosave")) {
      saves_not = true;
    } else if (call.Is(at, "save")) {
      saves = true;
    } else if (call.Is(at, "force")) {
      is_forced = true;
    } else if (call.Is(at, "now")) {
      is_now = true;
    } else {
      return call.reply.SyntaxError();
    }
  }
  if ((saves && saves_not) || (aborts && call.argc() > 2)) return call.reply.SyntaxError();
  if (aborts) return call.reply.Error("ERR No shutdown in progress.");
  Core& core = CoreOf(call);
  if (core.busy_script.load() != BusyKind::kNone) {
    if (!saves_not) return call.reply.Error(core.busy->error());
    core.busy->Abort();
  }
  const LastSave last_save = saves       ? LastSave::kYes
                             : saves_not ? LastSave::kNo
                                         : LastSave::kAsConfigured;
  // The last snapshot is written when nobody is served any more. That it can be written is seen
  // now, while there is still a way back.
  if (core.server->WillSave(last_save) && !is_forced &&
      !core.server->persistence().SaveLast(core.server->settings()).empty()) {
    return call.reply.Error("ERR Errors trying to SHUTDOWN. Check logs.");
  }
  core.server->Shutdown(last_save,
                        is_now ? Server::Patience::kNone : Server::Patience::kAsConfigured);
  ConnectionOf(call).state = ConnectionState::kClosing;
}

constexpr uint32_t kAdminFlags = kNoScript | kLoading | kStale | commands::kTakesLocks;

constexpr Command ConfigRow(std::string_view name, int arity, commands::Handler handler,
                            std::string_view since, std::string_view syntax,
                            std::string_view summary) {
  return {.name = name,
          .arity = arity,
          .flags = kAdminFlags | kAdmin,
          .categories = kDangerous,
          .handler = handler,
          .group = "server",
          .since = since,
          .syntax = syntax,
          .summary = summary};
}

void ModuleList(Call& call) { call.reply.Array(0); }

void ModuleHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "LIST",
      "    The modules that are loaded: none.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr Command kConfigSubcommands[] = {
    ConfigRow("config|get", -3, ConfigGet, "2.0.0", "parameter...",
              "Answers the values of settings.")
        .Costs("O(N), N: settings"),
    ConfigRow("config|set", -4, ConfigSet, "2.0.0", "(data: parameter value)...",
              "Changes settings, all or none.")
        .Costs("O(N), N: settings given")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    ConfigRow("config|rewrite", 2, ConfigRewrite, "2.8.0", "",
              "Saves what was changed at run time.")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    ConfigRow("config|resetstat", 2, ConfigResetStat, "2.0.0", "", "Sets the statistics to zero.")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    ConfigRow("config|reload", 2, ConfigReload, "7.2.0", "", "Reads the configuration file again."),
    {.name = "config|help",
     .arity = 2,
     .flags = kLoading | kStale | kNoLocks,
     .handler = ConfigHelp,
     .group = "server",
     .since = "5.0.0",
     .summary = "Describes the subcommands."},
};

// Terrace is nobody's replica, and stays so when told.
void ReplicaOf(Call& call) {
  if (call.Is(1, "no") && call.Is(2, "one")) return call.reply.Ok();
  call.reply.Error(
      "ERR Terrace does not replicate from another server; name it as a regional tier instead");
}

// Clients look for the first words to learn what they talk to.
void Lolwut(Call& call) {
  if (call.argc() > 1) {
    if (!call.Is(1, "version")) return call.reply.SyntaxError();
    if (call.argc() > 2 && !base::ParseInt64(call.args[2])) {
      return call.reply.Error("ERR value is not an integer or out of range");
    }
  }
  std::string text;
  for (int step = 1; step <= 5; ++step) {
    text += std::string(static_cast<size_t>(20 - 4 * step), ' ');
    text += "____" + std::string(static_cast<size_t>(4 * (step - 1)), '.') + "\n";
  }
  text += "Redis ver. " + std::string(kRedisVersion) + ", Terrace ver. " + std::string(kVersion);
  call.reply.Verbatim("txt", text + "\n");
}

constexpr Command kModuleSubcommands[] = {
    {.name = "module|list",
     .arity = 2,
     .flags = kAdmin | kNoScript | kNoLocks,
     .categories = kDangerous,
     .handler = ModuleList,
     .group = "server",
     .since = "4.0.0",
     .summary = "Answers that there are none.",
     .tips = "nondeterministic_output_order"},
    {.name = "module|help",
     .arity = 2,
     .flags = kLoading | kStale | kNoLocks,
     .handler = ModuleHelp,
     .group = "server",
     .since = "5.0.0",
     .summary = "Describes the subcommands."},
};

constexpr Command kAdminCommands[] = {
    {.name = "module",
     .arity = -2,
     .group = "server",
     .since = "4.0.0",
     .summary = "A container for module commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kModuleSubcommands},
    {.name = "config",
     .arity = -2,
     .group = "server",
     .since = "2.0.0",
     .summary = "A container for configuration commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kConfigSubcommands},
    {.name = "time",
     .arity = 1,
     .flags = kLoading | kStale | kFast | kNoLocks,
     .handler = Time,
     .group = "server",
     .since = "2.6.0",
     .summary = "Answers the server's time.",
     .tips = "nondeterministic_output"},
    {.name = "shutdown",
     .arity = -1,
     .flags = kAdminFlags | kAdmin | commands::kNoMulti | commands::kAllowBusy,
     .categories = kDangerous,
     .handler = Shutdown,
     .group = "server",
     .since = "1.0.0",
     .syntax = "[save-selector: NOSAVE|SAVE] [NOW] [FORCE] [ABORT]",
     .summary = "Writes a snapshot if asked, moves spilled values below and stops.",
     .complexity = "O(N), N: keys, when it saves"},
    {.name = "replicaof",
     .arity = 3,
     .flags = kAdmin | kStale | kNoScript | commands::kNoAsyncLoading | kNoLocks,
     .categories = kDangerous,
     .handler = ReplicaOf,
     .group = "server",
     .since = "5.0.0",
     .syntax = "(args: (host-port: host port)|(no-one: NO ONE))",
     .summary = "Accepts NO ONE: Terrace follows nobody."},
    {.name = "slaveof",
     .arity = 3,
     .flags = kAdmin | kStale | kNoScript | commands::kNoAsyncLoading | kNoLocks,
     .categories = kDangerous,
     .handler = ReplicaOf,
     .group = "server",
     .since = "1.0.0",
     .syntax = "(args: (host-port: host port)|(no-one: NO ONE))",
     .summary = "Accepts NO ONE: Terrace follows nobody.",
     .deprecated = {"5.0.0", "`REPLICAOF`"}},
    {.name = "lolwut",
     .arity = -1,
     .flags = commands::kReadOnly | kFast | kNoLocks,
     .handler = Lolwut,
     .group = "server",
     .since = "5.0.0",
     .syntax = "[VERSION version]",
     .summary = "Answers the version, below a small picture."},
};

}  // namespace

std::span<const Command> AdminCommands() { return kAdminCommands; }

}  // namespace terrace::server
