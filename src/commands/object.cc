// The OBJECT command: what is known about a key beside its value.

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/encoding.h"
#include "commands/help.h"
#include "commands/registry.h"

namespace terrace::commands {
namespace {

using keyspace::Entry;

// Redis shares one object for each small integer; this stands for "shared by everybody".
constexpr int64_t kSharedIntegers = 10000;
constexpr int64_t kSharedCount = 2147483647;

// Replies null when the key is absent.
Entry* Find(Call& call) {
  Entry* const entry = call.db.Peek(call.key(2));
  if (entry == nullptr) call.reply.Null();
  return entry;
}

void Encoding(Call& call) {
  if (const Entry* entry = Find(call)) call.reply.Bulk(EncodingOf(*entry));
}

void Refcount(Call& call) {
  const Entry* const entry = Find(call);
  if (entry == nullptr) return;
  // With a memory limit each key has its own, so that its use can be tracked.
  bool shared = IsIntEncoded(*entry) && call.db.keyspace().memory_limit() == 0;
  if (shared) {
    const int64_t value = *base::ParseInt64(entry->string());
    shared = value >= 0 && value < kSharedIntegers;
  }
  call.reply.Integer(shared ? kSharedCount : 1);
}

eviction::EvictionPolicy& PolicyOf(Call& call) {
  return call.db.keyspace().ShardOf(call.key(2)).policy();
}

void Idletime(Call& call) {
  Entry* const entry = Find(call);
  if (entry == nullptr) return;
  const auto now_ms = static_cast<uint32_t>(call.moment_ms());
  const int64_t idle_ms = PolicyOf(call).IdleMs(*entry->word(), now_ms);
  if (idle_ms >= 0) return call.reply.Integer(idle_ms / 1000);
  if (PolicyOf(call).Frequency(*entry->word(), now_ms) < 0) {
    return call.reply.Error("ERR the selected maxmemory policy does not track idle time");
  }
  call.reply.Error(
      "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
      "switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void Freq(Call& call) {
  Entry* const entry = Find(call);
  if (entry == nullptr) return;
  const auto now_ms = static_cast<uint32_t>(call.moment_ms());
  const int64_t frequency = PolicyOf(call).Frequency(*entry->word(), now_ms);
  if (frequency >= 0) return call.reply.Integer(frequency);
  call.reply.Error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void Help(Call& call) {
  constexpr std::string_view kLines[] = {
      "ENCODING <key>",
      "    The name of the form in which the value is kept.",
      "FREQ <key>",
      "    How often the key was used lately, on a logarithmic scale. Needs an LFU policy.",
      "IDLETIME <key>",
      "    The seconds since the key was last used. Not known under an LFU policy.",
      "REFCOUNT <key>",
      "    How many keys share the value.",
  };
  ReplyHelp(call, kLines);
}

constexpr Command kObjectSubcommands[] = {
    {.name = "object|encoding",
     .arity = 3,
     .flags = kReadOnly,
     .categories = kKeyspace,
     .keys = {2, 2, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Encoding,
     .group = "generic",
     .since = "2.2.3",
     .syntax = "key",
     .summary = "Returns the form in which the value is kept.",
     .tips = "nondeterministic_output"},
    {.name = "object|freq",
     .arity = 3,
     .flags = kReadOnly,
     .categories = kKeyspace,
     .keys = {2, 2, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Freq,
     .group = "generic",
     .since = "4.0.0",
     .syntax = "key",
     .summary = "Returns how often a key was used lately.",
     .tips = "nondeterministic_output"},
    {.name = "object|help",
     .arity = 2,
     .flags = kLoading | kStale | kNoLocks,
     .categories = kKeyspace,
     .handler = Help,
     .group = "generic",
     .since = "6.2.0",
     .summary = "Describes the subcommands."},
    {.name = "object|idletime",
     .arity = 3,
     .flags = kReadOnly,
     .categories = kKeyspace,
     .keys = {2, 2, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Idletime,
     .group = "generic",
     .since = "2.2.3",
     .syntax = "key",
     .summary = "Returns the seconds since a key was used.",
     .tips = "nondeterministic_output"},
    {.name = "object|refcount",
     .arity = 3,
     .flags = kReadOnly,
     .categories = kKeyspace,
     .keys = {2, 2, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Refcount,
     .group = "generic",
     .since = "2.2.3",
     .syntax = "key",
     .summary = "Returns how many keys share a value.",
     .tips = "nondeterministic_output"},
};

constexpr Command kObjectCommands[] = {
    {.name = "object",
     .arity = -2,
     .group = "generic",
     .since = "2.2.3",
     .summary = "Tells what is known about a key beside its value.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kObjectSubcommands},
};

}  // namespace

std::span<const Command> ObjectCommands() { return kObjectCommands; }

}  // namespace terrace::commands
