// The resolve stage of requests whose keys have lower tiers; see request.h for where it stands in
// the path, and tiers/resolver.h for the rules it keeps.

#include <algorithm>
#include <charconv>
#include <utility>

#include "commands/call.h"
#include "server/busy_script.h"
#include "server/core.h"
#include "server/relayed_reply.h"
#include "server/request.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using tiers::Resolver;

std::vector<std::string> Copies(std::span<const std::string_view> views) {
  return {views.begin(), views.end()};
}

int64_t IntegerOf(std::string_view bytes) {
  int64_t value = 0;
  if (bytes.starts_with(":")) std::from_chars(bytes.data() + 1, bytes.data() + bytes.size(), value);
  return value;
}

}  // namespace

tiers::Access RequestPath::AccessOf(const Work& work) const {
  tiers::Access access;
  access.is_write = work.command->has(commands::kWrite);
  access.needs_value = work.command->ResolveFor(work.args) == commands::Resolve::kValue;
  access.splits_by_key = work.command->has(commands::kSplitsByKey);
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

RequestPath::Step RequestPath::ExecuteTiered(Connection& connection, const Work& work,
                                             resp::Reply& reply) {
  std::vector<std::string_view>& keys = key_views_;
  keys.clear();
  for (size_t i = 0; i < work.key_count(); ++i) keys.push_back(work.key(i));
  const tiers::Access access = AccessOf(work);
  const Resolver::Plan plan = core_->resolver->MakePlan(access, keys);
  if (plan.where == Resolver::Where::kRelay && MayWait(*work.command, work.args)) {
    // It would hold up all that goes over the same connection.
    reply.Error(TierWaitError(*work.command));
    return Step::kDone;
  }
  if (work.command->name == "watch" && ChangesElsewhere(work)) {
    reply.Error(
        "TIER WATCH sees changes that are made here; keys of forward routes and of origins change "
        "elsewhere");
    return Step::kDone;
  }
  switch (plan.where) {
    case Resolver::Where::kRefused:
      reply.Error(plan.error);
      Unpark(connection);  // it may have been refused only now that it comes back
      return Step::kDone;
    case Resolver::Where::kRelay:
      return RelayWhole(connection, work, *plan.route, reply);
    case Resolver::Where::kSplit:
      return RelaySplit(connection, work, reply);
    case Resolver::Where::kLocal:
    case Resolver::Where::kResolve:
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
  if (outcome.state != Resolver::State::kReady) reply.Error(outcome.error);
  Unpark(connection);
  return step;
}

RequestPath::Step RequestPath::RelayWhole(Connection& connection, const Work& work,
                                          const tiers::Route& route, resp::Reply& reply) {
  if (connection.parked != nullptr) {
    const tiers::RelayResult& result = *connection.parked->relays()[0];
    if (result.failure != tiers::Failure::kNone) {
      reply.Error(Resolver::RelayError(route, result));
    } else {
      WriteRelayed(work.command->name, work.args.size(), result.reply, reply);
    }
    Unpark(connection);
    return Step::kDone;
  }
  const std::string error = core_->resolver->Relay(route, connection.database, Copies(work.args),
                                                   Copies(key_views_), ParkedOf(connection), 0);
  if (error.empty()) return Park(connection);
  reply.Error(error);
  return Step::kDone;
}

// A write whose keys lie on different routes (DEL, UNLINK, MSET): first every regional tier does
// its part, then the rest runs here, and the counts are added up. Each part is atomic; the whole
// is not, as with a proxy before several servers.
RequestPath::Step RequestPath::RelaySplit(Connection& connection, const Work& work,
                                          resp::Reply& reply) {
  // Its keys come with values: the handler, which would notice, may see only some of them.
  const auto step_size = static_cast<size_t>(work.command->keys.step);
  if ((work.args.size() - 1) % step_size != 0) {
    reply.Error("ERR wrong number of arguments for '" + std::string(work.command->name) +
                "' command");
    return Step::kDone;
  }
  struct Part {
    const tiers::Route* route;
    std::vector<size_t> keys;
  };
  std::vector<Part> parts;
  std::vector<size_t> local_keys;
  for (size_t i = 0; i < work.key_count(); ++i) {
    const tiers::Route* route = core_->resolver->routes().Match(work.key(i));
    const bool relayed = route != nullptr && route->regional != nullptr &&
                         route->authority == tiers::Authority::kRegional;
    if (!relayed) {
      local_keys.push_back(i);
      continue;
    }
    auto part = std::find_if(parts.begin(), parts.end(), [&](const Part& candidate) {
      return candidate.route->regional == route->regional;
    });
    if (part == parts.end()) part = parts.insert(parts.end(), Part{route, {}});
    part->keys.push_back(i);
  }
  const bool relays_done =
      connection.parked != nullptr && connection.parked->relays().size() == parts.size();
  if (!relays_done) {
    // All parts wake the same request: once one is sent, ParkedOf would make another.
    const std::shared_ptr<tiers::ParkedRequest> parked = ParkedOf(connection);
    for (size_t i = 0; i < parts.size(); ++i) {
      std::vector<std::string> args = {std::string(work.args[0])}, keys;
      for (const size_t key : parts[i].keys) {
        const auto at = static_cast<size_t>(work.key_positions[key]);
        for (int step = 0; step < work.command->keys.step; ++step) {
          args.emplace_back(work.args[at + static_cast<size_t>(step)]);
        }
        keys.emplace_back(work.key(key));
      }
      const std::string error = core_->resolver->Relay(*parts[i].route, connection.database,
                                                       std::move(args), std::move(keys), parked, i);
      if (error.empty()) continue;
      reply.Error(error);
      Unpark(connection);
      return Step::kDone;
    }
    return Park(connection);
  }
  int64_t sum = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const tiers::RelayResult& result = *connection.parked->relays()[i];
    if (result.failure != tiers::Failure::kNone || result.is_error) {
      if (result.is_error) {
        WriteRelayed(work.command->name, work.args.size(), result.reply, reply);
      } else {
        reply.Error(Resolver::RelayError(*parts[i].route, result));
      }
      Unpark(connection);
      return Step::kDone;
    }
    sum += IntegerOf(result.reply);
  }
  return CallLocalPart(connection, work, local_keys, sum, reply);
}

// Runs the command for some of its keys only and adds what the relayed parts have counted.
RequestPath::Step RequestPath::CallLocalPart(Connection& connection, const Work& work,
                                             std::span<const size_t> local_keys,
                                             int64_t relayed_sum, resp::Reply& reply) {
  const size_t reply_begin = reply.buffer().size();
  if (local_keys.empty()) {
    work.command->keys.step > 1 ? reply.Ok() : reply.Integer(relayed_sum);
    Unpark(connection);
    return Step::kDone;
  }
  std::vector<std::string_view> args = {work.args[0]};
  std::vector<uint64_t> hashes = {0};
  std::vector<int> positions;
  for (const size_t key : local_keys) {
    positions.push_back(static_cast<int>(args.size()));
    const auto at = static_cast<size_t>(work.key_positions[key]);
    for (int step = 0; step < work.command->keys.step; ++step) {
      args.push_back(work.args[at + static_cast<size_t>(step)]);
      hashes.push_back(work.hashes[at]);
    }
  }
  const Work part{work.command, args, hashes.data(), positions};
  tiers::Access access;
  access.is_write = true;
  access.needs_value = work.command->ResolveFor(args) == commands::Resolve::kValue;
  const auto where = access.needs_value ? Resolver::Where::kResolve : Resolver::Where::kLocal;
  const Step step = ResolveAndCall(connection, part, access, where, reply);
  const std::string_view written = reply.buffer().view().substr(reply_begin);
  if (step != Step::kParked && written.starts_with(":")) {
    const int64_t sum = relayed_sum + IntegerOf(written);
    reply.buffer().Truncate(reply_begin);
    reply.Integer(sum);
  }
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
