// MEMORY: where memory is, as far as a client may ask.

#include <algorithm>

#include "base/memory.h"
#include "server/commands.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kNoLocks;

void MemoryUsage(Call& call) {
  // What a key costs is known, not estimated from samples.
  for (size_t at = 3; at < call.argc(); at += 2) {
    if (!call.Is(at, "samples") || at + 1 == call.argc()) return call.reply.SyntaxError();
    const auto samples = call.Integer(at + 1);
    if (!samples) return;
    if (*samples < 0) return call.reply.SyntaxError();
  }
  const keyspace::Entry* entry = call.db.Peek(call.key(2));
  if (entry == nullptr) return call.reply.Null();
  call.reply.Integer(static_cast<int64_t>(entry->charge()));
}

void MemoryPurge(Call& call) {
  base::PurgeNow();
  call.reply.Ok();
}

void MemoryDoctor(Call& call) {
  call.reply.Verbatim("txt", "See INFO memory for where memory is.\n");
}

void MemoryStats(Call& call) {
  const Server& server = *CoreOf(call).server;
  keyspace::Keyspace& keyspace = call.db.keyspace();
  const base::MemoryStats allocator = base::ReadMemoryStats();
  const int64_t used = std::max<int64_t>(0, keyspace.used_bytes() + keyspace.other_bytes());
  size_t keys = 0;
  for (int i = 0; i < keyspace.database_count(); ++i) keys += keyspace.CountOf(i).keys;
  const std::pair<std::string_view, int64_t> rows[] = {
      {"peak.allocated", std::max(used, static_cast<int64_t>(server.memory_peak()))},
      {"total.allocated", used},
      {"overhead.total", keyspace.other_bytes()},
      {"dataset.bytes", keyspace.used_bytes()},
      {"keys.count", static_cast<int64_t>(keys)},
      {"keys.bytes-per-key",
       keys > 0 ? keyspace.used_bytes() / static_cast<int64_t>(keys) : int64_t{0}},
      {"allocator.allocated", static_cast<int64_t>(allocator.allocated)},
      {"allocator.active", static_cast<int64_t>(allocator.active)},
      {"allocator.resident", static_cast<int64_t>(allocator.resident)},
      {"lazyfree.pending-bytes", keyspace.reclaimer().pending_bytes()},
  };
  call.reply.Map(std::size(rows));
  for (const auto& [name, value] : rows) {
    call.reply.Bulk(name);
    call.reply.Integer(value);
  }
}

void MemoryMallocStats(Call& call) { call.reply.Verbatim("txt", base::DescribeAllocator()); }

void MemoryHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "DOCTOR",
      "    Where to look for memory problems.",
      "MALLOC-STATS",
      "    What the allocator tells about itself.",
      "PURGE",
      "    Return unused memory to the system.",
      "STATS",
      "    Where memory is.",
      "USAGE <key> [SAMPLES <count>]",
      "    The bytes a key and its value take.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr Command kMemorySubcommands[] = {
    {.name = "memory|usage",
     .arity = -3,
     .flags = commands::kReadOnly,
     .keys = {2, 2, 1},
     .resolve = commands::Resolve::kValue,
     .handler = MemoryUsage,
     .group = "server",
     .since = "4.0.0",
     .syntax = "key [SAMPLES count]",
     .summary = "Answers the bytes a key and its value take."},
    {.name = "memory|purge",
     .arity = 2,
     .flags = kNoLocks,
     .handler = MemoryPurge,
     .group = "server",
     .since = "4.0.0",
     .summary = "Returns unused memory to the system."},
    {.name = "memory|doctor",
     .arity = 2,
     .flags = kNoLocks,
     .handler = MemoryDoctor,
     .group = "server",
     .since = "4.0.0",
     .summary = "Says where to look for memory problems."},
    {.name = "memory|malloc-stats",
     .arity = 2,
     .flags = kNoLocks,
     .handler = MemoryMallocStats,
     .group = "server",
     .since = "4.0.0",
     .summary = "Answers what the allocator tells about itself."},
    {.name = "memory|stats",
     .arity = 2,
     .flags = commands::kTakesLocks,
     .handler = MemoryStats,
     .group = "server",
     .since = "4.0.0",
     .summary = "Answers where memory is."},
    {.name = "memory|help",
     .arity = 2,
     .flags = commands::kLoading | commands::kStale | kNoLocks,
     .handler = MemoryHelp,
     .group = "server",
     .since = "4.0.0",
     .summary = "Describes the subcommands."},
};

constexpr Command kMemoryCommands[] = {
    {.name = "memory",
     .arity = -2,
     .group = "server",
     .since = "4.0.0",
     .summary = "A container for memory commands.",
     .subcommands = kMemorySubcommands},
};

}  // namespace

std::span<const Command> MemoryCommands() { return kMemoryCommands; }

}  // namespace terrace::server
