// SLOWLOG: the last commands that took long.

#include <limits>

#include "base/numbers.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

void SlowlogGet(Call& call) {
  constexpr int64_t kDefaultCount = 10;
  size_t count = kDefaultCount;
  if (call.argc() > 3) return call.reply.SyntaxError();
  if (call.argc() == 3) {
    const auto asked = base::ParseInt64(call.args[2]);
    if (!asked || *asked < -1)
      return call.reply.Error("ERR count should be greater than or equal to -1");
    count = *asked == -1 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(*asked);
  }
  const std::vector<SlowlogEntry> entries = CoreOf(call).slowlog.Newest(count);
  call.reply.Array(entries.size());
  for (const SlowlogEntry& entry : entries) {
    call.reply.Array(6);
    call.reply.Integer(static_cast<int64_t>(entry.id));
    call.reply.Integer(entry.unix_s);
    call.reply.Integer(entry.duration_us);
    call.reply.Array(entry.args.size());
    for (const std::string& arg : entry.args) call.reply.Bulk(arg);
    call.reply.Bulk(entry.client_address);
    call.reply.Bulk(entry.client_name);
  }
}

void SlowlogLen(Call& call) {
  call.reply.Integer(static_cast<int64_t>(CoreOf(call).slowlog.size()));
}

void SlowlogReset(Call& call) {
  CoreOf(call).slowlog.Clear();
  call.reply.Ok();
}

void SlowlogHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "GET [<count>]",
      "    The newest entries, 10 unless told; -1: all. Each has an id, the time,",
      "    the duration in microseconds, the arguments, the client's address and name.",
      "LEN",
      "    How many entries there are.",
      "RESET",
      "    Forget all entries.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr uint32_t kSlowlogFlags =
    commands::kAdmin | commands::kLoading | commands::kStale | commands::kNoLocks;

constexpr Command SlowlogRow(std::string_view name, int arity, commands::Handler handler,
                             std::string_view syntax, std::string_view summary) {
  return {.name = name,
          .arity = arity,
          .flags = kSlowlogFlags,
          .categories = commands::kDangerous,
          .handler = handler,
          .group = "server",
          .since = "2.2.12",
          .syntax = syntax,
          .summary = summary};
}

constexpr Command kSlowlogSubcommands[] = {
    SlowlogRow("slowlog|get", -2, SlowlogGet, "[count]",
               "Answers the newest entries of the slow log.")
        .Costs("O(N), N: entries answered")
        .Tipped("request_policy:all_nodes nondeterministic_output"),
    SlowlogRow("slowlog|len", 2, SlowlogLen, "", "Answers the length of the slow log.")
        .Tipped("request_policy:all_nodes response_policy:agg_sum nondeterministic_output"),
    SlowlogRow("slowlog|reset", 2, SlowlogReset, "", "Empties the slow log.")
        .Costs("O(N), N: entries of the log")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    {.name = "slowlog|help",
     .arity = 2,
     .flags = commands::kLoading | commands::kStale | commands::kNoLocks,
     .handler = SlowlogHelp,
     .group = "server",
     .since = "6.2.0",
     .summary = "Describes the subcommands."},
};

constexpr Command kSlowlogCommands[] = {
    {.name = "slowlog",
     .arity = -2,
     .group = "server",
     .since = "2.2.12",
     .summary = "A container for slow log commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kSlowlogSubcommands},
};

}  // namespace

std::span<const Command> SlowlogCommands() { return kSlowlogCommands; }

}  // namespace terrace::server
