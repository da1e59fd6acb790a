// The resolve stage of requests whose keys have lower tiers; see request.h for where it stands in
// the path, and tiers/resolver.h for the rules it keeps.

#include <utility>

#include "commands/call.h"
#include "server/acl_below.h"
#include "server/busy_script.h"
#include "server/core.h"
#include "server/request.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using tiers::Resolver;

}  // namespace

tiers::Access RequestPath::AccessOf(const Work& work) const {
  tiers::Access access;
  access.is_write = work.command->has(commands::kWrite);
  access.needs_value = work.command->ResolveFor(work.args) == commands::Resolve::kValue;
  access.splits_by_key = work.command->has(commands::kSplitsByKey);
  access.runs_below = work.command->has(commands::kRunsBelow) || MayWait(*work.command, work.args);
  return access;
}

// Has any key a tier with the last word that is not here?
bool RequestPath::ChangesElsewhere(const Work& work) const {
  for (size_t i = 0; i < work.key_count(); ++i) {
    const tiers::Route* route = core_->resolver->routes().Match(work.key(i));
    if (route != nullptr && route->has_tiers() && route->authority != tiers::Authority::kSpill) {
      return true;
    }
  }
  return false;
}

// The keys of both databases stay where they are below: the copies, and what was spilled, would be
// those of the other database.
std::string RequestPath::WhySwapRefused() const {
  if (core_->resolver == nullptr) return "";
  for (const auto& route : core_->resolver->routes().routes()) {
    if (!route->has_databases_below()) continue;
    return tiers::TierError(*route, "SWAPDB cannot swap what a lower tier has of two databases",
                            "nothing was swapped");
  }
  return "";
}

// The route by which the regional tier can run this; null when not all of its keys are there.
const tiers::Route* RequestPath::RouteBelow(const Work& work) const {
  const tiers::Route* first = nullptr;
  for (size_t i = 0; i < work.key_count(); ++i) {
    const tiers::Route* route = core_->resolver->routes().Match(work.key(i));
    if (route == nullptr || !route->is_relayed()) return nullptr;
    if (first == nullptr) first = route;
    if (route->regional != first->regional) return nullptr;
  }
  return first;
}

RequestPath::Step RequestPath::ExecuteTiered(Connection& connection, const Work& work,
                                             resp::Reply& reply) {
  std::vector<std::string_view>& keys = key_views_;
  keys.clear();
  for (size_t i = 0; i < work.key_count(); ++i) keys.push_back(work.key(i));
  const tiers::Access access = AccessOf(work);
  const Resolver::Plan plan = core_->resolver->MakePlan(access, keys);
  if (plan.where == Resolver::Where::kRelay && connection.parked == nullptr) {
    const std::string denied = WhyDeniedBelow(connection, *work.command, work.args);
    if (!denied.empty()) {
      reply.Error(denied);
      return Step::kDone;
    }
  }
  if (plan.where == Resolver::Where::kRelay) {
    // It would hold up all that goes over the same connection, or speak for all.
    if (MayWait(*work.command, work.args)) return WaitBelow(connection, work, plan, reply);
    if (work.command->name == "watch") return WatchBelow(connection, work, *plan.route, reply);
  }
  if (work.command->name == "watch" && plan.where != Resolver::Where::kRefused &&
      ChangesElsewhere(work)) {
    reply.Error("TIER WATCH does not see the changes of keys that have an origin only");
    return Step::kDone;
  }
  switch (plan.where) {
    case Resolver::Where::kRefused:
      reply.Error(plan.error);
      Unpark(connection);  // it may have been refused only now that it comes back
      return Step::kDone;
    case Resolver::Where::kRelay:
      return RelayWhole(connection, work, access, plan, reply);
    case Resolver::Where::kSplit:
      return RelaySplit(connection, work, reply);
    case Resolver::Where::kLocal:
    case Resolver::Where::kResolve:
      if (connection.parked != nullptr && !connection.parked->relays().empty()) {
        return FinishRelay(connection, work, *RouteBelow(work), reply);
      }
      return ResolveAndCall(connection, work, access, plan.where, reply);
  }
  return Step::kDone;
}

