// Requests that do not simply run: those between MULTI and EXEC, and EXEC; see transaction.h.

#include <string>
#include <utility>

#include "server/acl_below.h"
#include "server/core.h"
#include "server/messaging.h"
#include "server/request.h"
#include "server/stats.h"
#include "server/transaction.h"
#include "tiers/resolver.h"

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
    return Step::kAnswered;
  };
  if (request.command->has(commands::kNoMulti)) {
    return refuse("ERR Command not allowed inside a transaction");
  }
  // A queue takes memory, whatever is in it.
  if (core_->keyspace->IsOverLimit() && !MakeRoom()) {
    return refuse(kOutOfMemory);
  }
  bool is_below = false;
  if (core_->resolver != nullptr) {
    std::string error = PlaceQueued(transaction, *request.command, ArgsOf(request), &is_below);
    if (error.empty() && is_below) {
      error = WhyDeniedBelow(connection, *request.command, ArgsOf(request));
    }
    if (!error.empty()) return refuse(error);
  }
  transaction.Append(*request.command, ArgsOf(request), is_below);
  connection.view.queued_commands.store(static_cast<int64_t>(transaction.queue().size()),
                                        std::memory_order_relaxed);
  if (transaction.bytes() > core_->hot.query_buffer_max.load(std::memory_order_relaxed)) {
    core_->log->Warning("client_closed", {{"reason", "query buffer limit"},
                                          {"client", connection.view.peer_address}});
    stats_->query_limit_disconnections.Add();
    connection.state = ConnectionState::kClosing;
    return Step::kAnswered;
  }
  reply.Simple("QUEUED");
  return Step::kAnswered;
}

// An EXEC that did not pass its checks, which have replied why: it ends the transaction and the
// watching all the same, and says so.
void RequestPath::RefuseExec(Connection& connection, resp::Reply& reply, size_t reply_begin) {
  std::string why(reply.buffer().view().substr(reply_begin));
  reply.buffer().Truncate(reply_begin);
  while (why.ends_with('\n') || why.ends_with('\r')) why.pop_back();
  why.erase(0, why.starts_with("-ERR ") ? 5 : 1);
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
  const uint8_t stopped = core_->hot.writes_stopped.load();
  if (stopped != 0 && transaction.any_has(commands::kWrite)) {
    AbortTransaction(connection, WritesStoppedError(core_->hot, stopped), reply);
    return Step::kDone;
  }
  if (transaction.below() != nullptr || transaction.lease() != nullptr) {
    return ExecuteBelow(connection, reply);
  }
  if (transaction.any_has(commands::kWrite) && core_->keyspace->IsOverLimit() && !MakeRoom() &&
      transaction.any_has(commands::kDenyOom)) {
    AbortTransaction(connection, kOutOfMemory, reply);
    return Step::kDone;
  }
  BeginUnit();
  held_ = ShardsOf(transaction);
  keyspace::ShardLock lock(*core_->keyspace, held_);
  if (transaction.IsTouched(*core_->keyspace, now_ms_)) {
    reply.NullArray();
    Unpark(connection);
    EndTransaction(connection, *core_->keyspace);
    return Step::kDone;
  }
  if (core_->resolver != nullptr) {
    const Step step = ResolveQueue(connection, transaction, reply);
    if (step != Step::kDone) return step == Step::kAnswered ? Step::kDone : step;
  }
  // What runs may look at the connection, or reset it: to them the transaction is over.
  const std::unique_ptr<Transaction> running = std::move(connection.transaction);
  running->Unwatch(*core_->keyspace);
  connection.view.watched_keys.store(0, std::memory_order_relaxed);
  connection.detours = static_cast<uint8_t>(connection.detours & ~Connection::kQueues);
  reply.Array(running->queue().size());
  std::vector<std::string_view> args;
  ++unit_depth_;
  for (const Transaction::Queued& queued : running->queue()) {
    queued.Read(&args);
    if (CheckQueued(connection, queued.command(), args, reply)) [[likely]]
      Run(queued.command(), args, connection, reply);
  }
  --unit_depth_;
  RepeatUnit();
  if (core_->messaging->has_monitors()) [[unlikely]]
    FeedOnce();
  connection.view.queued_commands.store(-1, std::memory_order_relaxed);
  return HandOver() ? Step::kDone : Step::kMustHandOver;
}

