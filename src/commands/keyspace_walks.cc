// The generic key family: what looks at, or empties, whole databases.

#include <optional>
#include <string>
#include <utility>

#include "base/glob.h"
#include "base/numbers.h"
#include "commands/call.h"
#include "commands/registry.h"
#include "commands/scan_options.h"

namespace terrace::commands {
namespace {

using keyspace::Entry;

// "*" matches every key, even the empty one, which no other pattern but the empty one does.
bool Matches(std::string_view pattern, std::string_view key) {
  return pattern == "*" || base::GlobMatch(pattern, key);
}

void Keys(Call& call) {
  const auto mark = call.reply.Begin();
  size_t count = 0;
  call.db.ForEach([&](const Entry* entry) {
    if (!Matches(call.args[1], entry->key())) return;
    call.reply.Bulk(entry->key());
    ++count;
  });
  call.reply.EndArray(mark, count);
}

void Randomkey(Call& call) {
  const Entry* const entry = call.db.Random();
  if (entry == nullptr) return call.reply.Null();
  call.reply.Bulk(entry->key());
}

void Dbsize(Call& call) { call.reply.Integer(static_cast<int64_t>(call.db.size())); }

// ---- SCAN --------------------------------------------------------------------------------------

std::optional<keyspace::Type> TypeNamed(std::string_view name) {
  for (const keyspace::Type type : keyspace::kTypes) {
    if (SameName(name, keyspace::TypeName(type))) return type;
  }
  return std::nullopt;
}

void Scan(Call& call) {
  const auto cursor = ParseScanCursor(call, 1);
  if (!cursor) return;
  const auto options = ParseScanOptions(call, 2, ScanExtra::kType);
  if (!options) return;
  const std::optional<keyspace::Type> type =
      options->type ? TypeNamed(*options->type) : std::nullopt;
  // To Redis, nothing is of an unknown type.
  const bool is_unknown = options->type && !type;
  if (is_unknown && call.speaks_valkey()) {
    return call.reply.Error("ERR unknown type name '" + std::string(*options->type) + "'");
  }
  const std::optional<keyspace::Type> removed = call.speaks_valkey() ? type : std::nullopt;
  const auto scan = [&](uint64_t at, resp::Reply& out, uint64_t* visited, size_t* replies) {
    return call.db.Scan(at, removed, [&](const Entry* entry) {
      ++*visited;
      if (is_unknown || (type && entry->type() != *type)) return;
      if (!options->Matches(entry->key())) return;
      out.Bulk(entry->key());
      ++*replies;
    });
  };
  ReplyScan(call, *cursor, *options, scan);
}

// ---- Emptying and swapping ---------------------------------------------------------------------

// SYNC and ASYNC mean the same here: the keys are gone before the reply and nobody waits for their
// memory, which is freed in the background.
bool ParseFlushOptions(Call& call) {
  if (call.argc() == 1) return true;
  if (call.argc() == 2 && (call.Is(1, "sync") || call.Is(1, "async"))) return true;
  call.reply.SyntaxError();
  return false;
}

void Flushdb(Call& call) {
  if (!ParseFlushOptions(call)) return;
  call.db.Clear();
  call.reply.Ok();
}

void Flushall(Call& call) {
  if (!ParseFlushOptions(call)) return;
  const int last = call.db.keyspace().database_count() - 1;
  for (int i = 0; i <= last; ++i) {
    call.db.Other(i).Clear(i < last ? keyspace::Database::Extends::kMoreFollows
                                    : keyspace::Database::Extends::kHereOnly);
  }
  call.reply.Ok();
}

void Swapdb(Call& call) {
  const auto parse = [&](size_t argument) -> std::optional<int64_t> {
    const auto index = base::ParseInt64(call.args[argument]);
    return index && std::in_range<int>(*index) ? index : std::nullopt;
  };
  const auto first = parse(1);
  if (!first) return call.reply.Error("ERR invalid first DB index");
  const auto second = parse(2);
  if (!second) return call.reply.Error("ERR invalid second DB index");
  const int count = call.db.keyspace().database_count();
  if (*first < 0 || *first >= count || *second < 0 || *second >= count) {
    return call.reply.Error("ERR DB index is out of range");
  }
  if (*first != *second) {
    const std::string refusal = call.executor != nullptr ? call.executor->WhySwapRefused() : "";
    if (!refusal.empty()) return call.reply.Error(refusal);
    call.db.Other(static_cast<int>(*first)).Swap(static_cast<int>(*second));
  }
  call.reply.Ok();
}

constexpr Command kKeyspaceWalkCommands[] = {
    {.name = "keys",
     .arity = 2,
     .flags = kReadOnly | kAllShards,
     .categories = kKeyspace | kDangerous,
     .handler = Keys,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "pattern",
     .summary = "Returns all keys that match a pattern.",
     .complexity = "O(N), N: keys",
     .tips = "request_policy:all_shards nondeterministic_output_order"},
    {.name = "scan",
     .arity = -2,
     .flags = kReadOnly | kTakesLocks,
     .categories = kKeyspace,
     .handler = Scan,
     .group = "generic",
     .since = "2.8.0",
     .syntax = "cursor [MATCH pattern] [COUNT count] [TYPE type]",
     .summary = "Iterates over the keys of the database.",
     .complexity = "O(1) a call, O(N) for all, N: elements",
     .tips = "nondeterministic_output request_policy:special response_policy:special"},
    {.name = "randomkey",
     .arity = 1,
     .flags = kReadOnly | kAllShards,
     .categories = kKeyspace,
     .handler = Randomkey,
     .group = "generic",
     .since = "1.0.0",
     .summary = "Returns any key of the database.",
     .tips = "request_policy:all_shards response_policy:special nondeterministic_output"},
    {.name = "dbsize",
     .arity = 1,
     .flags = kReadOnly | kFast | kAllShards,
     .categories = kKeyspace,
     .handler = Dbsize,
     .group = "server",
     .since = "1.0.0",
     .summary = "Counts the keys of the database.",
     .tips = "request_policy:all_shards response_policy:agg_sum"},
    {.name = "flushdb",
     .arity = -1,
     .flags = kWrite | kAllShards,
     .categories = kKeyspace | kDangerous,
     .handler = Flushdb,
     .group = "server",
     .since = "1.0.0",
     .syntax = "[flush-type: ASYNC|SYNC]",
     .summary = "Deletes all keys of the database.",
     .complexity = "O(N), N: keys, on another thread",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "flushall",
     .arity = -1,
     .flags = kWrite | kAllShards,
     .categories = kKeyspace | kDangerous,
     .handler = Flushall,
     .group = "server",
     .since = "1.0.0",
     .syntax = "[flush-type: ASYNC|SYNC]",
     .summary = "Deletes all keys of all databases.",
     .complexity = "O(N), N: keys, on another thread",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "swapdb",
     .arity = 3,
     .flags = kWrite | kFast | kAllShards,
     .categories = kKeyspace | kDangerous,
     .handler = Swapdb,
     .group = "server",
     .since = "4.0.0",
     .syntax = "index1 index2",
     .summary = "Exchanges two databases.",
     .complexity = "O(N), N: clients that watch or wait for keys"},
};

}  // namespace

std::span<const Command> KeyspaceWalkCommands() { return kKeyspaceWalkCommands; }

}  // namespace terrace::commands
