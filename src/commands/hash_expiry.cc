// The hash family: deadlines of fields (HEXPIRE and its kin, as of Redis 7.4).

#include <limits>
#include <string>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/registry.h"
#include "commands/type_row.h"
#include "commands/typed.h"

namespace terrace::commands {
namespace {

using keyspace::Hash;

// What is replied for a field.
constexpr int64_t kNoField = -2;
constexpr int64_t kNoDeadlineReply = -1;
constexpr int64_t kConditionNotMet = 0;
constexpr int64_t kDone = 1;
constexpr int64_t kDeleted = 2;

// The latest Unix time Redis accepts for a field, in ms.
constexpr int64_t kUnixMsMax = ((int64_t{1} << 48) - 2) >> 2;

enum class Unit : int64_t { kMilliseconds = 1, kSeconds = 1000 };
// Is the time counted from now, or from 1970?
enum class Origin : uint8_t { kNow, kEpoch };
enum class ExpireCondition : uint8_t { kNone, kNx, kXx, kGt, kLt };

// "FIELDS count field ..." from this argument on: the first field's argument, or nullopt after an
// error.
std::optional<size_t> ParseFields(Call& call, size_t argument, std::string_view count_error) {
  if (argument + 1 >= call.argc() || !call.Is(argument, "fields")) {
    call.reply.Error("ERR Mandatory argument FIELDS is missing or not at the right position");
    return std::nullopt;
  }
  const std::optional<int64_t> count = base::ParseInt64(call.args[argument + 1]);
  if (!count || *count < 1) {
    call.reply.Error(count_error);
    return std::nullopt;
  }
  const size_t first = argument + 2;
  if (static_cast<uint64_t>(*count) != call.argc() - first) {
    call.reply.Error("ERR The `numfields` parameter must match the number of arguments");
    return std::nullopt;
  }
  return first;
}

void ReplyForAll(Call& call, size_t first_field, int64_t reply) {
  call.reply.Array(call.argc() - first_field);
  for (size_t i = first_field; i < call.argc(); ++i) call.reply.Integer(reply);
}

// The second argument as Unix time in ms, or nullopt after an error.
std::optional<int64_t> ParseUnixMs(Call& call, Unit unit, Origin origin) {
  std::optional<int64_t> time = call.Integer(2);
  if (!time) return std::nullopt;
  if (*time < 0) {
    call.reply.Error("ERR invalid expire time, must be >= 0");
    return std::nullopt;
  }
  const int64_t now_ms = origin == Origin::kNow ? call.ToUnixMs(call.moment_ms()) : 0;
  const auto factor = static_cast<int64_t>(unit);
  if (*time > kUnixMsMax / factor || *time * factor > kUnixMsMax - now_ms) {
    call.reply.Error("ERR invalid expire time in '" + std::string(call.command.name) + "' command");
    return std::nullopt;
  }
  return *time * factor + now_ms;
}

ExpireCondition ParseCondition(const Call& call, size_t argument) {
  if (call.Is(argument, "nx")) return ExpireCondition::kNx;
  if (call.Is(argument, "xx")) return ExpireCondition::kXx;
  if (call.Is(argument, "gt")) return ExpireCondition::kGt;
  if (call.Is(argument, "lt")) return ExpireCondition::kLt;
  return ExpireCondition::kNone;
}

// A field without a deadline counts as one that expires last.
bool IsMet(ExpireCondition condition, int64_t old_ms, int64_t new_ms) {
  const bool has_old = old_ms != Hash::kNoDeadline;
  switch (condition) {
    case ExpireCondition::kNone:
      return true;
    case ExpireCondition::kNx:
      return !has_old;
    case ExpireCondition::kXx:
      return has_old;
    case ExpireCondition::kGt:
      return has_old && old_ms < new_ms;
    case ExpireCondition::kLt:
      return !has_old || old_ms > new_ms;
  }
  return false;
}

void Expire(Call& call, Unit unit, Origin origin) {
  Draft<Hash> hash(call, 1);
  if (hash.wrong_type()) return;
  const std::optional<int64_t> unix_ms = ParseUnixMs(call, unit, origin);
  if (!unix_ms) return;
  const ExpireCondition condition = ParseCondition(call, 3);
  const auto first = ParseFields(call, condition == ExpireCondition::kNone ? 3 : 4,
                                 "ERR Parameter `numFields` should be greater than 0");
  if (!first) return;
  if (!hash.exists()) return ReplyForAll(call, *first, kNoField);

  const int64_t deadline_ms = call.ToDeadlineMs(*unix_ms);
  bool updated = false;
  bool deleted = false;
  call.reply.Array(call.argc() - *first);
  for (size_t i = *first; i < call.argc(); ++i) {
    const std::string_view field = call.args[i];
    const std::optional<int64_t> old_ms = hash->Deadline(field, call.now_ms());
    if (!old_ms) {
      call.reply.Integer(kNoField);
    } else if (!IsMet(condition, *old_ms, deadline_ms)) {
      call.reply.Integer(kConditionNotMet);
    } else if (deadline_ms <= call.now_ms()) {
      hash->Remove(field);
      deleted = true;
      call.reply.Integer(kDeleted);
    } else {
      hash->SetDeadline(field, deadline_ms);
      updated = true;
      call.reply.Integer(kDone);
    }
  }
  if (call.is_repeated() && (updated || deleted)) {
    std::vector<std::string_view> arguments(call.args.begin(), call.args.end());
    const std::string time = std::to_string(*unix_ms);
    arguments[0] = "HPEXPIREAT";
    arguments[2] = time;
    call.RepeatAs(arguments);
  }
  if (updated) {
    hash.Commit({'h', "hexpire"});
  } else if (deleted) {
    hash.Commit({'h', "hdel"});
  }
}

void Hexpire(Call& call) { Expire(call, Unit::kSeconds, Origin::kNow); }
void Hpexpire(Call& call) { Expire(call, Unit::kMilliseconds, Origin::kNow); }
void Hexpireat(Call& call) { Expire(call, Unit::kSeconds, Origin::kEpoch); }
void Hpexpireat(Call& call) { Expire(call, Unit::kMilliseconds, Origin::kEpoch); }

constexpr std::string_view kCountError = "ERR Number of fields must be a positive integer";

void ReplyDeadlines(Call& call, Unit unit, Origin origin) {
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  const auto first = ParseFields(call, 2, kCountError);
  if (!first) return;
  if (!hash) return ReplyForAll(call, *first, kNoField);
  call.reply.Array(call.argc() - *first);
  for (size_t i = *first; i < call.argc(); ++i) {
    const std::optional<int64_t> deadline_ms = hash.object->Deadline(call.args[i], call.now_ms());
    if (!deadline_ms || *deadline_ms == Hash::kNoDeadline) {
      call.reply.Integer(deadline_ms ? kNoDeadlineReply : kNoField);
      continue;
    }
    const int64_t time_ms =
        origin == Origin::kNow ? *deadline_ms - call.now_ms() : call.ToUnixMs(*deadline_ms);
    // Seconds are rounded up, so that a field never shows zero while it lives.
    call.reply.Integer(unit == Unit::kSeconds ? (time_ms + 999) / 1000 : time_ms);
  }
}

void Httl(Call& call) { ReplyDeadlines(call, Unit::kSeconds, Origin::kNow); }
void Hpttl(Call& call) { ReplyDeadlines(call, Unit::kMilliseconds, Origin::kNow); }
void Hexpiretime(Call& call) { ReplyDeadlines(call, Unit::kSeconds, Origin::kEpoch); }
void Hpexpiretime(Call& call) { ReplyDeadlines(call, Unit::kMilliseconds, Origin::kEpoch); }

void Hpersist(Call& call) {
  Draft<Hash> hash(call, 1);
  if (hash.wrong_type()) return;
  const auto first = ParseFields(call, 2, kCountError);
  if (!first) return;
  if (!hash.exists()) return ReplyForAll(call, *first, kNoField);
  bool changed = false;
  call.reply.Array(call.argc() - *first);
  for (size_t i = *first; i < call.argc(); ++i) {
    const std::optional<int64_t> old_ms = hash->Deadline(call.args[i], call.now_ms());
    if (!old_ms || *old_ms == Hash::kNoDeadline) {
      call.reply.Integer(old_ms ? kNoDeadlineReply : kNoField);
      continue;
    }
    hash->SetDeadline(call.args[i], Hash::kNoDeadline);
    changed = true;
    call.reply.Integer(kDone);
  }
  if (changed) hash.Commit({'h', "hpersist"});
}

constexpr uint32_t kSets = kWrite | kDenyOom | kFast;

constexpr Command kHashExpiryCommands[] = {
    HashRow("hexpire", -6, kSets, Hexpire, "7.4.0",
            "key seconds [condition: NX|XX|GT|LT] FIELDS (numfields field...)",
            "Lets fields expire after seconds.")
        .Costs("O(N), N: fields given"),
    HashRow("hexpireat", -6, kSets, Hexpireat, "7.4.0",
            "key unix-time-seconds [condition: NX|XX|GT|LT] FIELDS (numfields field...)",
            "Lets fields expire at a Unix time in seconds.")
        .Costs("O(N), N: fields given"),
    HashRow("hexpiretime", -5, kReads, Hexpiretime, "7.4.0", "key FIELDS (numfields field...)",
            "Returns when fields expire, in Unix seconds.")
        .Costs("O(N), N: fields given"),
    HashRow("hpersist", -5, kWrite | kFast, Hpersist, "7.4.0", "key FIELDS (numfields field...)",
            "Takes the deadlines off fields.")
        .Costs("O(N), N: fields given"),
    HashRow("hpexpire", -6, kSets, Hpexpire, "7.4.0",
            "key milliseconds [condition: NX|XX|GT|LT] FIELDS (numfields field...)",
            "Lets fields expire after milliseconds.")
        .Costs("O(N), N: fields given"),
    HashRow("hpexpireat", -6, kSets, Hpexpireat, "7.4.0",
            "key unix-time-milliseconds [condition: NX|XX|GT|LT] FIELDS (numfields field...)",
            "Lets fields expire at a Unix time in milliseconds.")
        .Costs("O(N), N: fields given"),
    HashRow("hpexpiretime", -5, kReads, Hpexpiretime, "7.4.0", "key FIELDS (numfields field...)",
            "Returns when fields expire, in Unix milliseconds.")
        .Costs("O(N), N: fields given"),
    HashRow("hpttl", -5, kReads, Hpttl, "7.4.0", "key FIELDS (numfields field...)",
            "Returns how long fields live on, in milliseconds.")
        .Costs("O(N), N: fields given"),
    HashRow("httl", -5, kReads, Httl, "7.4.0", "key FIELDS (numfields field...)",
            "Returns how long fields live on, in seconds.")
        .Costs("O(N), N: fields given"),
};

}  // namespace

std::span<const Command> HashExpiryCommands() { return kHashExpiryCommands; }

}  // namespace terrace::commands