// "" or why the queued commands cannot run here as one.
std::string RequestPath::PlanQueue(const Transaction& transaction) const {
  std::vector<std::string_view> args, views;
  for (const Transaction::Queued& queued : transaction.queue()) {
    queued.Read(&args);
    const NestedKeys keys = FindNestedKeys(queued.command(), args);
    const Work work{&queued.command(), args, keys.hashes.data(), keys.positions};
    views.clear();
    for (size_t i = 0; i < work.key_count(); ++i) views.push_back(work.key(i));
    const auto plan = core_->resolver->MakePlan(AccessOf(work), views);
    if (plan.where == tiers::Resolver::Where::kRefused) return plan.error;
  }
  return "";
}

// Makes all keys of the queued commands present or absent before the first of them runs: kDone when
// they are, kAnswered when the transaction has been refused. REQUIRES: the locks of held_.
RequestPath::Step RequestPath::ResolveQueue(Connection& connection, const Transaction& transaction,
                                            resp::Reply& reply) {
  const auto refuse = [&](std::string_view error) {
    Unpark(connection);
    EndTransaction(connection, *core_->keyspace);
    reply.Error(error);
    return Step::kAnswered;
  };
  const std::string refusal = PlanQueue(transaction);
  if (!refusal.empty()) return refuse(refusal);
  keyspace::Database database(core_->keyspace, connection.database, now_ms_);
  const std::shared_ptr<tiers::ParkedRequest> parked = ParkedOf(connection);
  bool awaits = false;
  std::vector<std::string_view> args;
  std::vector<keyspace::Key> keys;
  tiers::Overlay overlay;
  for (const Transaction::Queued& queued : transaction.queue()) {
    queued.Read(&args);
    const NestedKeys found = FindNestedKeys(queued.command(), args);
    const Work work{&queued.command(), args, found.hashes.data(), found.positions};
    tiers::Access access = AccessOf(work);
    if (!access.needs_value || work.key_count() == 0) continue;
    // As for a write: what was fetched must be current, and stays for all commands of the queue.
    access.is_write = true;
    keys.clear();
    for (size_t i = 0; i < work.key_count(); ++i) keys.push_back(work.AsKey(i));
    const auto outcome = core_->resolver->Resolve(database, access, keys, parked, &overlay);
    if (outcome.state == tiers::Resolver::State::kAwaiting) {
      awaits = true;
    } else if (outcome.state != tiers::Resolver::State::kReady) {
      return refuse(outcome.error);
    }
  }
  if (awaits) return Park(connection);
  // The commands see what is here now, and no more what was fetched before the first of them ran.
  Unpark(connection);
  return Step::kDone;
}

// All that the queued commands touch, and all that is watched.
keyspace::ShardSet RequestPath::ShardsOf(const Transaction& transaction) const {
  keyspace::ShardSet shards = transaction.WatchedShards();
  std::vector<std::string_view> args;
  for (const Transaction::Queued& queued : transaction.queue()) {
    const commands::Command& command = queued.command();
    if (command.has(commands::kTakesLocks)) return core_->keyspace->AllShards();
    // It may change what a later command was found to need (FUNCTION LOAD).
    if (command.has(commands::kWrite | commands::kNoLocks)) return core_->keyspace->AllShards();
    queued.Read(&args);
    const NestedKeys keys = FindNestedKeys(queued.command(), args);
    shards |= ShardsOf({&queued.command(), args, keys.hashes.data(), keys.positions});
  }
  return shards;
}

}  // namespace terrace::server
