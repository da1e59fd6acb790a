// WAIT and WAITAOF: there are no replicas and there is no append-only file, so they wait in vain,
// as with a Redis that has none.

#include "base/numbers.h"
#include "commands/registry.h"
#include "commands/wait.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::Wait;

void ReplyNoReplicas(resp::Reply& reply) { reply.Integer(0); }

void ReplyNothingSynced(resp::Reply& reply) {
  reply.Array(2);
  reply.Integer(0);
  reply.Integer(0);
}

void WaitForReplicas(Call& call) {
  const auto replicas = call.Integer(1);
  if (!replicas) return;
  const auto deadline_ms = commands::ParseTimeoutMs(call, 2);
  if (!deadline_ms) return;
  if (*replicas <= 0 || !call.may_wait()) return ReplyNoReplicas(call.reply);
  Wait wait;
  wait.deadline_ms = *deadline_ms;
  wait.give_up = ReplyNoReplicas;
  call.Block(std::move(wait));
}

void WaitAof(Call& call) {
  const auto local = base::ParseInt64(call.args[1]);
  if (!local) return call.reply.NotAnInteger();
  if (*local < 0 || *local > 1) {
    return call.reply.Error("ERR value is out of range, value must between 0 and 1");
  }
  const auto replicas = base::ParseInt64(call.args[2]);
  if (!replicas || *replicas < 0) {
    return call.reply.Error("ERR value is out of range, must be positive");
  }
  const auto deadline_ms = commands::ParseTimeoutMs(call, 3);
  if (!deadline_ms) return;
  if (*local > 0) {
    return call.reply.Error(
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
  }
  if (*replicas == 0 || !call.may_wait()) return ReplyNothingSynced(call.reply);
  Wait wait;
  wait.deadline_ms = *deadline_ms;
  wait.give_up = ReplyNothingSynced;
  call.Block(std::move(wait));
}

constexpr Command kWaitingCommands[] = {
    {.name = "wait",
     .arity = 3,
     .flags = commands::kNoLocks,
     .categories = commands::kConnection,
     .handler = WaitForReplicas,
     .group = "generic",
     .since = "3.0.0",
     .summary = "Waits until so many replicas have the writes of this connection."},
    {.name = "waitaof",
     .arity = 4,
     .flags = commands::kNoScript | commands::kNoLocks,
     .categories = commands::kConnection,
     .handler = WaitAof,
     .group = "generic",
     .since = "7.2.0",
     .summary = "Waits until the writes of this connection are in append-only files."},
};

}  // namespace

std::span<const Command> WaitingCommands() { return kWaitingCommands; }

}  // namespace terrace::server
