// The generic key family: DUMP and RESTORE, values as the bytes other servers understand.

#include <limits>
#include <optional>
#include <utility>

#include "commands/call.h"
#include "commands/lifetime.h"
#include "commands/registry.h"
#include "keyspace/dump.h"

namespace terrace::commands {
namespace {

using keyspace::DumpStatus;
using keyspace::Entry;
namespace events = keyspace::events;

void Dump(Call& call) {
  const Entry* const entry = call.db.Read(call.key(1));
  if (entry == nullptr) return call.reply.Null();
  call.reply.Bulk(entry->is_string()
                      ? keyspace::EncodeStringDump(entry->string())
                      : keyspace::EncodeDump(*entry->object(), keyspace::DumpReader::kRedis5));
}

struct RestoreOptions {
  bool replace = false;
  TimeOrigin origin = TimeOrigin::kNow;
  std::optional<int64_t> idle_s;
  std::optional<int64_t> frequency;
};

// A number with a range of its own; nullopt after an error.
std::optional<int64_t> ParseBounded(Call& call, size_t argument, int64_t max,
                                    std::string_view error) {
  const auto value = call.Integer(argument);
  if (!value || (*value >= 0 && *value <= max)) return value;
  call.reply.Error(error);
  return std::nullopt;
}

// nullopt after an error.
std::optional<RestoreOptions> ParseRestoreOptions(Call& call) {
  RestoreOptions options;
  for (size_t i = 4; i < call.argc(); ++i) {
    const bool has_value = i + 1 < call.argc();
    if (call.Is(i, "replace")) {
      options.replace = true;
    } else if (call.Is(i, "absttl")) {
      options.origin = TimeOrigin::kEpoch;
    } else if (call.Is(i, "idletime") && has_value && !options.frequency) {
      options.idle_s = ParseBounded(call, ++i, std::numeric_limits<int64_t>::max(),
                                    "ERR Invalid IDLETIME value, must be >= 0");
      if (!options.idle_s) return std::nullopt;
    } else if (call.Is(i, "freq") && has_value && !options.idle_s) {
      options.frequency =
          ParseBounded(call, ++i, 255, "ERR Invalid FREQ value, must be >= 0 and <= 255");
      if (!options.frequency) return std::nullopt;
    } else {
      call.reply.SyntaxError();
      return std::nullopt;
    }
  }
  return options;
}

// What was said about the use of the key, for policies that keep it.
void SetUse(Call& call, const RestoreOptions& options, Entry* entry) {
  const auto now_ms = static_cast<uint32_t>(call.moment_ms());
  auto& policy = call.db.keyspace().ShardOf(call.key(1)).policy();
  if (options.idle_s) policy.SetIdleSeconds(*entry->word(), *options.idle_s, now_ms);
  if (options.frequency) {
    policy.SetFrequency(*entry->word(), static_cast<uint8_t>(*options.frequency), now_ms);
  }
}

void Restore(Call& call) {
  const auto options = ParseRestoreOptions(call);
  if (!options) return;
  const keyspace::Key key = call.key(1);
  if (!options->replace && call.db.Write(key) != nullptr) {
    return call.reply.Error("BUSYKEY Target key name already exists.");
  }
  const auto ttl = ParseBounded(call, 2, std::numeric_limits<int64_t>::max(),
                                "ERR Invalid TTL value, must be >= 0");
  if (!ttl) return;
  keyspace::DumpValue value;
  const DumpStatus status = keyspace::DecodeDump(call.args[3], call.limits.encoding, &value);
  if (status == DumpStatus::kBadFooter) {
    return call.reply.Error("ERR DUMP payload version or checksum are wrong");
  }
  if (status == DumpStatus::kBadData) return call.reply.Error("ERR Bad data format");
  int64_t deadline_ms = keyspace::kNoDeadline;
  if (*ttl != 0) {
    const auto unix_ms = ParseUnixMs(call, 2, TimeUnit::kMilliseconds, options->origin);
    if (!unix_ms) return;
    if (IsPast(call, *unix_ms)) {
      // As if it had been restored and had expired.
      if (call.db.Remove(key, events::kDel))
        call.RepeatAs({call.RemovalName(call.limits.lazy_server_del), key.bytes});
      return call.reply.Ok();
    }
    deadline_ms = call.ToDeadlineMs(*unix_ms);
    if (call.is_repeated() && options->origin == TimeOrigin::kNow) {
      std::vector<std::string_view> arguments(call.args.begin(), call.args.end());
      const std::string time = std::to_string(*unix_ms);
      arguments[2] = time;
      arguments.push_back("ABSTTL");
      call.RepeatAs(arguments);
    }
  }
  Entry* const entry =
      value.object != nullptr
          ? call.db.SetObject(key, std::move(value.object), deadline_ms, events::kRestore)
          : call.db.SetString(key, value.string, deadline_ms, events::kRestore);
  SetUse(call, *options, entry);
  call.reply.Ok();
}

Resolve RestoreResolve(Args args) {
  for (size_t i = 4; i < args.size(); ++i) {
    if (SameName(args[i], "replace")) return Resolve::kNothing;
  }
  return Resolve::kValue;
}

constexpr Command kKeyDumpCommands[] = {
    {.name = "dump",
     .arity = 2,
     .flags = kReadOnly,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Dump,
     .group = "generic",
     .since = "2.6.0",
     .syntax = "key",
     .summary = "Returns what a key holds as bytes that RESTORE understands.",
     .complexity = "O(N), N: bytes of the value",
     .tips = "nondeterministic_output"},
    {.name = "restore",
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .categories = kKeyspace | kDangerous,
     .keys = {1, 1, 1, "OW update"},
     .handler = Restore,
     .group = "generic",
     .since = "2.6.0",
     .syntax = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
     .summary = "Creates a key from what DUMP returned.",
     .complexity = "O(N), N: bytes of the value; O(N*log(N)) for a large sorted set",
     .resolve_for = RestoreResolve},
};

}  // namespace

std::span<const Command> KeyDumpCommands() { return kKeyDumpCommands; }

}  // namespace terrace::commands
