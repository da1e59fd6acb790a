// FCALL and FUNCTION: the handlers between the command table and the worker's functions.

#include <string>

#include "base/glob.h"
#include "scripting/function_runner.h"
#include "scripting/script_flags.h"
#include "server/commands.h"
#include "server/script_rows.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using scripting::Library;
using scripting::LibrarySet;
using scripting::Writes;

scripting::FunctionRunner& FunctionsOf(commands::Session& session) {
  return static_cast<Connection&>(session).worker->functions();
}
scripting::FunctionRunner& FunctionsOf(Call& call) { return FunctionsOf(call.session); }

bool NeedsOnlyKeys(commands::Session& session, commands::Args args) {
  return FunctionsOf(session).NeedsOnlyKeys(args);
}

void Fcall(Call& call) { FunctionsOf(call).Call(call, Writes::kAllowed); }
void FcallReadOnly(Call& call) { FunctionsOf(call).Call(call, Writes::kForbidden); }

// Replaces the libraries, and has every worker give up what it does not need any more.
void ChangeLibraries(Call& call, const std::function<std::string(LibrarySet&)>& change) {
  const std::string error = CoreOf(call).libraries->Change(change);
  if (!error.empty()) return call.reply.Error("ERR " + error);
  TrimWorkers(call, [](Worker& worker) { worker.functions().Trim(); });
  call.reply.Ok();
}

void FunctionLoad(Call& call) {
  using Existing = scripting::FunctionRunner::Existing;
  Existing existing = Existing::kRefuse;
  for (size_t at = 2; at + 1 < call.argc(); ++at) {
    if (!call.Is(at, "replace")) {
      return call.reply.Error("ERR Unknown option given: " + std::string(call.args[at]));
    }
    existing = Existing::kReplace;
  }
  FunctionsOf(call).Load(call, call.args.back(), existing);
}

void FunctionDelete(Call& call) {
  ChangeLibraries(call, [&](LibrarySet& set) -> std::string {
    if (set.FindLibrary(call.args[2]) == nullptr) return "Library not found";
    set.Remove(call.args[2]);
    return "";
  });
}

void FunctionFlush(Call& call) {
  if (call.argc() > 3) return ReplyUnknownSubcommand(call);
  if (call.argc() == 3 && !call.Is(2, "sync") && !call.Is(2, "async")) {
    return call.reply.Error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  }
  ChangeLibraries(call, [](LibrarySet& set) -> std::string {
    set = LibrarySet();
    return "";
  });
}

void WriteFunction(resp::Reply& reply, const scripting::Function& function) {
  reply.Map(3);
  reply.Bulk("name");
  reply.Bulk(function.name);
  reply.Bulk("description");
  function.has_description ? reply.Bulk(function.description) : reply.Null();
  reply.Bulk("flags");
  const resp::Reply::Mark flags = reply.Begin();
  size_t count = 0;
  for (const scripting::FlagName& flag : scripting::FlagNames()) {
    if ((function.flags & flag.flag) == 0) continue;
    reply.Simple(flag.name);
    ++count;
  }
  reply.EndSet(flags, count);
}

enum class Code : uint8_t { kHidden, kShown };

void WriteLibrary(resp::Reply& reply, const Library& library, Code code) {
  reply.Map(code == Code::kShown ? 4 : 3);
  reply.Bulk("library_name");
  reply.Bulk(library.name);
  reply.Bulk("engine");
  reply.Bulk("LUA");
  reply.Bulk("functions");
  reply.Array(library.functions.size());
  for (const scripting::Function& function : library.functions) WriteFunction(reply, function);
  if (code == Code::kHidden) return;
  reply.Bulk("library_code");
  reply.Bulk(library.code);
}

