// Transactions whose keys are on forward routes: they go to the regional tier as they are, between
// MULTI and EXEC; see docs/request-path.md. What has no keys (PUBLISH, TIME, a script without any)
// speaks of this process and runs here, behind it.

#include <utility>

#include "server/acl_below.h"
#include "server/core.h"
#include "server/messaging.h"
#include "server/relayed_reply.h"
#include "server/request.h"
#include "server/transaction.h"
#include "tiers/resolver.h"

namespace terrace::server {
namespace {

constexpr std::string_view kMixed =
    "CROSSROUTE Keys in a transaction must all be on routes whose writes one regional tier runs, "
    "or all on other routes";

// "" or why the user may not run what is queued any more. It goes below as one, or not at all.
// note: called with the verdict on the command that is denied.
template <typename Note>
std::string WhyQueueDenied(const Connection& connection, const Transaction& transaction,
                           Note&& note) {
  if (connection.unrestricted_at != 0) [[likely]]
    return "";
  const AclUser& user = *connection.standing.user;
  std::vector<std::string_view> args;
  for (const Transaction::Queued& queued : transaction.queue()) {
    if (!queued.is_below) continue;
    queued.Read(&args);
    const AclVerdict verdict = user.Check(queued.command(), args);
    if (!verdict.allows()) {
      note(verdict, queued.command(), args);
      return "NOPERM " + DeniedText(verdict, user, queued.command(), args, AclDetail::kBrief);
    }
    std::string denied = WhyDeniedBelow(connection, queued.command(), args);
    if (!denied.empty()) return denied;
  }
  return "";
}

}  // namespace

// Where is the command that is about to be queued to run? "" or why it cannot be part of this
// transaction.
std::string RequestPath::PlaceQueued(Transaction& transaction, const commands::Command& command,
                                     commands::Args args, bool* is_below) const {
  if (command.name == "select") {
    transaction.set_selects();
    if (transaction.below() == nullptr) return "";
    return "TIER SELECT cannot be part of a transaction that a regional tier runs";
  }
  const NestedKeys keys = FindNestedKeys(command, args);
  const tiers::Route* below = nullptr;
  bool has_keys_here = false;
  for (const int position : keys.positions) {
    const tiers::Route* route =
        core_->resolver->routes().Match(args[static_cast<size_t>(position)]);
    if (route == nullptr || !route->is_relayed()) {
      has_keys_here = true;
    } else if (below == nullptr) {
      below = route;
    } else if (below->regional != route->regional) {
      return std::string(kMixed);
    }
  }
  const tiers::Route* before = transaction.below();
  if (before == nullptr && transaction.lease() != nullptr) before = &transaction.lease()->route();
  if (below != nullptr && before != nullptr && below->regional != before->regional) {
    return std::string(kMixed);
  }
  if ((below != nullptr && (has_keys_here || transaction.has_keys_here())) ||
      (has_keys_here && before != nullptr)) {
    return std::string(kMixed);
  }
  if (below != nullptr && transaction.selects()) {
    return "TIER SELECT cannot be part of a transaction that a regional tier runs";
  }
  if (has_keys_here) transaction.set_has_keys_here();
  if (transaction.below() == nullptr) transaction.set_below(below);
  *is_below = below != nullptr;
  return "";
}

// EXEC of such a transaction.
RequestPath::Step RequestPath::ExecuteBelow(Connection& connection, resp::Reply& reply) {
  const bool is_sent = connection.parked != nullptr && !connection.parked->relays().empty();
  if (is_sent) return FinishBelow(connection, reply);
  const std::string denied = WhyQueueDenied(
      connection, *connection.transaction,
      [this](const AclVerdict& verdict, const commands::Command& command, commands::Args args) {
        NoteDenied(verdict, command, args, AclContext::kTransaction);
      });
  if (!denied.empty()) {
    Unpark(connection);
    AbortTransaction(connection, denied, reply);
    return Step::kDone;
  }
  const Step step = SendBelow(connection, reply);
  if (step != Step::kAnswered) return step;
  EndTransaction(connection, *core_->keyspace);
  return Step::kDone;
}

RequestPath::Step RequestPath::SendBelow(Connection& connection, resp::Reply& reply) {
  const Transaction& transaction = *connection.transaction;
  std::vector<std::vector<std::string>> sent;
  std::vector<std::string> written;
  std::vector<std::string_view> args;
  bool awaits = false;
  const std::shared_ptr<tiers::ParkedRequest> parked = ParkedOf(connection);
  for (const Transaction::Queued& queued : transaction.queue()) {
    if (!queued.is_below) continue;
    queued.Read(&args);
    const NestedKeys keys = FindNestedKeys(queued.command(), args);
    const Work work{&queued.command(), args, keys.hashes.data(), keys.positions};
    if (!queued.command().has(commands::kWrite) || AccessOf(work).builds_on_value()) {
      const Step step = BringIn(connection, work, parked, reply);
      if (step == Step::kAnswered) return step;
      awaits |= step == Step::kParked;
    }
    for (std::string& key : WrittenBy(work)) written.push_back(std::move(key));
    sent.push_back(ToRelay(work));
  }
  if (awaits) return Park(connection);
  tiers::Resolver& resolver = *core_->resolver;
  const std::string error =
      transaction.lease() != nullptr
          ? resolver.RelayTransactionLeased(transaction.lease(), connection.database,
                                            std::move(sent), std::move(written),
                                            ParkedOf(connection))
          : resolver.RelayTransaction(*transaction.below(), connection.database, std::move(sent),
                                      std::move(written), ParkedOf(connection));
  if (error.empty()) return Park(connection);
  reply.Error(error);
  Unpark(connection);
  return Step::kAnswered;
}

RequestPath::Step RequestPath::FinishBelow(Connection& connection, resp::Reply& reply) {
  // What runs may look at the connection, or reset it: to them the transaction is over.
  const tiers::Route& route = connection.transaction->below() != nullptr
                                  ? *connection.transaction->below()
                                  : connection.transaction->lease()->route();
  EndWatching(connection, *core_->keyspace);
  const std::unique_ptr<Transaction> transaction = std::move(connection.transaction);
  connection.detours = static_cast<uint8_t>(connection.detours & ~Connection::kQueues);
  connection.view.queued_commands.store(-1, std::memory_order_relaxed);
  const std::shared_ptr<tiers::ParkedRequest> parked = connection.parked;
  Unpark(connection);
  const tiers::RelayResult& result = *parked->relays()[0];
  if (result.failure != tiers::Failure::kNone) {
    reply.Error(tiers::Resolver::RelayError(route, result, "transaction"));
    return Step::kDone;
  }
  if (result.reply.starts_with("-")) {
    reply.Error(std::string_view(result.reply).substr(1, result.reply.find('\r') - 1));
    return Step::kDone;
  }
  if (result.reply.starts_with("*-")) {
    reply.NullArray();
    return Step::kDone;
  }
  return AnswerBelow(connection, *transaction, ElementsOf(result.reply), reply);
}

// Puts the replies together: of what was executed below, and of what runs here now.
RequestPath::Step RequestPath::AnswerBelow(Connection& connection, const Transaction& transaction,
                                           std::span<const std::string_view> replies,
                                           resp::Reply& reply) {
  BeginUnit();
  bool locks_all = false;
  for (const Transaction::Queued& queued : transaction.queue()) {
    locks_all |= !queued.is_below && (queued.command().has(commands::kAllShards) ||
                                      queued.command().has(commands::kTakesLocks));
  }
  held_ = locks_all ? core_->keyspace->AllShards() : 0;
  keyspace::ShardLock lock(*core_->keyspace, held_);
  const bool has_monitors = core_->messaging->has_monitors();
  reply.Array(transaction.queue().size());
  size_t next = 0;
  std::vector<std::string_view> args;
  for (const Transaction::Queued& queued : transaction.queue()) {
    queued.Read(&args);
    if (!queued.is_below) {
      if (CheckQueued(connection, queued.command(), args, reply)) [[likely]]
        Run(queued.command(), args, connection, reply);
      continue;
    }
    const uint64_t begin_cycles = runtime::ReadCycles();
    resp::Reply part(&reply.buffer(), reply.protocol());
    WriteRelayed(queued.command().name, args, replies[next++], part);
    Count(queued.command(), args, begin_cycles, part);
    if (has_monitors) [[unlikely]]
      Feed(queued.command(), args, connection.database);
    if (TracksReads()) [[unlikely]] {
      const NestedKeys keys = FindNestedKeys(queued.command(), args);
      DoubtReads({&queued.command(), args, keys.hashes.data(), keys.positions});
    }
  }
  if (has_monitors) [[unlikely]]
    FeedOnce();
  return HandOver() ? Step::kDone : Step::kMustHandOver;
}

}  // namespace terrace::server
