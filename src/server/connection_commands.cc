// The connection family: what a client says about itself.

#include "base/numbers.h"
#include "commands/registry.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kFast;
using commands::kLoading;
using commands::kNoLocks;
using commands::kStale;

void Ping(Call& call) {
  if (call.argc() > 2) {
    return call.reply.Error("ERR wrong number of arguments for 'ping' command");
  }
  if (call.argc() == 2) return call.reply.Bulk(call.args[1]);
  call.reply.Simple("PONG");
}

void Echo(Call& call) { call.reply.Bulk(call.args[1]); }

void Select(Call& call) {
  const auto index = call.Integer(1);
  if (!index) return;
  if (*index < 0 || *index >= call.db.keyspace().database_count()) {
    return call.reply.Error("ERR DB index is out of range");
  }
  call.session.database = static_cast<int>(*index);
  ConnectionOf(call).view.database.store(call.session.database);
  call.reply.Ok();
}

constexpr Command kCommands[] = {
    {.name = "ping",
     .arity = -1,
     .flags = kFast | kNoLocks,
     .categories = commands::kConnection,
     .handler = Ping,
     .group = "connection",
     .since = "1.0.0",
     .summary = "Answers PONG, or the message it is given."},
    {.name = "echo",
     .arity = 2,
     .flags = kFast | kNoLocks | kLoading | kStale,
     .categories = commands::kConnection,
     .handler = Echo,
     .group = "connection",
     .since = "1.0.0",
     .summary = "Answers the message it is given."},
    {.name = "select",
     .arity = 2,
     .flags = kFast | kNoLocks | kLoading | kStale,
     .categories = commands::kConnection,
     .handler = Select,
     .group = "connection",
     .since = "1.0.0",
     .summary = "Selects the database of this connection."},
};

}  // namespace

std::span<const Command> ConnectionCommands() { return kCommands; }

}  // namespace terrace::server
