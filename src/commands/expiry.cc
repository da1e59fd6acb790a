// The generic key family: lifetimes, EXPIRE to PERSIST.

#include <string>

#include "base/saturate.h"
#include "commands/call.h"
#include "commands/lifetime.h"
#include "commands/registry.h"

namespace terrace::commands {
namespace {

using keyspace::Entry;
namespace events = keyspace::events;

struct Conditions {
  bool without_deadline = false;  // NX
  bool with_deadline = false;     // XX
  bool later = false;             // GT
  bool earlier = false;           // LT

  // A key without a deadline counts as one that expires last.
  bool Allow(const Entry& entry, int64_t deadline_ms) const {
    const bool has_deadline = entry.has_deadline();
    if (without_deadline && has_deadline) return false;
    if (with_deadline && !has_deadline) return false;
    if (later && (!has_deadline || deadline_ms <= entry.deadline_ms())) return false;
    if (earlier && has_deadline && deadline_ms >= entry.deadline_ms()) return false;
    return true;
  }
};

// False, and the error replied, when the arguments make no sense.
bool ParseConditions(Call& call, Conditions& conditions) {
  for (size_t i = 3; i < call.argc(); ++i) {
    if (call.Is(i, "nx")) {
      conditions.without_deadline = true;
    } else if (call.Is(i, "xx")) {
      conditions.with_deadline = true;
    } else if (call.Is(i, "gt")) {
      conditions.later = true;
    } else if (call.Is(i, "lt")) {
      conditions.earlier = true;
    } else {
      std::string_view shown = call.args[i];
      shown = shown.substr(0, shown.find('\0'));
      shown = shown.substr(0, shown.find_last_not_of("\r\n") + 1);
      call.reply.Error("ERR Unsupported option " + std::string(shown));
      return false;
    }
  }
  if (conditions.without_deadline &&
      (conditions.with_deadline || conditions.later || conditions.earlier)) {
    call.reply.Error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (conditions.later && conditions.earlier) {
    call.reply.Error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

void SetDeadline(Call& call, TimeUnit unit, TimeOrigin origin) {
  Conditions conditions;
  if (!ParseConditions(call, conditions)) return;
  const auto unix_ms = ParseUnixMs(call, 2, unit, origin);
  if (!unix_ms) return;
  const keyspace::Key key = call.key(1);
  Entry* const entry = call.db.Write(key);
  if (entry == nullptr) return call.reply.Integer(0);
  const int64_t deadline_ms = call.ToDeadlineMs(*unix_ms);
  if (!conditions.Allow(*entry, deadline_ms)) return call.reply.Integer(0);
  if (IsPast(call, *unix_ms)) {
    RemovePast(call, key);
  } else {
    if (call.is_repeated()) call.RepeatAs({"PEXPIREAT", key.bytes, std::to_string(*unix_ms)});
    call.db.SetDeadline(key, entry, deadline_ms, events::kExpire);
  }
  call.reply.Integer(1);
}

void Expire(Call& call) { SetDeadline(call, TimeUnit::kSeconds, TimeOrigin::kNow); }
void Pexpire(Call& call) { SetDeadline(call, TimeUnit::kMilliseconds, TimeOrigin::kNow); }
void Expireat(Call& call) { SetDeadline(call, TimeUnit::kSeconds, TimeOrigin::kEpoch); }
void Pexpireat(Call& call) { SetDeadline(call, TimeUnit::kMilliseconds, TimeOrigin::kEpoch); }

void ReplyDeadline(Call& call, TimeUnit unit, TimeOrigin origin) {
  constexpr int64_t kNoKey = -2;
  constexpr int64_t kNoDeadline = -1;
  const Entry* const entry = call.db.ReadUntouched(call.key(1));
  if (entry == nullptr) return call.reply.Integer(kNoKey);
  if (!entry->has_deadline()) return call.reply.Integer(kNoDeadline);
  const int64_t time_ms = origin == TimeOrigin::kEpoch ? call.ToUnixMs(entry->deadline_ms())
                                                       : entry->deadline_ms() - call.now_ms();
  // Seconds are rounded to the nearest.
  call.reply.Integer(unit == TimeUnit::kSeconds ? base::SaturatingAdd(time_ms, 500) / 1000
                                                : time_ms);
}

void Ttl(Call& call) { ReplyDeadline(call, TimeUnit::kSeconds, TimeOrigin::kNow); }
void Pttl(Call& call) { ReplyDeadline(call, TimeUnit::kMilliseconds, TimeOrigin::kNow); }
void Expiretime(Call& call) { ReplyDeadline(call, TimeUnit::kSeconds, TimeOrigin::kEpoch); }
void Pexpiretime(Call& call) { ReplyDeadline(call, TimeUnit::kMilliseconds, TimeOrigin::kEpoch); }

void Persist(Call& call) {
  const keyspace::Key key = call.key(1);
  Entry* const entry = call.db.Write(key);
  const bool had_deadline = entry != nullptr && entry->has_deadline();
  if (had_deadline) call.db.ClearDeadline(key, entry, events::kPersist);
  call.reply.Integer(had_deadline);
}

constexpr Command kKeyExpiryCommands[] = {
    {.name = "expire",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Expire,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key seconds [condition: NX|XX|GT|LT]",
     .summary = "Lets a key expire after so many seconds."},
    {.name = "pexpire",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Pexpire,
     .group = "generic",
     .since = "2.6.0",
     .syntax = "key milliseconds [condition: NX|XX|GT|LT]",
     .summary = "Lets a key expire after so many milliseconds."},
    {.name = "expireat",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Expireat,
     .group = "generic",
     .since = "1.2.0",
     .syntax = "key unix-time-seconds [condition: NX|XX|GT|LT]",
     .summary = "Lets a key expire at a Unix time in seconds."},
    {.name = "pexpireat",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Pexpireat,
     .group = "generic",
     .since = "2.6.0",
     .syntax = "key unix-time-milliseconds [condition: NX|XX|GT|LT]",
     .summary = "Lets a key expire at a Unix time in milliseconds."},
    {.name = "ttl",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Ttl,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key",
     .summary = "Returns the seconds until a key expires.",
     .tips = "nondeterministic_output"},
    {.name = "pttl",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Pttl,
     .group = "generic",
     .since = "2.6.0",
     .syntax = "key",
     .summary = "Returns the milliseconds until a key expires.",
     .tips = "nondeterministic_output"},
    {.name = "expiretime",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Expiretime,
     .group = "generic",
     .since = "7.0.0",
     .syntax = "key",
     .summary = "Returns the Unix time in seconds at which a key expires."},
    {.name = "pexpiretime",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Pexpiretime,
     .group = "generic",
     .since = "7.0.0",
     .syntax = "key",
     .summary = "Returns the Unix time in milliseconds at which a key expires."},
    {.name = "persist",
     .arity = 2,
     .flags = kWrite | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Persist,
     .group = "generic",
     .since = "2.2.0",
     .syntax = "key",
     .summary = "Lets a key live until it is deleted."},
};

}  // namespace

std::span<const Command> KeyExpiryCommands() { return kKeyExpiryCommands; }

}  // namespace terrace::commands
