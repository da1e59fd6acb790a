// The generic key family: what works on keys of every type.

#include "commands/call.h"
#include "commands/registry.h"

namespace terrace::commands {
namespace {

namespace events = keyspace::events;

void Del(Call& call) {
  int64_t removed = 0;
  for (size_t i = 1; i < call.argc(); ++i) removed += call.db.Remove(call.key(i), events::kDel);
  call.reply.Integer(removed);
}

constexpr Command kCommands[] = {
    {.name = "del",
     .arity = -2,
     .flags = kWrite | kSplitsByKey,
     .categories = kKeyspace,
     .keys = {1, -1, 1},
     .handler = Del,
     .group = "generic",
     .since = "1.0.0",
     .summary = "Deletes keys."},
};

}  // namespace

std::span<const Command> KeyCommands() { return kCommands; }

}  // namespace terrace::commands
