// The string family: GET and SET.

#include <algorithm>

#include "commands/call.h"
#include "commands/registry.h"

namespace terrace::commands {
namespace {

using keyspace::Database;
using keyspace::Entry;
namespace events = keyspace::events;

void Get(Call& call) {
  const Entry* entry = call.db.Read(call.key(1));
  if (entry == nullptr) return call.reply.Null();
  if (!entry->is_string()) return call.reply.WrongType();
  call.reply.Bulk(entry->string());
}

void Set(Call& call) {
  call.db.SetString(call.key(1), call.args[2], keyspace::kNoDeadline, events::kSet);
  call.reply.Ok();
}

constexpr Command kCommands[] = {
    {.name = "get",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kString,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Get,
     .group = "string",
     .since = "1.0.0",
     .summary = "Returns the string value of a key."},
    {.name = "set",
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .categories = kString,
     .keys = {1, 1, 1},
     .handler = Set,
     .group = "string",
     .since = "1.0.0",
     .summary = "Sets the string value of a key, whatever it held."},
};

}  // namespace

std::span<const Command> StringCommands() { return kCommands; }

}  // namespace terrace::commands
