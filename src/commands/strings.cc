// The string family: GET, SET and everything that reads or replaces whole values.

#include <optional>
#include <string>

#include "commands/call.h"
#include "commands/key_access.h"
#include "commands/lifetime.h"
#include "commands/registry.h"
#include "commands/string_value.h"

namespace terrace::commands {
namespace {

using keyspace::Entry;
using keyspace::kNoDeadline;
namespace events = keyspace::events;

// What SET and GETEX may say about the key's lifetime; at most one of them.
enum class Lifetime : uint8_t { kUnset, kKeep, kPersist, kEx, kPx, kExAt, kPxAt };

constexpr TimeUnit UnitOf(Lifetime lifetime) {
  return lifetime == Lifetime::kEx || lifetime == Lifetime::kExAt ? TimeUnit::kSeconds
                                                                  : TimeUnit::kMilliseconds;
}
constexpr TimeOrigin OriginOf(Lifetime lifetime) {
  return lifetime == Lifetime::kEx || lifetime == Lifetime::kPx ? TimeOrigin::kNow
                                                                : TimeOrigin::kEpoch;
}

enum class Condition : uint8_t { kNone, kIfAbsent, kIfPresent };

struct SetOptions {
  Condition condition = Condition::kNone;
  bool get = false;
  Lifetime lifetime = Lifetime::kUnset;
  size_t time_argument = 0;  // 0: the lifetime has none
};

// The lifetime this word names; kUnset for another word. has_next: is there an argument after it?
Lifetime LifetimeNamed(const Call& call, size_t argument, bool has_next) {
  if (!has_next) return Lifetime::kUnset;
  if (call.Is(argument, "ex")) return Lifetime::kEx;
  if (call.Is(argument, "px")) return Lifetime::kPx;
  if (call.Is(argument, "exat")) return Lifetime::kExAt;
  if (call.Is(argument, "pxat")) return Lifetime::kPxAt;
  return Lifetime::kUnset;
}

// A word may be repeated, but not contradicted.
template <typename Choice>
bool Choose(Choice& current, Choice choice) {
  if (current != Choice{} && current != choice) return false;
  current = choice;
  return true;
}

bool ParseSetOption(const Call& call, size_t& argument, SetOptions& options) {
  if (call.Is(argument, "nx")) return Choose(options.condition, Condition::kIfAbsent);
  if (call.Is(argument, "xx")) return Choose(options.condition, Condition::kIfPresent);
  if (call.Is(argument, "keepttl")) return Choose(options.lifetime, Lifetime::kKeep);
  if (call.Is(argument, "get")) {
    options.get = true;
    return true;
  }
  const Lifetime lifetime = LifetimeNamed(call, argument, argument + 1 < call.argc());
  if (lifetime == Lifetime::kUnset) return false;
  options.time_argument = ++argument;
  return Choose(options.lifetime, lifetime);
}

bool ParseGetexOption(const Call& call, size_t& argument, SetOptions& options) {
  if (call.Is(argument, "persist")) return Choose(options.lifetime, Lifetime::kPersist);
  const Lifetime lifetime = LifetimeNamed(call, argument, argument + 1 < call.argc());
  if (lifetime == Lifetime::kUnset) return false;
  options.time_argument = ++argument;
  return Choose(options.lifetime, lifetime);
}

// Replies what the key holds; false when that was an error.
bool ReplyValue(Call& call) {
  const StringValue value = ReadString(call, 1);
  if (value.wrong_type) return false;
  if (value.exists()) {
    call.reply.Bulk(value.text());
  } else {
    call.reply.Null();
  }
  return true;
}

// Stores a value that expires at unix_ms.
void Store(Call& call, std::string_view value, int64_t unix_ms, Lifetime lifetime) {
  const keyspace::Key key = call.key(1);
  // Redis keeps it until somebody looks for it.
  if (call.speaks_valkey() && IsPast(call, unix_ms)) return RemovePast(call, key);
  if (call.is_repeated() && lifetime != Lifetime::kPxAt)
    call.RepeatAs({"SET", key.bytes, value, "PXAT", std::to_string(unix_ms)});
  Entry* const entry = call.db.SetString(key, value, call.ToDeadlineMs(unix_ms), events::kSet);
  call.db.Changed(key, entry, events::kExpire);
}

void SetWithOptions(Call& call, const SetOptions& options) {
  std::optional<int64_t> unix_ms;
  if (options.time_argument != 0) {
    unix_ms = ParsePositiveUnixMs(call, options.time_argument, UnitOf(options.lifetime),
                                  OriginOf(options.lifetime));
    if (!unix_ms) return;
  }
  if (options.get && !ReplyValue(call)) return;
  if (options.condition != Condition::kNone) {
    const bool present = call.db.Write(call.key(1)) != nullptr;
    if (present != (options.condition == Condition::kIfPresent)) {
      if (!options.get) call.reply.Null();
      return;
    }
  }
  if (unix_ms) {
    Store(call, call.args[2], *unix_ms, options.lifetime);
  } else {
    const int64_t deadline_ms =
        options.lifetime == Lifetime::kKeep ? keyspace::Database::kKeepDeadline : kNoDeadline;
    call.db.SetString(call.key(1), call.args[2], deadline_ms, events::kSet);
  }
  if (!options.get) call.reply.Ok();
}

void SetCommand(Call& call) {
  if (call.argc() == 3) [[likely]] {
    call.db.SetString(call.key(1), call.args[2], kNoDeadline, events::kSet);
    return call.reply.Ok();
  }
  SetOptions options;
  for (size_t i = 3; i < call.argc(); ++i) {
    if (!ParseSetOption(call, i, options)) return call.reply.SyntaxError();
  }
  SetWithOptions(call, options);
}

// Most writes need not know what they overwrite.
Resolve SetResolve(Args args) {
  for (size_t i = 3; i < args.size(); ++i) {
    for (const std::string_view word : {"nx", "xx", "get", "keepttl"}) {
      if (SameName(args[i], word)) return Resolve::kValue;
    }
  }
  return Resolve::kNothing;
}

std::string_view SetAccess(Args args) {
  return Mentions(args, 3, "get") ? "RW access update" : "OW update";
}

void Setnx(Call& call) {
  const keyspace::Key key = call.key(1);
  if (call.db.Write(key) != nullptr) return call.reply.Integer(0);
  call.db.SetString(key, call.args[2], kNoDeadline, events::kSet);
  call.reply.Integer(1);
}

void SetExpiring(Call& call, TimeUnit unit) {
  const auto unix_ms = ParsePositiveUnixMs(call, 2, unit, TimeOrigin::kNow);
  if (!unix_ms) return;
  Store(call, call.args[3], *unix_ms, Lifetime::kEx);
  call.reply.Ok();
}

void Setex(Call& call) { SetExpiring(call, TimeUnit::kSeconds); }
void Psetex(Call& call) { SetExpiring(call, TimeUnit::kMilliseconds); }

void Get(Call& call) {
  const Entry* entry = call.db.Read(call.key(1));
  if (entry == nullptr) return call.reply.Null();
  if (!entry->is_string()) return call.reply.WrongType();
  call.reply.Bulk(entry->string());
}

void Getset(Call& call) {
  if (!ReplyValue(call)) return;
  call.db.SetString(call.key(1), call.args[2], kNoDeadline, events::kSet);
}

void Getdel(Call& call) {
  if (!ReplyValue(call)) return;
  if (call.db.Remove(call.key(1), events::kDel)) call.RepeatAs({"DEL", call.args[1]});
}

void Getex(Call& call) {
  SetOptions options;
  for (size_t i = 2; i < call.argc(); ++i) {
    if (!ParseGetexOption(call, i, options)) return call.reply.SyntaxError();
  }
  const StringValue value = ReadString(call, 1);
  if (value.wrong_type) return;
  if (!value.exists()) return call.reply.Null();
  std::optional<int64_t> unix_ms;
  if (options.time_argument != 0) {
    unix_ms = ParsePositiveUnixMs(call, options.time_argument, UnitOf(options.lifetime),
                                  OriginOf(options.lifetime));
    if (!unix_ms) return;
  }
  call.reply.Bulk(value.text());
  const keyspace::Key key = call.key(1);
  // What was read may be a value that only answers this call.
  Entry* const entry = options.lifetime != Lifetime::kUnset ? call.db.Write(key) : nullptr;
  if (entry == nullptr) return;
  if (unix_ms && IsPast(call, *unix_ms)) {
    RemovePast(call, key);
  } else if (unix_ms) {
    if (call.is_repeated()) call.RepeatAs({"PEXPIREAT", key.bytes, std::to_string(*unix_ms)});
    call.db.SetDeadline(key, entry, call.ToDeadlineMs(*unix_ms), events::kExpire);
  } else if (entry->has_deadline()) {
    call.db.ClearDeadline(key, entry, events::kPersist);
    call.RepeatAs({"PERSIST", key.bytes});
  }
}

void Mget(Call& call) {
  call.reply.Array(call.argc() - 1);
  for (size_t i = 1; i < call.argc(); ++i) {
    const Entry* entry = call.db.Read(call.key(i));
    if (entry != nullptr && entry->is_string()) {
      call.reply.Bulk(entry->string());
    } else {
      call.reply.Null();
    }
  }
}

// False, and the error replied, when a key has no value.
bool ArePairs(Call& call) {
  if (call.argc() % 2 == 1) return true;
  call.reply.Error("ERR wrong number of arguments for '" + std::string(call.command.name) +
                   "' command");
  return false;
}

void SetAll(Call& call) {
  for (size_t i = 1; i < call.argc(); i += 2) {
    call.db.SetString(call.key(i), call.args[i + 1], kNoDeadline, events::kSet);
  }
}

void Mset(Call& call) {
  if (!ArePairs(call)) return;
  SetAll(call);
  call.reply.Ok();
}

void Msetnx(Call& call) {
  if (!ArePairs(call)) return;
  for (size_t i = 1; i < call.argc(); i += 2) {
    if (call.db.Write(call.key(i)) != nullptr) return call.reply.Integer(0);
  }
  SetAll(call);
  call.reply.Integer(1);
}

constexpr Command kStringCommands[] = {
    {.name = "get",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kString,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Get,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key",
     .summary = "Returns the string that a key holds."},
    {.name = "set",
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .categories = kString,
     .keys = {Noted(KeyAt(1, "RW access update"),
                    "RW and ACCESS due to the optional `GET` argument")},
     .handler = SetCommand,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key value [condition: NX|XX] [GET] "
               "[expiration: EX seconds|PX milliseconds|EXAT unix-time-seconds|"
               "PXAT unix-time-milliseconds|KEEPTTL]",
     .summary =
         "Sets a key to a string, whatever it held; can be made conditional and set a lifetime.",
     .resolve_for = SetResolve,
     .access_for = SetAccess},
    {.name = "setnx",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "OW insert"},
     .resolve = Resolve::kValue,
     .handler = Setnx,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key value",
     .summary = "Sets a key to a string unless the key exists.",
     .deprecated = {"2.6.12", "`SET` with the `NX` argument"}},
    {.name = "setex",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .categories = kString,
     .keys = {1, 1, 1, "OW update"},
     .handler = Setex,
     .group = "string",
     .since = "2.0.0",
     .syntax = "key seconds value",
     .summary = "Sets a key to a string with a lifetime in seconds.",
     .deprecated = {"2.6.12", "`SET` with the `EX` argument"}},
    {.name = "psetex",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .categories = kString,
     .keys = {1, 1, 1, "OW update"},
     .handler = Psetex,
     .group = "string",
     .since = "2.6.0",
     .syntax = "key milliseconds value",
     .summary = "Sets a key to a string with a lifetime in milliseconds.",
     .deprecated = {"2.6.12", "`SET` with the `PX` argument"}},
    {.name = "getset",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Getset,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key value",
     .summary = "Sets a key to a string and returns the one it held.",
     .deprecated = {"6.2.0", "`SET` with the `!GET` argument"}},
    {.name = "getdel",
     .arity = 2,
     .flags = kWrite | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW access delete"},
     .resolve = Resolve::kValue,
     .handler = Getdel,
     .group = "string",
     .since = "6.2.0",
     .syntax = "key",
     .summary = "Returns the string that a key holds and deletes the key."},
    {.name = "getex",
     .arity = -2,
     .flags = kWrite | kFast,
     .categories = kString,
     .keys = {Noted(KeyAt(1, "RW access update"), "RW and UPDATE because it changes the TTL")},
     .resolve = Resolve::kValue,
     .handler = Getex,
     .group = "string",
     .since = "6.2.0",
     .syntax = "key [expiration: EX seconds|PX milliseconds|EXAT unix-time-seconds|"
               "PXAT unix-time-milliseconds|PERSIST]",
     .summary = "Returns the string that a key holds and changes the key's lifetime."},
    {.name = "mget",
     .arity = -2,
     .flags = kReadOnly | kFast | kSplitsByKey,
     .categories = kString,
     .keys = {1, -1, 1},
     .resolve = Resolve::kValue,
     .handler = Mget,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key...",
     .summary = "Returns the strings that several keys hold.",
     .complexity = "O(N), N: keys given",
     .tips = "request_policy:multi_shard"},
    {.name = "mset",
     .arity = -3,
     .flags = kWrite | kDenyOom | kSplitsByKey,
     .categories = kString,
     .keys = {1, -1, 2, "OW update"},
     .handler = Mset,
     .group = "string",
     .since = "1.0.1",
     .syntax = "(data: key value)...",
     .summary = "Sets several keys to strings at once.",
     .complexity = "O(N), N: keys given",
     .tips = "request_policy:multi_shard response_policy:all_succeeded"},
    {.name = "msetnx",
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .categories = kString,
     .keys = {1, -1, 2, "OW insert"},
     .resolve = Resolve::kValue,
     .handler = Msetnx,
     .group = "string",
     .since = "1.0.1",
     .syntax = "(data: key value)...",
     .summary = "Sets several keys to strings unless any of them exists.",
     .complexity = "O(N), N: keys given"},
};

}  // namespace

std::span<const Command> StringCommands() { return kStringCommands; }

}  // namespace terrace::commands
