// Requests that do not simply run: those between MULTI and EXEC, and EXEC; see transaction.h.

#include <string>
#include <utility>

#include "server/core.h"
#include "server/request.h"
#include "server/stats.h"
#include "server/transaction.h"

namespace terrace::server {
namespace {

constexpr std::string_view kOutOfMemory = "OOM command not allowed when used memory > 'maxmemory'.";

// Commands that run at once between MULTI and EXEC.
bool RunsInside(const commands::Command& command) {
  for (const std::string_view name : {"discard", "multi", "watch", "quit", "reset"}) {
    if (command.name == name) return true;
  }
  return false;
}

}  // namespace

// A request of a connection between MULTI and EXEC, after its checks.
RequestPath::Step RequestPath::QueueOrExecute(Connection& connection, const Request& request,
                                              resp::Reply& reply) {
  if (request.command->name == "exec") return ExecuteTransaction(connection, reply);
  if (RunsInside(*request.command)) return Execute(connection, request, reply);
  Transaction& transaction = *connection.transaction;
  const auto refuse = [&](std::string_view error) {
    transaction.Fail();
    reply.Error(error);
    CountError(reply.last_error_code());
    stats_->commands[static_cast<size_t>(request.command->id)].rejected.Add();
    return Step::kQueued;
  };
  if (request.command->has(commands::kNoMulti)) {
    return refuse("ERR Command not allowed inside a transaction");
  }
  // A queue takes memory, whatever is in it.
  if (core_->keyspace->IsOverLimit() && !core_->keyspace->MakeRoom(now_ms_)) {
    return refuse(kOutOfMemory);
  }
  transaction.Append(*request.command, ArgsOf(request));
  connection.view.queued_commands.store(static_cast<int64_t>(transaction.queue().size()),
                                        std::memory_order_relaxed);
  if (transaction.bytes() > core_->hot.query_buffer_max.load(std::memory_order_relaxed)) {
    core_->log->Warning("client_closed", {{"reason", "query buffer limit"},
                                          {"client", connection.view.peer_address}});
    stats_->query_limit_disconnections.Add();
    connection.state = ConnectionState::kClosing;
    return Step::kQueued;
  }
  reply.Simple("QUEUED");
  return Step::kQueued;
}

// A request between MULTI and EXEC did not pass its checks, which have replied why.
void RequestPath::RefuseQueued(Connection& connection, const Request& request, resp::Reply& reply,
                               size_t reply_begin) {
  connection.transaction->Fail();
  if (request.command == nullptr || request.command->name != "exec") return;
  // Not even EXEC: it ends the transaction all the same, and says so.
  std::string why(reply.buffer().view().substr(reply_begin));
  reply.buffer().Truncate(reply_begin);
  while (why.ends_with('\n') || why.ends_with('\r')) why.pop_back();
  if (why.starts_with("-ERR ")) why.erase(0, 5);
  AbortTransaction(connection, why, reply);
}

void RequestPath::AbortTransaction(Connection& connection, std::string_view why,
                                   resp::Reply& reply) {
  EndTransaction(connection, *core_->keyspace);
  reply.Error("EXECABORT Transaction discarded because of: " + std::string(why));
}

RequestPath::Step RequestPath::ExecuteTransaction(Connection& connection, resp::Reply& reply) {
  Transaction& transaction = *connection.transaction;
  if (transaction.failed()) {
    EndTransaction(connection, *core_->keyspace);
    reply.Error("EXECABORT Transaction discarded because of previous errors.");
    return Step::kDone;
  }
  if (transaction.any_has(commands::kWrite) && core_->keyspace->IsOverLimit() &&
      !core_->keyspace->MakeRoom(now_ms_) && transaction.any_has(commands::kDenyOom)) {
    AbortTransaction(connection, kOutOfMemory, reply);
    return Step::kDone;
  }
  running_ = &connection;
  held_ = ShardsOf(transaction);
  keyspace::ShardLock lock(*core_->keyspace, held_);
  if (transaction.IsTouched(*core_->keyspace, now_ms_)) {
    reply.NullArray();
    EndTransaction(connection, *core_->keyspace);
    return Step::kDone;
  }
  // What runs may look at the connection, or reset it: to them the transaction is over.
  const std::unique_ptr<Transaction> running = std::move(connection.transaction);
  running->Unwatch(*core_->keyspace);
  connection.detours = static_cast<uint8_t>(connection.detours & ~Connection::kQueues);
  reply.Array(running->queue().size());
  std::vector<std::string_view> args;
  for (const Transaction::Queued& queued : running->queue()) {
    queued.Read(&args);
    Run(queued.command(), args, connection, reply);
  }
  connection.view.queued_commands.store(-1, std::memory_order_relaxed);
  return Step::kDone;
}

// All that the queued commands touch, and all that is watched.
keyspace::ShardSet RequestPath::ShardsOf(const Transaction& transaction) const {
  if (transaction.any_has(commands::kAllShards)) return core_->keyspace->AllShards();
  keyspace::ShardSet shards = transaction.WatchedShards();
  std::vector<std::string_view> args;
  for (const Transaction::Queued& queued : transaction.queue()) {
    if (queued.command().has(commands::kTakesLocks)) return core_->keyspace->AllShards();
    queued.Read(&args);
    const NestedKeys keys = FindNestedKeys(queued.command(), args);
    shards |= ShardsOf({&queued.command(), args, keys.hashes.data(), keys.positions});
  }
  return shards;
}

}  // namespace terrace::server
