// The string family: strings as numbers, INCR to INCRBYFLOAT.

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/registry.h"
#include "commands/string_value.h"

namespace terrace::commands {
namespace {

using keyspace::Database;
using keyspace::KeyEvent;

constexpr KeyEvent kIncrby{'$', "incrby"};
constexpr KeyEvent kIncrbyfloat{'$', "incrbyfloat"};

void Add(Call& call, int64_t increment) {
  const StringValue value = WriteString(call, 1);
  if (value.wrong_type) return;
  const std::optional<int64_t> old = value.exists() ? base::ParseInt64(value.text()) : 0;
  if (!old) return call.reply.NotAnInteger();
  int64_t sum = 0;
  if (__builtin_add_overflow(*old, increment, &sum)) {
    return call.reply.Error("ERR increment or decrement would overflow");
  }
  base::Int64Text text;
  call.db.SetString(call.key(1), base::FormatInt64(sum, text), Database::kKeepDeadline, kIncrby);
  call.reply.Integer(sum);
}

void Incr(Call& call) { Add(call, 1); }
void Decr(Call& call) { Add(call, -1); }

void Incrby(Call& call) {
  if (const auto increment = call.Integer(2)) Add(call, *increment);
}

void Decrby(Call& call) {
  const auto decrement = call.Integer(2);
  if (!decrement) return;
  if (*decrement == std::numeric_limits<int64_t>::min()) {
    return call.reply.Error("ERR decrement would overflow");
  }
  Add(call, -*decrement);
}

void Incrbyfloat(Call& call) {
  const StringValue value = WriteString(call, 1);
  if (value.wrong_type) return;
  const auto old = value.exists() ? base::ParseLongDouble(value.text()) : 0.0L;
  if (!old) return call.reply.NotAFloat();
  const auto increment = base::ParseLongDouble(call.args[2]);
  if (!increment) return call.reply.NotAFloat();
  const long double sum = *old + *increment;
  if (!std::isfinite(sum)) {
    return call.reply.Error("ERR increment would produce NaN or Infinity");
  }
  const std::string text = base::FormatLongDouble(sum);
  // A float that happens to be whole is still no int to OBJECT ENCODING.
  call.db.SetString(call.key(1), text, Database::kKeepDeadline, kIncrbyfloat)->mark_text();
  call.RepeatAs({"SET", call.args[1], text, "KEEPTTL"});
  call.reply.Bulk(text);
}

constexpr Command kStringNumericCommands[] = {
    {.name = "incr",
     .arity = 2,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Incr,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key",
     .summary = "Adds one to the integer that a key holds."},
    {.name = "decr",
     .arity = 2,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Decr,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key",
     .summary = "Subtracts one from the integer that a key holds."},
    {.name = "incrby",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Incrby,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key increment",
     .summary = "Adds to the integer that a key holds."},
    {.name = "decrby",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Decrby,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key decrement",
     .summary = "Subtracts from the integer that a key holds."},
    {.name = "incrbyfloat",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Incrbyfloat,
     .group = "string",
     .since = "2.6.0",
     .syntax = "key increment<double>",
     .summary = "Adds to the floating-point number that a key holds."},
};

}  // namespace

std::span<const Command> StringNumericCommands() { return kStringNumericCommands; }

}  // namespace terrace::commands