void FunctionList(Call& call) {
  Code code = Code::kHidden;
  std::string_view pattern;
  bool has_pattern = false;
  for (size_t at = 2; at < call.argc(); ++at) {
    if (code == Code::kHidden && call.Is(at, "withcode")) {
      code = Code::kShown;
    } else if (!has_pattern && call.Is(at, "libraryname")) {
      if (++at == call.argc()) {
        return call.reply.Error("ERR library name argument was not given");
      }
      pattern = call.args[at];
      has_pattern = true;
    } else {
      return call.reply.Error("ERR Unknown argument " + std::string(call.args[at]));
    }
  }
  const scripting::LibraryStore::Set set = CoreOf(call).libraries->current();
  const resp::Reply::Mark list = call.reply.Begin();
  size_t count = 0;
  for (const auto& [name, library] : set->libraries()) {
    if (has_pattern && !base::GlobMatch(pattern, name, base::GlobCase::kInsensitive)) continue;
    WriteLibrary(call.reply, *library, code);
    ++count;
  }
  call.reply.EndArray(list, count);
}

void FunctionDump(Call& call) {
  call.reply.Bulk(scripting::DumpLibraries(*CoreOf(call).libraries->current()));
}

void FunctionRestore(Call& call) {
  using Policy = scripting::RestorePolicy;
  if (call.argc() > 4) return ReplyUnknownSubcommand(call);
  Policy policy = Policy::kAppend;
  if (call.argc() == 4) {
    if (call.Is(3, "append")) {
      policy = Policy::kAppend;
    } else if (call.Is(3, "replace")) {
      policy = Policy::kReplace;
    } else if (call.Is(3, "flush")) {
      policy = Policy::kFlush;
    } else {
      return call.reply.Error(
          "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
    }
  }
  FunctionsOf(call).Restore(call, call.args[2], policy);
}

void FunctionKill(Call& call) {
  ReplyKilled(call, CoreOf(call).busy->Kill(BusyScript::Kind::kFunction));
}

void FunctionStats(Call& call) {
  const Core& core = CoreOf(call);
  if (core.busy_script.load() == BusyKind::kScript) return call.reply.Error(core.busy->error());
  const scripting::LibraryStore::Set set = CoreOf(call).libraries->current();
  resp::Reply& reply = call.reply;
  reply.Map(2);
  reply.Bulk("running_script");
  const auto running = core.busy->running();
  if (running) {
    reply.Map(3);
    reply.Bulk("name");
    reply.Bulk(running->name);
    reply.Bulk("command");
    reply.Array(running->command.size());
    for (const std::string& word : running->command) reply.Bulk(word);
    reply.Bulk("duration_ms");
    reply.Integer(running->duration_ms);
  } else {
    reply.Null();
  }
  reply.Bulk("engines");
  reply.Map(1);
  reply.Bulk("LUA");
  reply.Map(2);
  reply.Bulk("libraries_count");
  reply.Integer(static_cast<int64_t>(set->libraries().size()));
  reply.Bulk("functions_count");
  reply.Integer(static_cast<int64_t>(set->function_count()));
}

void FunctionHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "LOAD [REPLACE] <FUNCTION CODE>",
      "    Create a new library with the given library name and code.",
      "DELETE <LIBRARY NAME>",
      "    Delete the given library.",
      "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
      "    Return general information on all the libraries:",
      "    * Library name",
      "    * The engine used to run the Library",
      "    * Library description",
      "    * Functions list",
      "    * Library code (if WITHCODE is given)",
      "    It also possible to get only function that matches a pattern using LIBRARYNAME "
      "argument.",
      "STATS",
      "    Return information about the current function running:",
      "    * Function name",
      "    * Command used to run the function",
      "    * Duration in MS that the function is running",
      "    If no function is running, return nil",
      "    In addition, returns a list of available engines.",
      "KILL",
      "    Kill the current running function.",
      "FLUSH [ASYNC|SYNC]",
      "    Delete all the libraries.",
      "    When called without the optional mode argument, the behavior is determined by the",
      "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
      "    * ASYNC: Asynchronously flush the libraries.",
      "    * SYNC: Synchronously flush the libraries.",
      "DUMP",
      "    Return a serialized payload representing the current libraries, can be restored using "
      "FUNCTION RESTORE command",
      "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
      "    Restore the libraries represented by the given payload, it is possible to give a "
      "restore "
      "policy to",
      "    control how to handle existing libraries (default APPEND):",
      "    * FLUSH: delete all existing libraries.",
      "    * APPEND: appends the restored libraries to the existing libraries. On collision, "
      "abort.",
      "    * REPLACE: appends the restored libraries to the existing libraries, On collision, "
      "replace the old",
      "      libraries with the new libraries (notice that even on this option there is a chance "
      "of "
      "failure",
      "      in case of functions name collision with another library).",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr uint32_t kChanges = commands::kWrite;
constexpr uint32_t kGrows = commands::kWrite | commands::kDenyOom;

constexpr Command kFunctionSubcommands[] = {
    ScriptingRow("function|delete", 3, kChanges, FunctionDelete, "7.0.0", "library-name",
                 "Removes a library.")
        .Tipped("request_policy:all_shards response_policy:all_succeeded"),
    ScriptingRow("function|dump", 2, 0, FunctionDump, "7.0.0", "", "Dumps all libraries.")
        .Costs("O(N), N: functions"),
    ScriptingRow("function|flush", -2, kChanges, FunctionFlush, "7.0.0", "[flush-type: ASYNC|SYNC]",
                 "Removes all libraries.")
        .Costs("O(N), N: functions")
        .Tipped("request_policy:all_shards response_policy:all_succeeded"),
    ScriptingHelpRow("function|help", FunctionHelp, "7.0.0"),
    ScriptingRow("function|kill", 2, commands::kAllowBusy, FunctionKill, "7.0.0", "",
                 "Ends the function that runs.")
        .Tipped("request_policy:all_shards response_policy:one_succeeded"),
    ScriptingRow("function|list", -2, 0, FunctionList, "7.0.0",
                 "[LIBRARYNAME library-name-pattern] [WITHCODE]", "Describes the libraries.")
        .Costs("O(N), N: functions")
        .Tipped("nondeterministic_output_order"),
    ScriptingRow("function|load", -3, kGrows, FunctionLoad, "7.0.0", "[REPLACE] function-code",
                 "Creates a library.")
        .Costs("O(N), N: bytes of the code")
        .Tipped("request_policy:all_shards response_policy:all_succeeded"),
    ScriptingRow("function|restore", -3, kGrows, FunctionRestore, "7.0.0",
                 "serialized-value [policy: FLUSH|APPEND|REPLACE]", "Restores dumped libraries.")
        .Costs("O(N), N: functions")
        .Tipped("request_policy:all_shards response_policy:all_succeeded"),
    ScriptingRow("function|stats", 2, commands::kAllowBusy, FunctionStats, "7.0.0", "",
                 "Tells what runs, and how many functions there are.")
        .Tipped("nondeterministic_output request_policy:all_shards response_policy:special"),
};

constexpr Command kFunctionCommands[] = {
    InvocationRow("fcall", commands::kMayReplicate, kNotedScriptKeys, Fcall, NeedsOnlyKeys, "7.0.0",
                  "function numkeys [key...] [arg...]", "Calls a function.")
        .Costs("That of what is run."),
    InvocationRow("fcall_ro", commands::kReadOnly, kNotedReadOnlyScriptKeys, FcallReadOnly,
                  NeedsOnlyKeys, "7.0.0", "function numkeys [key...] [arg...]",
                  "Calls a function that reads.")
        .Costs("That of what is run."),
    {.name = "function",
     .arity = -2,
     .group = "scripting",
     .since = "7.0.0",
     .summary = "Manages libraries of functions.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kFunctionSubcommands},
};

}  // namespace

std::span<const Command> FunctionCommands() { return kFunctionCommands; }

}  // namespace terrace::server
