// Requests that need a connection to the regional tier of their client's own: commands that wait
// for keys of forward routes, and WATCH of such keys; see docs/waiting.md.

#include <utility>

#include "commands/wait.h"
#include "server/core.h"
#include "server/request.h"
#include "server/transaction.h"
#include "tiers/resolver.h"

namespace terrace::server {

// The regional tier's own wait: the client is parked until it has ended, by whatever reason.
RequestPath::Step RequestPath::WaitBelow(Connection& connection, const Work& work,
                                         const tiers::Resolver::Plan& plan, resp::Reply& reply) {
  const tiers::Route& route = *plan.route;
  if (connection.parked != nullptr && !connection.parked->relays().empty()) {
    connection.SetLease(nullptr);
    return FinishRelay(connection, work, route, reply);
  }
  if (plan.has_origin) {
    const Step step = BringIn(connection, work, std::shared_ptr(ParkedOf(connection)), reply);
    if (step == Step::kParked) return Park(connection);
    if (step == Step::kAnswered) return Step::kDone;
  }
  connection.SetLease(core_->resolver->NewLease(tiers::ClientLease::Purpose::kWait, route));
  const std::string error = core_->resolver->RelayLeased(
      connection.lease, connection.database, ToRelay(work), WrittenBy(work), ParkedOf(connection),
      commands::WaitMs(*work.command, work.args));
  if (error.empty()) return Park(connection);
  connection.SetLease(nullptr);
  reply.Error(error);
  Unpark(connection);
  return Step::kDone;
}

// Copies of the keys are dropped once they are watched: what is read from then on and built upon is
// no older than the watch.
RequestPath::Step RequestPath::WatchBelow(Connection& connection, const Work& work,
                                          const tiers::Route& route, resp::Reply& reply) {
  if (connection.transaction == nullptr) connection.transaction = std::make_unique<Transaction>();
  Transaction& transaction = *connection.transaction;
  if (connection.parked != nullptr && !connection.parked->relays().empty()) {
    const bool is_watched = connection.parked->relays()[0]->reply.starts_with("+");
    const auto added = std::exchange(connection.lease, nullptr);
    if (is_watched) {
      connection.view.watched_keys.fetch_add(work.key_count(), std::memory_order_relaxed);
    }
    if (is_watched && added != nullptr) {
      transaction.set_lease(added);
    } else if (!is_watched) {
      // What was watched before goes with it, and EXEC will say so.
      (added != nullptr ? added : transaction.lease())->End();
    }
    return FinishRelay(connection, work, route, reply);
  }
  if (transaction.is_open()) {
    RefuseWithin(&transaction, core_->limits()->dialect, kWatchWithin, &reply);
    return Step::kDone;
  }
  std::shared_ptr<tiers::ClientLease> lease = transaction.lease();
  if (transaction.has_keys_here() ||
      (lease != nullptr && lease->route().regional != route.regional)) {
    reply.Error(kMixedWatches);
    return Step::kDone;
  }
  const Step step = BringIn(connection, work, std::shared_ptr(ParkedOf(connection)), reply);
  if (step == Step::kParked) return Park(connection);
  if (step == Step::kAnswered) return Step::kDone;
  if (lease == nullptr) {
    lease = core_->resolver->NewLease(tiers::ClientLease::Purpose::kWatch, route);
    connection.lease = lease;
  }
  std::vector<std::string> args = ToRelay(work);
  args[0] = "WATCH";
  std::vector<std::string> keys(key_views_.begin(), key_views_.end());
  const std::string error =
      core_->resolver->RelayLeased(lease, connection.database, std::move(args), std::move(keys),
                                   ParkedOf(connection), /*wait_ms=*/0);
  if (error.empty()) return Park(connection);
  connection.lease = nullptr;
  reply.Error(error);
  Unpark(connection);
  return Step::kDone;
}

}  // namespace terrace::server
