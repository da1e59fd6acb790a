// The string family: parts of strings, APPEND to GETRANGE. LCS is in strings_lcs.cc.

#include <algorithm>
#include <cstring>

#include "commands/call.h"
#include "commands/registry.h"
#include "commands/string_value.h"

namespace terrace::commands {
namespace {

using keyspace::KeyEvent;

constexpr KeyEvent kAppend{'$', "append"};
constexpr KeyEvent kSetrange{'$', "setrange"};

void Append(Call& call) {
  const StringValue value = WriteString(call, 1);
  if (value.wrong_type) return;
  const keyspace::Key key = call.key(1);
  const std::string_view tail = call.args[2];
  if (!value.exists()) {
    call.db.SetString(key, tail, keyspace::kNoDeadline, kAppend);
    return call.reply.Integer(static_cast<int64_t>(tail.size()));
  }
  const size_t old_size = value.text().size();
  const size_t size = old_size + tail.size();
  if (IsTooLong(call, size)) return;
  char* const bytes = call.db.EditString(key, size);
  if (!tail.empty()) std::memcpy(bytes + old_size, tail.data(), tail.size());
  StringChanged(call, key, kAppend);
  call.reply.Integer(static_cast<int64_t>(size));
}

void Setrange(Call& call) {
  const auto offset = call.Integer(2);
  if (!offset) return;
  if (*offset < 0) return call.reply.Error("ERR offset is out of range");
  const StringValue value = WriteString(call, 1);
  if (value.wrong_type) return;
  const std::string_view part = call.args[3];
  const size_t old_size = value.text().size();
  if (part.empty()) return call.reply.Integer(static_cast<int64_t>(old_size));
  const size_t end = static_cast<size_t>(*offset) + part.size();
  if (IsTooLong(call, end)) return;
  const keyspace::Key key = call.key(1);
  const size_t size = std::max(old_size, end);
  char* const bytes = call.db.EditString(key, size);
  std::memcpy(bytes + *offset, part.data(), part.size());
  StringChanged(call, key, kSetrange);
  call.reply.Integer(static_cast<int64_t>(size));
}

void Getrange(Call& call) {
  const auto first = call.Integer(2);
  if (!first) return;
  const auto last = call.Integer(3);
  if (!last) return;
  const StringValue value = ReadString(call, 1);
  if (value.wrong_type) return;
  const auto size = static_cast<int64_t>(value.text().size());
  // Both beyond the beginning would be clamped to the first byte.
  if (*first < 0 && *last < 0 && *first > *last) return call.reply.Bulk({});
  const int64_t begin = std::max<int64_t>(*first < 0 ? size + *first : *first, 0);
  const int64_t end =
      std::min(std::max<int64_t>(*last < 0 ? size + *last : *last, 0), size - 1) + 1;
  if (begin >= end) return call.reply.Bulk({});
  call.reply.Bulk(
      value.text().substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
}

void Strlen(Call& call) {
  const StringValue value = ReadString(call, 1);
  if (!value.wrong_type) call.reply.Integer(static_cast<int64_t>(value.text().size()));
}

constexpr Command kStringRangeCommands[] = {
    {.name = "append",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = Append,
     .group = "string",
     .since = "2.0.0",
     .syntax = "key value",
     .summary = "Appends to the string that a key holds."},
    {.name = "setrange",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .categories = kString,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Setrange,
     .group = "string",
     .since = "2.2.0",
     .syntax = "key offset value",
     .summary = "Overwrites the string that a key holds from an offset on.",
     .complexity = "O(N), N: bytes given"},
    {.name = "getrange",
     .arity = 4,
     .flags = kReadOnly,
     .categories = kString,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Getrange,
     .group = "string",
     .since = "2.4.0",
     .syntax = "key start end",
     .summary = "Returns a part of the string that a key holds.",
     .complexity = "O(N), N: bytes of the range"},
    {.name = "substr",
     .arity = 4,
     .flags = kReadOnly,
     .categories = kString,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Getrange,
     .group = "string",
     .since = "1.0.0",
     .syntax = "key start end",
     .summary = "Returns a part of the string that a key holds; the old name of GETRANGE.",
     .complexity = "O(N), N: bytes of the range",
     .deprecated = {"2.0.0", "`GETRANGE`"}},
    {.name = "strlen",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kString,
     .keys = {1, 1, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Strlen,
     .group = "string",
     .since = "2.2.0",
     .syntax = "key",
     .summary = "Returns the length of the string that a key holds."},
};

}  // namespace

std::span<const Command> StringRangeCommands() { return kStringRangeCommands; }

}  // namespace terrace::commands
