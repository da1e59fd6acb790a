// MEMORY: where memory is, as far as a client may ask.

#include <variant>

#include "base/memory.h"
#include "server/commands.h"
#include "server/memory_report.h"

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

// In Redis's order, without the tables of each database.
void MemoryStats(Call& call) {
  keyspace::Keyspace& keyspace = call.db.keyspace();
  const MemoryReport memory = ReadMemoryReport(CoreOf(call));
  const base::MemoryStats& allocator = memory.allocator;
  uint64_t keys = 0;
  for (int i = 0; i < keyspace.database_count(); ++i) keys += keyspace.CountOf(i).keys;
  const auto number = [](uint64_t value) { return static_cast<int64_t>(value); };
  const std::pair<std::string_view, std::variant<int64_t, double>> rows[] = {
      {"peak.allocated", number(memory.peak)},
      {"total.allocated", number(memory.used)},
      {"startup.allocated", number(memory.startup)},
      {"replication.backlog", int64_t{0}},
      {"clients.slaves", number(memory.replicas)},
      {"clients.normal", number(memory.clients)},
      {"cluster.links", int64_t{0}},
      {"aof.buffer", number(memory.append_buffer)},
      {"lua.caches", number(memory.scripts)},
      {"functions.caches", number(memory.functions)},
      {"overhead.total", memory.overhead},
      {"keys.count", number(keys)},
      {"keys.bytes-per-key", number(keys > 0 ? memory.dataset / keys : 0)},
      {"dataset.bytes", number(memory.dataset)},
      {"dataset.percentage", 100 * memory.dataset_share()},
      {"peak.percentage", 100 * Ratio(memory.used, memory.peak)},
      {"allocator.allocated", number(allocator.allocated)},
      {"allocator.active", number(allocator.active)},
      {"allocator.resident", number(allocator.resident)},
      {"allocator-fragmentation.ratio", Ratio(allocator.active, allocator.allocated)},
      {"allocator-fragmentation.bytes", Difference(allocator.active, allocator.allocated)},
      {"allocator-rss.ratio", Ratio(allocator.resident, allocator.active)},
      {"allocator-rss.bytes", Difference(allocator.resident, allocator.active)},
      {"rss-overhead.ratio", Ratio(memory.resident, allocator.resident)},
      {"rss-overhead.bytes", Difference(memory.resident, allocator.resident)},
      {"fragmentation", Ratio(memory.resident, memory.used)},
      {"fragmentation.bytes", Difference(memory.resident, memory.used)},
      {"lazyfree.pending-bytes", keyspace.reclaimer().pending_bytes()},
  };
  call.reply.Map(std::size(rows));
  for (const auto& [name, value] : rows) {
    call.reply.Bulk(name);
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      call.reply.Integer(*integer);
    } else {
      call.reply.Double(std::get<double>(value));
    }
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
     .keys = {2, 2, 1, "RO"},
     .resolve = commands::Resolve::kValue,
     .handler = MemoryUsage,
     .group = "server",
     .since = "4.0.0",
     .syntax = "key [SAMPLES count]",
     .summary = "Answers the bytes a key and its value take.",
     .complexity = "O(N), N: elements looked at"},
    {.name = "memory|purge",
     .arity = 2,
     .flags = kNoLocks,
     .handler = MemoryPurge,
     .group = "server",
     .since = "4.0.0",
     .summary = "Returns unused memory to the system.",
     .complexity = "Depends on how much memory is allocated.",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "memory|doctor",
     .arity = 2,
     .flags = kNoLocks,
     .handler = MemoryDoctor,
     .group = "server",
     .since = "4.0.0",
     .summary = "Says where to look for memory problems.",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {.name = "memory|malloc-stats",
     .arity = 2,
     .flags = kNoLocks,
     .handler = MemoryMallocStats,
     .group = "server",
     .since = "4.0.0",
     .summary = "Answers what the allocator tells about itself.",
     .complexity = "Depends on how much memory is allocated.",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
    {.name = "memory|stats",
     .arity = 2,
     .flags = commands::kTakesLocks,
     .handler = MemoryStats,
     .group = "server",
     .since = "4.0.0",
     .summary = "Answers where memory is.",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
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
     .complexity = "Depends on the subcommand.",
     .subcommands = kMemorySubcommands},
};

}  // namespace

std::span<const Command> MemoryCommands() { return kMemoryCommands; }

}  // namespace terrace::server
