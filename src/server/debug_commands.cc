// DEBUG: what test suites use. Off unless enable-debug-command allows it.

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/glob.h"
#include "server/commands.h"
#include "server/debug_dataset.h"
#include "server/server.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

bool IsAllowed(Call& call) {
  const Permission permission = CoreOf(call).server->settings().enable_debug_command;
  if (permission == Permission::kYes) return true;
  return permission == Permission::kLocal && ConnectionOf(call).stream->is_loopback();
}

void DebugProtocol(Call& call) {
  resp::Reply& reply = call.reply;
  const std::string kind(call.args[2]);
  if (kind == "string") return reply.Bulk("Hello World");
  if (kind == "integer") return reply.Integer(12345);
  if (kind == "double") return reply.Double(3.141);
  if (kind == "null") return reply.Null();
  if (kind == "bignum") return reply.BigNumber("1234567999999999999999999999999999999");
  if (kind == "true") return reply.Boolean(true);
  if (kind == "false") return reply.Boolean(false);
  if (kind == "verbatim") return reply.Verbatim("txt", "This is a verbatim\nstring");
  if (kind == "array" || kind == "set") {
    kind == "array" ? reply.Array(3) : reply.Set(3);
    for (int i = 0; i < 3; ++i) reply.Integer(i);
    return;
  }
  if (kind == "map") {
    reply.Map(3);
    for (int i = 0; i < 3; ++i) {
      reply.Integer(i);
      reply.Boolean(i == 1);
    }
    return;
  }
  if (kind == "attrib") {
    if (reply.protocol() >= 3) {
      reply.Attribute(1);
      reply.Bulk("key-popularity");
      reply.Array(2);
      reply.Bulk("key:123");
      reply.Integer(90);
    }
    return reply.Bulk("Some real reply following the attribute");
  }
  reply.Error(
      "ERR Wrong protocol type name. Please use one of the following: "
      "string|integer|double|null|array|set|map|attrib|push|verbatim|true|false");
}

void Sleep(Call& call) {
  constexpr double kSecondsMax = 24 * 3600;
  // As in Redis, what is no number is no time.
  const double seconds = std::strtod(std::string(call.args[2]).c_str(), nullptr);
  if (seconds > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(seconds, kSecondsMax)));
  }
  call.reply.Ok();
}

void DebugHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "DIGEST",
      "    A digest of all that is stored.",
      "DIGEST-VALUE <key> [<key> ...]",
      "    A digest of each of these values.",
      "ERROR <message>",
      "    Reply this error.",
      "LOADAOF",
      "    Empty all databases and load the append-only file.",
      "OBJECT <key>",
      "    How a value is kept.",
      "POPULATE <count> [<prefix> [<size>]]",
      "    Make so many keys, named <prefix>:<number> (key:<number>).",
      "PROTOCOL <type>",
      "    Reply a value of this type.",
      "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
      "    Save a snapshot and load it.",
      "SET-ACTIVE-EXPIRE <0|1>",
      "    Whether expired keys are removed before somebody looks for them.",
      "SET-DISABLE-DENY-SCRIPTS <0|1>",
      "    Whether scripts may run every command.",
      "SLEEP <seconds>",
      "    Hold up the thread that serves this client.",
      "STRINGMATCH-LEN <length> <pattern>",
      "    Match a pattern with a long text.",
  };
  commands::ReplyHelp(call, kLines);
}

void Debug(Call& call) {
  if (!IsAllowed(call)) {
    return call.reply.Error(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", "
        "you can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.");
  }
  const size_t argc = call.argc();
  if (call.Is(1, "help") && argc == 2) return DebugHelp(call);
  if (call.Is(1, "sleep") && argc == 3) return Sleep(call);
  if (call.Is(1, "object") && argc >= 3) return DebugObject(call);
  if (call.Is(1, "digest") && argc == 2) return DebugDigest(call);
  if (call.Is(1, "digest-value")) return DebugDigestValue(call);
  if (call.Is(1, "populate") && argc >= 3 && argc <= 5) return DebugPopulate(call);
  if (call.Is(1, "reload")) return DebugReload(call);
  if (call.Is(1, "loadaof") && argc == 2) return DebugLoadAof(call);
  if (call.Is(1, "protocol") && argc == 3) return DebugProtocol(call);
  if (call.Is(1, "set-active-expire") && argc == 3) {
    CoreOf(call).active_expire.store(call.args[2] != "0");
    return call.reply.Ok();
  }
  if (call.Is(1, "set-disable-deny-scripts") && argc == 3) {
    CoreOf(call).scripts_run_all.store(call.args[2] != "0");
    return call.reply.Ok();
  }
  if (call.Is(1, "stringmatch-len") && argc == 4) {
    const auto size = call.Integer(2);
    if (!size) return;
    const std::string text(static_cast<size_t>(*size), 'a');
    return call.reply.Integer(base::GlobMatch(call.args[3], text, base::GlobCase::kSensitive));
  }
  if (call.Is(1, "error") && argc == 3) return call.reply.Error(call.args[2]);
  // These tune or reload things that are not there to be tuned or reloaded here.
  for (const std::string_view ignored :
       {"quicklist-packed-threshold", "listpack-packed-threshold", "replybuffer", "dict-resizing",
        "change-repl-id", "replicate", "pause-cron"}) {
    if (call.Is(1, ignored)) return call.reply.Ok();
  }
  call.reply.Error("ERR unknown subcommand or wrong number of arguments for '" +
                   std::string(call.args[1]) + "'. Try DEBUG HELP.");
}

constexpr Command kDebugCommands[] = {
    {.name = "debug",
     .arity = -2,
     .flags = commands::kAdmin | commands::kNoScript | commands::kLoading | commands::kStale |
              commands::kTakesLocks | commands::kSystem,
     .categories = commands::kDangerous,
     .handler = Debug,
     .group = "server",
     .since = "1.0.0",
     .summary = "Helps to test the server.",
     .complexity = "Depends on the subcommand."},
};

}  // namespace

std::span<const Command> DebugCommands() { return kDebugCommands; }

}  // namespace terrace::server
