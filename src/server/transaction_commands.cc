// The transaction family. Queueing and EXEC itself are the request path's: see
// request_transaction.cc.

#include "commands/registry.h"
#include "server/commands.h"
#include "server/transaction.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kAllowBusy;
using commands::kFast;
using commands::kLoading;
using commands::kNoLocks;
using commands::kNoScript;
using commands::kSkipSlowlog;
using commands::kStale;
using commands::kTransaction;

Transaction& TransactionOf(Call& call) {
  Connection& connection = ConnectionOf(call);
  if (connection.transaction == nullptr) connection.transaction = std::make_unique<Transaction>();
  return *connection.transaction;
}

bool IsQueueing(Call& call) {
  const Connection& connection = ConnectionOf(call);
  return connection.transaction != nullptr && connection.transaction->is_open();
}

void Multi(Call& call) {
  if (IsQueueing(call)) {
    return RefuseWithin(&TransactionOf(call), call.limits.dialect,
                        "ERR MULTI calls can not be nested", &call.reply);
  }
  TransactionOf(call).Open();
  Connection& connection = ConnectionOf(call);
  connection.detours |= Connection::kQueues;
  connection.view.queued_commands.store(0, std::memory_order_relaxed);
  call.reply.Ok();
}

// With a transaction it does not come here.
void Exec(Call& call) { call.reply.Error("ERR EXEC without MULTI"); }

void Discard(Call& call) {
  if (!IsQueueing(call)) return call.reply.Error("ERR DISCARD without MULTI");
  EndTransaction(ConnectionOf(call), call.db.keyspace());
  call.reply.Ok();
}

void Watch(Call& call) {
  Transaction& transaction = TransactionOf(call);
  if (transaction.is_open()) {
    return RefuseWithin(&transaction, call.limits.dialect, kWatchWithin, &call.reply);
  }
  if (transaction.lease() != nullptr) {
    return call.reply.Error(kMixedWatches);
  }
  for (size_t at = 1; at < call.argc(); ++at) transaction.Watch(call.db, call.key(at));
  ConnectionOf(call).view.watched_keys.store(transaction.watch_count(), std::memory_order_relaxed);
  call.reply.Ok();
}

void Unwatch(Call& call) {
  Connection& connection = ConnectionOf(call);
  if (connection.transaction != nullptr) EndWatching(connection, call.db.keyspace());
  call.reply.Ok();
}

constexpr uint32_t kTransactionFlags = kNoScript | kLoading | kStale;

constexpr Command kTransactionCommands[] = {
    {.name = "multi",
     .arity = 1,
     .flags = kTransactionFlags | kFast | kAllowBusy | kNoLocks,
     .categories = kTransaction,
     .handler = Multi,
     .group = "transactions",
     .since = "1.2.0",
     .summary = "Begins a transaction: what follows is queued."},
    {.name = "exec",
     .arity = 1,
     .flags = kTransactionFlags | kSkipSlowlog | kNoLocks,
     .categories = kTransaction,
     .handler = Exec,
     .group = "transactions",
     .since = "1.2.0",
     .summary = "Runs all that was queued, as one.",
     .complexity = "That of what is run."},
    {.name = "discard",
     .arity = 1,
     .flags = kTransactionFlags | kFast | kAllowBusy | kNoLocks,
     .categories = kTransaction,
     .handler = Discard,
     .group = "transactions",
     .since = "2.0.0",
     .summary = "Ends a transaction without running what was queued.",
     .complexity = "O(N), N: commands queued"},
    {.name = "watch",
     .arity = -2,
     .flags = kTransactionFlags | kFast | kAllowBusy | commands::kRunsBelow,
     .categories = kTransaction,
     .keys = {1, -1, 1, "RO"},
     .handler = Watch,
     .group = "transactions",
     .since = "2.2.0",
     .syntax = "key...",
     .summary = "Has the next EXEC do nothing if one of these keys has changed by then.",
     .complexity = "O(N), N: keys given"},
    {.name = "unwatch",
     .arity = 1,
     .flags = kTransactionFlags | kFast | kAllowBusy | kNoLocks,
     .categories = kTransaction,
     .handler = Unwatch,
     .group = "transactions",
     .since = "2.2.0",
     .summary = "Forgets the keys that are watched."},
};

}  // namespace

std::span<const Command> TransactionCommands() { return kTransactionCommands; }

}  // namespace terrace::server