// Resolve and execute under the same locks: nothing can change in between.
RequestPath::Step RequestPath::ResolveAndCall(Connection& connection, const Work& work,
                                              const tiers::Access& access, Resolver::Where where,
                                              resp::Reply& reply) {
  tiers::Overlay overlay;
  keyspace::Database database(core_->keyspace, connection.database, now_ms_);
  Resolver::Outcome outcome;
  Step step = Step::kDone;
  {
    held_ = ShardsOf(work);
    // A request that comes back from below has done things; it waits.
    using Patience = keyspace::ShardLock::Patience;
    keyspace::ShardLock lock(*core_->keyspace, held_,
                             place_ == Place::kOutside ? Patience::kEndless : Patience::kNone);
    if (!lock.is_held()) {
      reply.Error(core_->busy->error());
      return Step::kDone;
    }
    if (where == Resolver::Where::kResolve) {
      keys_.clear();
      for (size_t i = 0; i < work.key_count(); ++i) keys_.push_back(work.AsKey(i));
      outcome = core_->resolver->Resolve(database, access, keys_, ParkedOf(connection), &overlay);
    }
    if (outcome.state == Resolver::State::kReady) {
      Call(connection, work, database, reply, &wait_);
      step = AfterCall(connection, work, reply);
    }
  }
  if (outcome.state == Resolver::State::kAwaiting) return Park(connection);
  if (outcome.state == Resolver::State::kTooLarge && where == Resolver::Where::kResolve) {
    // Too large for a copy: it is read where it is.
    const tiers::Route* const route = RouteBelow(work);
    const std::string denied = WhyDeniedBelow(connection, *work.command, work.args);
    if (route != nullptr && !denied.empty()) {
      outcome.error = denied;
    } else if (route != nullptr) {
      return SendRelay(connection, work, *route, ToRelay(work), 0, reply);
    }
  }
  if (outcome.state != Resolver::State::kReady) reply.Error(outcome.error);
  Unpark(connection);
  return step;
}

// ---- Parking
// -------------------------------------------------------------------------------------

// Who will be woken: what the connection's request already waits with, or a fresh one.
std::shared_ptr<tiers::ParkedRequest>& RequestPath::ParkedOf(Connection& connection) {
  if (connection.parked != nullptr) return connection.parked;
  if (spare_ == nullptr || !spare_->is_unused()) {
    spare_ = std::make_shared<tiers::ParkedRequest>(&connection.worker->loop());
  }
  spare_->awaits_stores = false;
  return spare_;
}

RequestPath::Step RequestPath::Park(Connection& connection) {
  if (connection.parked == nullptr) {
    connection.parked = std::move(spare_);
    spare_ = nullptr;
    connection.parked->parked_us = core_->clock->MonoUs();
    core_->resolver->CountParked(1);
    connection.parked->OnWake([worker = connection.worker, id = connection.id,
                               parked = connection.parked.get()] { worker->Resume(id, parked); });
  }
  ++connection.parked->rounds;
  connection.state = ConnectionState::kParked;
  return Step::kParked;
}

void RequestPath::Unpark(Connection& connection) {
  if (connection.parked == nullptr) {
    // A request that failed half-way may have left the spare one waiting.
    if (spare_ != nullptr && !spare_->is_unused()) spare_ = nullptr;
    return;
  }
  connection.parked.reset();
  core_->resolver->CountParked(-1);
}

// While a request waits, those behind it in the pipeline are looked at: the fetches that reads will
// need begin now, so that a hundred misses in a row cost one round trip. They run in order later.
void RequestPath::FetchAhead(Connection& connection, size_t parked_index) {
  if (core_->resolver == nullptr || place_ == Place::kWithinScript) return;
  for (size_t i = parked_index + 1; i < requests_.size(); ++i) {
    const Request& request = requests_[i];
    const commands::Command* command = request.command;
    if (command == nullptr || !command->ArityFits(request.argument_count) ||
        !command->has(commands::kReadOnly) || command->has(commands::kNoLocks) ||
        command->has(commands::kRunsBelow) ||
        command->ResolveFor(ArgsOf(request)) != commands::Resolve::kValue) {
      continue;
    }
    HashKeys(request);
    for (const int position : positions_) {
      const size_t at = request.first_argument + static_cast<size_t>(position);
      const keyspace::Key key{arguments_[at], hashes_[at]};
      keyspace::ShardLock lock(*core_->keyspace, core_->keyspace->SetOf(key));
      keyspace::Database database(core_->keyspace, connection.database, now_ms_);
      core_->resolver->FetchAhead(database, key);
    }
  }
}

}  // namespace terrace::server
