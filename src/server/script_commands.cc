// EVAL and its kin, SCRIPT: the handlers between the command table and the worker's interpreter.

#include "scripting/script_runner.h"
#include "server/commands.h"
#include "server/script_rows.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using scripting::Writes;

scripting::ScriptRunner& ScriptsOf(commands::Session& session) {
  return static_cast<Connection&>(session).worker->scripts();
}
scripting::ScriptRunner& ScriptsOf(Call& call) { return ScriptsOf(call.session); }

bool BodyNeedsOnlyKeys(commands::Session& session, commands::Args args) {
  return ScriptsOf(session).BodyNeedsOnlyKeys(args);
}
bool DigestNeedsOnlyKeys(commands::Session& session, commands::Args args) {
  return ScriptsOf(session).DigestNeedsOnlyKeys(args);
}

void Eval(Call& call) { ScriptsOf(call).Eval(call, Writes::kAllowed); }
void EvalReadOnly(Call& call) { ScriptsOf(call).Eval(call, Writes::kForbidden); }
void EvalDigest(Call& call) { ScriptsOf(call).EvalDigest(call, Writes::kAllowed); }
void EvalDigestReadOnly(Call& call) { ScriptsOf(call).EvalDigest(call, Writes::kForbidden); }

// ---- SCRIPT ------------------------------------------------------------------------------------

void ScriptLoad(Call& call) { ScriptsOf(call).LoadScript(call, call.args[2]); }

void ScriptExists(Call& call) {
  call.reply.Array(call.argc() - 2);
  for (const std::string_view digest : call.args.subspan(2)) {
    call.reply.Integer(CoreOf(call).scripts->Find(digest) != nullptr ? 1 : 0);
  }
}

void ScriptFlush(Call& call) {
  const bool is_known =
      call.argc() == 2 || (call.argc() == 3 && (call.Is(2, "sync") || call.Is(2, "async")));
  if (!is_known) return call.reply.Error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  CoreOf(call).scripts->Flush();
  TrimWorkers(call, [](Worker& worker) { worker.scripts().Trim(); });
  call.reply.Ok();
}

}  // namespace

void ReplyKilled(Call& call, BusyScript::Killed killed) {
  switch (killed) {
    case BusyScript::Killed::kYes:
      return call.reply.Ok();
    case BusyScript::Killed::kNothingRuns:
      return call.reply.Error("NOTBUSY No scripts in execution right now.");
    case BusyScript::Killed::kHasWritten:
      return call.reply.Error(
          "UNKILLABLE Sorry the script already executed write commands against the dataset. You "
          "can either wait the script termination or kill the server in a hard way using the "
          "SHUTDOWN NOSAVE command.");
    case BusyScript::Killed::kOtherKind:
      return call.reply.Error(call.Is(0, "script") ? BusyScript::ErrorOf(BusyKind::kFunction)
                                                   : BusyScript::ErrorOf(BusyKind::kScript));
  }
}

