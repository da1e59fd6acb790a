// Requests that the regional tier executes, whole or in part; see tiers/resolver.h for the rules.

#include <algorithm>
#include <charconv>
#include <utility>

#include "commands/call.h"
#include "scripting/script_store.h"
#include "server/core.h"
#include "server/messaging.h"
#include "server/relayed_reply.h"
#include "server/request.h"
#include "server/tracking.h"
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

// EVALSHA as EVAL of the script itself; nothing when it is another command, or the script is not
// known here either.
std::vector<std::string> WithBody(const scripting::ScriptStore& scripts, std::string_view command,
                                  commands::Args args) {
  if (command != "evalsha" && command != "evalsha_ro") return {};
  const scripting::ScriptStore::Pointer script = scripts.Find(args[1]);
  if (script == nullptr) return {};
  std::vector<std::string> with_body = Copies(args);
  with_body[0] = command == "evalsha" ? "EVAL" : "EVAL_RO";
  with_body[1] = script->body;
  return with_body;
}

}  // namespace

// ---- A whole command ---------------------------------------------------------------------------

RequestPath::Step RequestPath::RelayWhole(Connection& connection, const Work& work,
                                          const tiers::Access& access, const Resolver::Plan& plan,
                                          resp::Reply& reply) {
  const tiers::Route& route = *plan.route;
  const bool is_sent = connection.parked != nullptr && !connection.parked->relays().empty();
  if (is_sent) return FinishRelay(connection, work, route, reply);
  if (plan.has_origin && (access.runs_below || access.builds_on_value())) {
    const Step step = BringIn(connection, work, std::shared_ptr(ParkedOf(connection)), reply);
    if (step == Step::kParked) return Park(connection);
    if (step == Step::kAnswered) return Step::kDone;
  }
  if (core_->messaging->has_monitors()) [[unlikely]]
    FeedBefore(work, connection);
  return SendRelay(connection, work, route, Copies(work.args), 0, reply);
}

RequestPath::Step RequestPath::SendRelay(Connection& connection, const Work& work,
                                         const tiers::Route& route, std::vector<std::string> args,
                                         size_t part, resp::Reply& reply) {
  const std::string error = core_->resolver->Relay(route, connection.database, std::move(args),
                                                   WrittenBy(work), ParkedOf(connection), part);
  if (error.empty()) return Park(connection);
  reply.Error(error);
  Unpark(connection);
  return Step::kDone;
}

RequestPath::Step RequestPath::FinishRelay(Connection& connection, const Work& work,
                                           const tiers::Route& route, resp::Reply& reply) {
  const auto& relays = connection.parked->relays();
  const tiers::RelayResult& result = *relays.back();
  if (result.is_error && relays.size() == 1 &&
      result.reply.starts_with("-NOSCRIPT No matching script")) {
    // It may have been loaded here only. The second time its reply counts, whatever it is.
    std::vector<std::string> args = WithBody(*core_->scripts, work.command->name, work.args);
    if (!args.empty()) return SendRelay(connection, work, route, std::move(args), 1, reply);
  }
  if (result.failure != tiers::Failure::kNone) {
    const bool writes = (work.command->flags & (commands::kWrite | commands::kMayReplicate)) != 0;
    reply.Error(Resolver::RelayError(route, result, writes ? "write" : ""));
  } else {
    WriteRelayed(work.command->name, work.args, result.reply, reply);
    if (TracksReads()) [[unlikely]]
      DoubtReads(work);
  }
  Unpark(connection);
  return Step::kDone;
}

// Brings what the origin has of these keys into the regional tier: what runs there looks no
// further. kDone when it is there, kParked when it will be, kAnswered when the error is the reply.
// parked: one for all that the request brings in.
RequestPath::Step RequestPath::BringIn(Connection& connection, const Work& work,
                                       const std::shared_ptr<tiers::ParkedRequest>& parked,
                                       resp::Reply& reply) {
  Step step = Step::kDone;
  // Once something is awaited, others look at it.
  if (!parked->awaits_stores) parked->awaits_stores = true;
  for (size_t i = 0; i < work.key_count(); ++i) {
    const tiers::Route* route = core_->resolver->routes().Match(work.key(i));
    if (route == nullptr || route->origin == nullptr) continue;
    const keyspace::Key key = work.AsKey(i);
    tiers::Overlay overlay;
    keyspace::Database database(core_->keyspace, connection.database, now_ms_);
    tiers::Access access;
    access.needs_value = true;
    access.brings_in = true;
    Resolver::Outcome outcome;
    {
      keyspace::ShardLock lock(*core_->keyspace, core_->keyspace->SetOf(key));
      outcome = core_->resolver->Resolve(database, access, {&key, 1}, parked, &overlay);
    }
    switch (outcome.state) {
      case Resolver::State::kReady:
      case Resolver::State::kTooLarge:  // it is there
        break;
      case Resolver::State::kAwaiting:
        step = Step::kParked;
        break;
      case Resolver::State::kFailed:
      case Resolver::State::kTooMany:
        reply.Error(outcome.error);
        Unpark(connection);
        return Step::kAnswered;
    }
  }
  return step;
}

// What was read below is not among the copies here, so no change of it would be noticed.
void RequestPath::DoubtReads(const Work& work) {
  if (!work.command->has(commands::kReadOnly) || work.command->has(commands::kSkipMonitor)) return;
  const Tracking::Client client{running_->id, static_cast<size_t>(running_->worker->index())};
  for (size_t i = 0; i < work.key_count(); ++i) core_->tracking->Doubt(client, work.key(i));
}

// What is sent of a command that is part of a transaction: once there, it is too late to send the
// script after its digest.
std::vector<std::string> RequestPath::ToRelay(const Work& work) const {
  std::vector<std::string> args = WithBody(*core_->scripts, work.command->name, work.args);
  return args.empty() ? Copies(work.args) : args;
}

// The keys whose copies are not true any more once this was executed elsewhere.
std::vector<std::string> RequestPath::WrittenBy(const Work& work) const {
  std::vector<std::string> keys;
  if (work.command->has(commands::kReadOnly)) return keys;
  for (size_t i = 0; i < work.key_count(); ++i) keys.emplace_back(work.key(i));
  return keys;
}

// ---- A command in parts ------------------------------------------------------------------------

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
    if (route == nullptr || !route->is_relayed()) {
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
        WriteRelayed(work.command->name, work.args, result.reply, reply);
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

}  // namespace terrace::server
