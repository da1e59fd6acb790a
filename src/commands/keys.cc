// The generic key family: what works on keys of every type. Walks over the whole keyspace are in
// keyspace_walks.cc, lifetimes in expiry.cc, DUMP in keys_dump.cc.

#include "commands/call.h"
#include "commands/registry.h"

namespace terrace::commands {
namespace {

using keyspace::Database;
using keyspace::Entry;
namespace events = keyspace::events;

void Del(Call& call) {
  int64_t removed = 0;
  for (size_t i = 1; i < call.argc(); ++i) removed += call.db.Remove(call.key(i), events::kDel);
  call.reply.Integer(removed);
}

void Exists(Call& call) {
  int64_t found = 0;
  for (size_t i = 1; i < call.argc(); ++i) found += call.db.ReadUntouched(call.key(i)) != nullptr;
  call.reply.Integer(found);
}

void Touch(Call& call) {
  call.db.set_touches(true);  // whatever CLIENT NO-TOUCH says: this is what it is for
  int64_t found = 0;
  for (size_t i = 1; i < call.argc(); ++i) found += call.db.Read(call.key(i)) != nullptr;
  call.reply.Integer(found);
}

void Type(Call& call) {
  const Entry* const entry = call.db.ReadUntouched(call.key(1));
  call.reply.Simple(entry != nullptr ? keyspace::TypeName(entry->type()) : "none");
}

// May the second key exist?
enum class Overwrite : uint8_t { kYes, kNo };

void RenameKey(Call& call, Overwrite overwrite) {
  const keyspace::Key from = call.key(1);
  const keyspace::Key to = call.key(2);
  if (call.db.Write(from) == nullptr) return call.reply.NoSuchKey();
  const bool keeps = overwrite == Overwrite::kNo;
  const bool moves = from.bytes != to.bytes && !(keeps && call.db.Write(to) != nullptr);
  if (moves) call.db.Move(from, call.db, to, events::kRenameFrom, events::kRenameTo);
  if (keeps) return call.reply.Integer(moves);
  call.reply.Ok();
}

void Rename(Call& call) { RenameKey(call, Overwrite::kYes); }
void Renamenx(Call& call) { RenameKey(call, Overwrite::kNo); }

void ReplySameObject(Call& call) {
  call.reply.Error("ERR source and destination objects are the same");
}

void Move(Call& call) {
  const auto index = call.DatabaseIndex(2);
  if (!index) return;
  if (*index == call.db.index()) return ReplySameObject(call);
  const keyspace::Key key = call.key(1);
  Database target = call.db.Other(*index);
  const bool moves = call.db.Write(key) != nullptr && target.Write(key) == nullptr;
  if (moves) call.db.Move(key, target, key, events::kMoveFrom, events::kMoveTo);
  call.reply.Integer(moves);
}

void Copy(Call& call) {
  bool replace = false;
  int index = call.db.index();
  for (size_t i = 3; i < call.argc(); ++i) {
    if (call.Is(i, "replace")) {
      replace = true;
    } else if (call.Is(i, "db") && i + 1 < call.argc()) {
      const auto parsed = call.DatabaseIndex(++i);
      if (!parsed) return;
      index = *parsed;
    } else {
      return call.reply.SyntaxError();
    }
  }
  const keyspace::Key from = call.key(1);
  const keyspace::Key to = call.key(2);
  if (index == call.db.index() && from.bytes == to.bytes) return ReplySameObject(call);
  Database target = call.db.Other(index);
  const bool copies = call.db.Read(from) != nullptr && (target.Write(to) == nullptr || replace);
  if (copies) call.db.Copy(from, target, to, events::kCopyTo);
  call.reply.Integer(copies);
}

constexpr Command kKeyCommands[] = {
    {.name = "del",
     .arity = -2,
     .flags = kWrite | kSplitsByKey,
     .categories = kKeyspace,
     .keys = {1, -1, 1, "RM delete"},
     .resolve = Resolve::kValue,
     .handler = Del,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key...",
     .summary = "Deletes keys.",
     .complexity = "O(N), N: keys given",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {.name = "unlink",
     .arity = -2,
     .flags = kWrite | kFast | kSplitsByKey,
     .categories = kKeyspace,
     .keys = {1, -1, 1, "RM delete"},
     .resolve = Resolve::kValue,
     .handler = Del,
     .group = "generic",
     .since = "4.0.0",
     .syntax = "key...",
     .summary = "Deletes keys.",
     .complexity = "O(N), N: keys given",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {.name = "exists",
     .arity = -2,
     .flags = kReadOnly | kFast | kSplitsByKey,
     .categories = kKeyspace,
     .keys = {1, -1, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Exists,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key...",
     .summary = "Counts which of the keys exist.",
     .complexity = "O(N), N: keys given",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {.name = "touch",
     .arity = -2,
     .flags = kReadOnly | kFast | kSplitsByKey,
     .categories = kKeyspace,
     .keys = {1, -1, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Touch,
     .group = "generic",
     .since = "3.2.1",
     .syntax = "key...",
     .summary = "Counts which of the keys exist and marks them as used.",
     .complexity = "O(N), N: keys given",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {.name = "type",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Type,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key",
     .summary = "Returns the type of what a key holds."},
    {.name = "rename",
     .arity = 3,
     .flags = kWrite,
     .categories = kKeyspace,
     .keys = {KeyAt(1, "RW access delete"), KeyAt(2, "OW update")},
     .resolve = Resolve::kValue,
     .handler = Rename,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key newkey",
     .summary = "Gives a key another name, whatever had that name."},
    {.name = "renamenx",
     .arity = 3,
     .flags = kWrite | kFast,
     .categories = kKeyspace,
     .keys = {KeyAt(1, "RW access delete"), KeyAt(2, "OW insert")},
     .resolve = Resolve::kValue,
     .handler = Renamenx,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key newkey",
     .summary = "Gives a key another name unless that exists."},
    {.name = "copy",
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .categories = kKeyspace,
     .keys = {KeyAt(1, "RO access"), KeyAt(2, "OW update")},
     .resolve = Resolve::kValue,
     .handler = Copy,
     .group = "generic",
     .since = "6.2.0",
     .syntax = "source destination [DB destination-db] [REPLACE]",
     .summary = "Copies what a key holds to another key.",
     .complexity = "O(N), N: elements; O(1) for a string"},
    {.name = "move",
     .arity = 3,
     .flags = kWrite | kFast,
     .categories = kKeyspace,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Move,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key db",
     .summary = "Moves a key to another database."},
};

}  // namespace

std::span<const Command> KeyCommands() { return kKeyCommands; }

}  // namespace terrace::commands