namespace {

void ScriptKill(Call& call) {
  ReplyKilled(call, CoreOf(call).busy->Kill(BusyScript::Kind::kScript));
}

// As in Valkey 8.
void ScriptShow(Call& call) {
  const auto script = CoreOf(call).scripts->Find(call.args[2]);
  if (script == nullptr) return call.reply.Error("NOSCRIPT No matching script.");
  call.reply.Bulk(script->body);
}

void ScriptDebug(Call& call) {
  if (call.Is(2, "no")) return call.reply.Ok();
  if (call.Is(2, "yes") || call.Is(2, "sync")) {
    return call.reply.Error("ERR the Lua debugger is not supported");
  }
  call.reply.Error("ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void ScriptHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "DEBUG (YES|SYNC|NO)",
      "    Set the debug mode for subsequent scripts executed.",
      "EXISTS <sha1> [<sha1> ...]",
      "    Return information about the existence of the scripts in the script cache.",
      "FLUSH [ASYNC|SYNC]",
      "    Flush the Lua scripts cache. Very dangerous on replicas.",
      "    When called without the optional mode argument, the behavior is determined by the",
      "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
      "    * ASYNC: Asynchronously flush the scripts cache.",
      "    * SYNC: Synchronously flush the scripts cache.",
      "KILL",
      "    Kill the currently executing Lua script.",
      "LOAD <script>",
      "    Load a script into the scripts cache without executing it.",
      "SHOW <sha1>",
      "    Return the text of a script in the scripts cache.",
  };
  commands::ReplyHelp(call, kLines);
}

// ---- Rows --------------------------------------------------------------------------------------

constexpr Command kScriptSubcommands[] = {
    ScriptingRow("script|debug", 3, 0, ScriptDebug, "3.2.0", "(mode: YES|SYNC|NO)",
                 "Sets the debug mode of scripts."),
    ScriptingRow("script|exists", -3, 0, ScriptExists, "2.6.0", "sha1...",
                 "Tells which scripts are cached.")
        .Costs("O(N), N: scripts given")
        .Tipped("request_policy:all_shards response_policy:agg_logical_and"),
    ScriptingRow("script|flush", -2, 0, ScriptFlush, "2.6.0", "[flush-type: ASYNC|SYNC]",
                 "Removes all scripts from the cache.")
        .Costs("O(N), N: scripts")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    ScriptingHelpRow("script|help", ScriptHelp, "5.0.0"),
    ScriptingRow("script|kill", 2, commands::kAllowBusy, ScriptKill, "2.6.0", "",
                 "Ends the script that runs.")
        .Tipped("request_policy:all_shards response_policy:one_succeeded"),
    ScriptingRow("script|load", 3, commands::kStale, ScriptLoad, "2.6.0", "script",
                 "Caches a script.")
        .Costs("O(N), N: bytes of the code")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    ScriptingRow("script|show", 3, 0, ScriptShow, "7.2.0", "sha1",
                 "Answers the text of a cached script."),
};

constexpr Command kScriptCommands[] = {
    InvocationRow("eval", commands::kMayReplicate, kNotedScriptKeys, Eval, BodyNeedsOnlyKeys,
                  "2.6.0", "script numkeys [key...] [arg...]", "Runs a Lua script.")
        .Costs("That of what is run."),
    InvocationRow("evalsha", commands::kMayReplicate, kScriptKeys, EvalDigest, DigestNeedsOnlyKeys,
                  "2.6.0", "sha1 numkeys [key...] [arg...]",
                  "Runs a cached Lua script by its SHA1 digest.")
        .Costs("That of what is run."),
    InvocationRow("eval_ro", commands::kReadOnly, kNotedReadOnlyScriptKeys, EvalReadOnly,
                  BodyNeedsOnlyKeys, "7.0.0", "script numkeys [key...] [arg...]",
                  "Runs a Lua script that reads.")
        .Costs("That of what is run."),
    InvocationRow("evalsha_ro", commands::kReadOnly, kReadOnlyScriptKeys, EvalDigestReadOnly,
                  DigestNeedsOnlyKeys, "7.0.0", "sha1 numkeys [key...] [arg...]",
                  "Runs a cached Lua script that reads by its SHA1 digest.")
        .Costs("That of what is run."),
    {.name = "script",
     .arity = -2,
     .group = "scripting",
     .since = "2.6.0",
     .summary = "Manages the cache of scripts.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kScriptSubcommands},
};

}  // namespace

void TrimWorkers(Call& call, void (*trim)(Worker& worker)) {
  Worker* const own = ConnectionOf(call).worker;
  trim(*own);
  Server* const server = CoreOf(call).server;
  if (server == nullptr) return;
  for (const auto& worker : server->workers()) {
    if (worker.get() != own) worker->loop().Post([trim, other = worker.get()] { trim(*other); });
  }
}

std::span<const Command> ScriptCommands() { return kScriptCommands; }

}  // namespace terrace::server
