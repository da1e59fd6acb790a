// The hash family. Deadlines of fields are in hash_expiry.cc.

#include <cmath>
#include <string>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/random_picks.h"
#include "commands/registry.h"
#include "commands/scan_options.h"
#include "commands/type_row.h"
#include "commands/typed.h"

namespace terrace::commands {
namespace {

using keyspace::Hash;
using keyspace::KeyEvent;

constexpr KeyEvent kHset{'h', "hset"};
constexpr KeyEvent kHdel{'h', "hdel"};
constexpr KeyEvent kHincrby{'h', "hincrby"};
constexpr KeyEvent kHincrbyfloat{'h', "hincrbyfloat"};

// Sets the pairs from the third argument on; the number of new fields, or nullopt after an error.
std::optional<int64_t> SetPairs(Call& call) {
  if (call.argc() % 2 != 0) {
    call.reply.Error("ERR wrong number of arguments for '" + std::string(call.command.name) +
                     "' command");
    return std::nullopt;
  }
  Draft<Hash> hash(call, 1);
  if (hash.wrong_type()) return std::nullopt;
  hash->Reserve((call.argc() - 2) / 2, call.limits.encoding);
  int64_t created = 0;
  for (size_t i = 2; i < call.argc(); i += 2) {
    created += hash->Set(call.args[i], call.args[i + 1], call.limits.encoding);
  }
  hash.Commit(kHset);
  return created;
}

void Hset(Call& call) {
  if (const auto created = SetPairs(call)) call.reply.Integer(*created);
}

void Hmset(Call& call) {
  if (SetPairs(call)) call.reply.Ok();
}

void Hsetnx(Call& call) {
  Draft<Hash> hash(call, 1);
  if (hash.wrong_type()) return;
  if (hash.exists() && hash->Contains(call.args[2], call.now_ms())) return call.reply.Integer(0);
  hash->Set(call.args[2], call.args[3], call.limits.encoding);
  hash.Commit(kHset);
  call.reply.Integer(1);
}

void Hincrby(Call& call) {
  const std::optional<int64_t> increment = call.Integer(3);
  if (!increment) return;
  Draft<Hash> hash(call, 1);
  if (hash.wrong_type()) return;
  int64_t value = 0;
  base::Int64Text buffer;
  if (const auto old = hash->Get(call.args[2], call.now_ms(), buffer)) {
    const auto number = base::ParseInt64(*old);
    if (!number) return call.reply.Error("ERR hash value is not an integer");
    value = *number;
  }
  if (__builtin_add_overflow(value, *increment, &value)) {
    return call.reply.Error("ERR increment or decrement would overflow");
  }
  hash->Set(call.args[2], base::FormatInt64(value, buffer), call.limits.encoding,
            Hash::Deadlines::kKeep);
  hash.Commit(kHincrby);
  call.reply.Integer(value);
}

void Hincrbyfloat(Call& call) {
  const auto increment = base::ParseLongDouble(call.args[3]);
  if (!increment) return call.reply.NotAFloat();
  if (!std::isfinite(*increment)) return call.reply.Error("ERR value is NaN or Infinity");
  Draft<Hash> hash(call, 1);
  if (hash.wrong_type()) return;
  long double value = 0;
  base::Int64Text buffer;
  if (const auto old = hash->Get(call.args[2], call.now_ms(), buffer)) {
    const auto number = base::ParseLongDouble(*old);
    if (!number) return call.reply.Error("ERR hash value is not a float");
    value = *number;
  }
  value += *increment;
  if (!std::isfinite(value)) {
    return call.reply.Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = base::FormatLongDouble(value);
  hash->Set(call.args[2], text, call.limits.encoding, Hash::Deadlines::kKeep);
  hash.Commit(kHincrbyfloat);
  call.RepeatAs({"HSET", call.args[1], call.args[2], text});
  call.reply.Bulk(text);
}

void ReplyField(Call& call, const Found<Hash>& hash, std::string_view field) {
  base::Int64Text buffer;
  const auto value = hash ? hash.object->Get(field, call.now_ms(), buffer) : std::nullopt;
  value ? call.reply.Bulk(*value) : call.reply.Null();
}

void Hget(Call& call) {
  const auto hash = Find<Hash>(call, 1);
  if (!hash.wrong_type) ReplyField(call, hash, call.args[2]);
}

void Hmget(Call& call) {
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  call.reply.Array(call.argc() - 2);
  for (size_t i = 2; i < call.argc(); ++i) ReplyField(call, hash, call.args[i]);
}

void Hdel(Call& call) {
  Draft<Hash> hash(call, 1);
  if (hash.wrong_type()) return;
  if (!hash.exists()) return call.reply.Integer(0);
  int64_t removed = 0;
  for (size_t i = 2; i < call.argc(); ++i) removed += hash->Remove(call.args[i]);
  if (removed > 0) hash.Commit(kHdel);
  call.reply.Integer(removed);
}

void Hlen(Call& call) {
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  call.reply.Integer(hash ? static_cast<int64_t>(hash.object->LiveCount(call.now_ms())) : 0);
}

void Hstrlen(Call& call) {
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  base::Int64Text buffer;
  const auto value = hash ? hash.object->Get(call.args[2], call.now_ms(), buffer) : std::nullopt;
  call.reply.Integer(value ? static_cast<int64_t>(value->size()) : 0);
}

void Hexists(Call& call) {
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  call.reply.Integer(hash && hash.object->Contains(call.args[2], call.now_ms()) ? 1 : 0);
}

enum class Parts : uint8_t { kFields, kValues, kBoth };

void ReplyAll(Call& call, Parts parts) {
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  const auto mark = call.reply.Begin();
  size_t count = 0;
  if (hash) {
    hash.object->ForEach(call.now_ms(), [&](const Hash::Entry& entry) {
      if (parts != Parts::kValues) call.reply.Bulk(entry.field);
      if (parts != Parts::kFields) call.reply.Bulk(entry.value);
      ++count;
    });
  }
  parts == Parts::kBoth ? call.reply.EndMap(mark, count) : call.reply.EndArray(mark, count);
}

void Hgetall(Call& call) { ReplyAll(call, Parts::kBoth); }
void Hkeys(Call& call) { ReplyAll(call, Parts::kFields); }
void Hvals(Call& call) { ReplyAll(call, Parts::kValues); }

void Hscan(Call& call) {
  const auto cursor = ParseScanCursor(call, 2);
  if (!cursor) return;
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  if (!hash) return ReplyEmptyScan(call);
  const auto options = ParseScanOptions(call, 3, ScanExtra::kNoValues);
  if (!options) return;
  ReplyScan(call, *cursor, *options,
            [&](uint64_t at, resp::Reply& out, uint64_t* visited, size_t* replies) {
              return hash.object->Scan(at, call.now_ms(), [&](const Hash::Entry& entry) {
                ++*visited;
                if (!options->Matches(entry.field)) return;
                out.Bulk(entry.field);
                if (!options->no_values) out.Bulk(entry.value);
                *replies += options->no_values ? 1 : 2;
              });
            });
}

void ReplyPick(Call& call, const Hash::Entry& entry, bool with_values) {
  if (with_values && call.reply.protocol() >= 3) call.reply.Array(2);
  call.reply.Bulk(entry.field);
  if (with_values) call.reply.Bulk(entry.value);
}

// Gives a field that is not past its deadline, if one can be found.
template <typename Visit>
void VisitRandom(Call& call, const Hash& hash, Visit visit) {
  constexpr int kDrawsMax = 20;
  Hash::Buffers buffers;
  for (int draw = 0; draw < kDrawsMax; ++draw) {
    const Hash::Entry entry = hash.Random(RngOf(call, 1), buffers);
    if (entry.deadline_ms == Hash::kNoDeadline || entry.deadline_ms > call.now_ms()) {
      return visit(entry);
    }
  }
  // Almost all have passed theirs.
  DistinctPicks pick(hash.LiveCount(call.now_ms()), 1, RngOf(call, 1));
  hash.ForEach(call.now_ms(), [&](const Hash::Entry& entry) {
    if (pick.Take()) visit(entry);
  });
}

void Hrandfield(Call& call) {
  const bool with_values = call.argc() == 4;
  std::optional<int64_t> count;
  if (call.argc() >= 3) {
    count = ParsePickCount(call, 2, PickRange::kFull);
    if (!count) return;
    if (call.argc() > 4 || (with_values && !call.Is(3, "withvalues"))) {
      return call.reply.SyntaxError();
    }
    if (with_values && !ParsePickCount(call, 2, PickRange::kHalved)) return;
  }
  const auto hash = Find<Hash>(call, 1);
  if (hash.wrong_type) return;
  if (!hash) return count ? call.reply.Array(0) : call.reply.Null();
  if (!count) {
    const auto mark = call.reply.Begin();
    VisitRandom(call, *hash.object, [&](const auto& entry) { call.reply.Bulk(entry.field); });
    if (call.reply.Begin().offset == mark.offset) call.reply.Null();
    return;
  }
  const size_t parts = with_values && call.reply.protocol() < 3 ? 2 : 1;
  const auto mark = call.reply.Begin();
  size_t replies = 0;
  const auto visit = [&](const Hash::Entry& entry) {
    ReplyPick(call, entry, with_values);
    replies += parts;
  };
  if (*count < 0) {
    for (int64_t i = *count; i < 0; ++i) VisitRandom(call, *hash.object, visit);
  } else {
    PickDistinct(
        hash.object->LiveCount(call.now_ms()), static_cast<size_t>(*count), RngOf(call, 1),
        [&](auto offer) { hash.object->ForEach(call.now_ms(), offer); },
        [&](auto use) { VisitRandom(call, *hash.object, use); },
        [](const Hash::Entry& entry) { return entry.field; }, visit);
  }
  call.reply.EndArray(mark, replies);
}

constexpr Command kHashCommands[] = {
    HashRow("hdel", -3, kWrite | kFast, Hdel, "2.0.0", "key field...",
            "Removes fields; the last one takes the key.", {1, 1, 1, "RW delete"})
        .Costs("O(N), N: fields given"),
    HashRow("hexists", 3, kReadOnly | kFast, Hexists, "2.0.0", "key field",
            "Tells whether a field exists.", {1, 1, 1, "RO"}),
    HashRow("hget", 3, kReadOnly | kFast, Hget, "2.0.0", "key field",
            "Returns the value of a field."),
    HashRow("hgetall", 2, kReadOnly, Hgetall, "2.0.0", "key",
            "Returns all fields with their values.")
        .Costs("O(N), N: fields")
        .Tipped("nondeterministic_output_order"),
    HashRow("hincrby", 4, kAdds, Hincrby, "2.0.0", "key field increment",
            "Adds an integer to the value of a field.", {1, 1, 1, "RW access update"}),
    HashRow("hincrbyfloat", 4, kAdds, Hincrbyfloat, "2.6.0", "key field increment<double>",
            "Adds a float to the value of a field.", {1, 1, 1, "RW access update"}),
    HashRow("hkeys", 2, kReadOnly, Hkeys, "2.0.0", "key", "Returns all fields.")
        .Costs("O(N), N: fields")
        .Tipped("nondeterministic_output_order"),
    HashRow("hlen", 2, kReadOnly | kFast, Hlen, "2.0.0", "key", "Counts the fields.",
            {1, 1, 1, "RO"}),
    HashRow("hmget", -3, kReadOnly | kFast, Hmget, "2.0.0", "key field...",
            "Returns the values of several fields.")
        .Costs("O(N), N: fields given"),
    Deprecated(HashRow("hmset", -4, kAdds, Hmset, "2.0.0", "key (data: field value)...",
                       "Sets several fields; HSET replaces it.")
                   .Costs("O(N), N: fields given"),
               "4.0.0", "`HSET` with multiple field-value pairs"),
    HashRow("hrandfield", -2, kReadOnly | kRunsBelow, Hrandfield, "6.2.0",
            "key [options: count [WITHVALUES]]", "Returns random fields.")
        .Costs("O(N), N: fields answered")
        .Tipped("nondeterministic_output"),
    HashRow("hscan", -3, kReadOnly, Hscan, "2.8.0",
            "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
            "Walks over the fields in steps.")
        .Costs("O(1) a call, O(N) for all, N: elements")
        .Tipped("nondeterministic_output"),
    HashRow("hset", -4, kAdds, Hset, "2.0.0", "key (data: field value)...",
            "Sets fields to values.")
        .Costs("O(N), N: fields given"),
    HashRow("hsetnx", 4, kAdds, Hsetnx, "2.0.0", "key field value",
            "Sets a field unless it exists.", {1, 1, 1, "RW insert"}),
    HashRow("hstrlen", 3, kReadOnly | kFast, Hstrlen, "3.2.0", "key field",
            "Returns the length of a value.", {1, 1, 1, "RO"}),
    HashRow("hvals", 2, kReadOnly, Hvals, "2.0.0", "key", "Returns all values.")
        .Costs("O(N), N: fields")
        .Tipped("nondeterministic_output_order"),
};

}  // namespace

std::span<const Command> HashCommands() { return kHashCommands; }

}  // namespace terrace::commands
