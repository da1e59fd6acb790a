// Requests that wait for keys or for time, and the hand-over to them; see docs/waiting.md.

#include <algorithm>
#include <utility>

#include "commands/call.h"
#include "scripting/library_store.h"
#include "scripting/script_store.h"
#include "server/client_pause.h"
#include "server/core.h"
#include "server/messaging.h"
#include "server/request.h"
#include "server/stats.h"
#include "server/under_locks.h"
#include "server/waiter.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

// Timers further away than this are set again when they fire.
constexpr int64_t kTimerMsMax = int64_t{1} << 31;

// Has the script or function that a command invokes declared that it writes nothing?
bool DeclaresNoWrites(const Core& core, const commands::Command& command, commands::Args args) {
  if (command.name == "eval") {
    scripting::ScriptHead head;
    return scripting::ParseScriptHead(args[1], &head).empty() &&
           (head.flags & scripting::kNoWrites) != 0;
  }
  if (command.name == "evalsha") {
    const auto script = core.scripts->Find(args[1]);
    return script != nullptr && (script->head.flags & scripting::kNoWrites) != 0;
  }
  if (command.name == "fcall") {
    const auto libraries = core.libraries->current();
    const auto found = libraries->FindFunction(args[1]);
    return found.function != nullptr && (found.function->flags & scripting::kNoWrites) != 0;
  }
  return false;
}

}  // namespace

// ---- Beginning to wait --------------------------------------------------------------------------

// After a handler that asked to wait or made keys ready, under the same locks.
RequestPath::Step RequestPath::AfterCall(Connection& connection, const Work& work,
                                         resp::Reply& reply) {
  if (wait_.requested) return BeginWait(connection, work, reply);
  return HandOver() ? Step::kDone : Step::kMustHandOver;
}

RequestPath::Step RequestPath::BeginWait(Connection& connection, const Work& work,
                                         resp::Reply& reply) {
  commands::Wait wait = std::exchange(wait_, {});
  bool runs_at_home = false;
  if (core_->resolver != nullptr && work.key_count() > 0) {
    if (ChangesElsewhere(work)) {
      reply.Error(TierWaitError(*work.command));
      return Step::kDone;
    }
    for (size_t i = 0; i < work.key_count(); ++i) {
      const tiers::Route* route = core_->resolver->routes().Match(work.key(i));
      runs_at_home |= route != nullptr && route->has_tiers();
    }
  }
  // What waits again does not wait longer.
  if (connection.waiter != nullptr) wait.deadline_ms = connection.waiter->wait.deadline_ms;
  const auto waiter =
      std::make_shared<Waiter>(connection.worker, connection, work.command, work.args,
                               work.key_positions, work.hashes, std::move(wait));
  waiter->runs_at_home = runs_at_home;
  waiter->tracks_reads = connection.tracks_reads;
  waiter->standing = connection.standing;
  waiter->JoinLines(*core_->keyspace);
  connection.SetWaiter(waiter);
  connection.detours |= Connection::kWaits;
  connection.state = ConnectionState::kParked;
  SetWaitTimer(waiter);
  return Step::kParked;
}

std::string RequestPath::TierWaitError(const commands::Command& command) {
  return "TIER '" + std::string(command.name) +
         "' would wait for a key whose changes are made elsewhere; it can wait for keys without a "
         "route and for keys of spill routes only";
}

void RequestPath::SetWaitTimer(const std::shared_ptr<Waiter>& waiter) {
  if (waiter->wait.deadline_ms == keyspace::kNoDeadline) return;
  const int64_t left_ms = waiter->wait.deadline_ms - core_->clock->NowMs();
  waiter->timer =
      waiter->worker->loop().After(std::clamp<int64_t>(left_ms, 0, kTimerMsMax), [this, waiter] {
        waiter->timer = runtime::kNoTimer;
        if (core_->clock->NowMs() < waiter->wait.deadline_ms) {
          return SetWaitTimer(waiter);
        }
        EndWait(*core_, waiter, GiveUp(*waiter));
      });
}

std::string RequestPath::GiveUp(const Waiter& waiter) {
  base::Buffer buffer;
  resp::Reply reply(&buffer, waiter.session.protocol);
  waiter.wait.give_up(reply);
  return std::string(buffer.view());
}

// ---- Ending a wait ------------------------------------------------------------------------------

bool RequestPath::EndWait(Core& core, const std::shared_ptr<Waiter>& waiter, std::string answer) {
  {
    keyspace::ShardLock lock(*core.keyspace, waiter->shards());
    if (!waiter->Claim()) return false;
    waiter->LeaveLines(*core.keyspace);
    waiter->answer = std::move(answer);
  }
  waiter->worker->WakeWaiter(waiter);
  return true;
}

void RequestPath::AbandonWait(Connection& connection) {
  const std::shared_ptr<Waiter> waiter = connection.waiter;
  connection.SetWaiter(nullptr);
  connection.worker->loop().Cancel(waiter->timer);
  RunUnderLocks(*connection.worker, waiter->shards(), [waiter, keyspace = core_->keyspace] {
    if (waiter->Claim()) waiter->LeaveLines(*keyspace);
  });
}

// The request at the front has waited, and the wait is over.
RequestPath::Step RequestPath::FinishWait(Connection& connection, const Request& request,
                                          resp::Reply& reply) {
  const std::shared_ptr<Waiter> waiter = connection.waiter;
  connection.worker->loop().Cancel(waiter->timer);
  Step step = Step::kAnswered;
  const bool runs_here = waiter->end == Waiter::End::kRunHere;
  // It comes here from tiers once more, and was checked before.
  if (runs_here && connection.parked == nullptr && !CheckUser(connection, request, reply)) {
    connection.SetWaiter(nullptr);
    connection.detours = static_cast<uint8_t>(connection.detours & ~Connection::kWaits);
    return Refuse(connection, request, reply, reply.buffer().size());
  }
  if (runs_here) {
    step = ExecuteWork(
        connection,
        {waiter->command, waiter->args(), waiter->hashes().data(), waiter->key_positions()}, reply);
    // It waits for lower tiers, and comes back here, or for its keys again.
    if (step == Step::kParked) return step;
  }
  connection.SetWaiter(nullptr);
  connection.detours = static_cast<uint8_t>(connection.detours & ~Connection::kWaits);
  if (step != Step::kAnswered) return step;
  reply.Raw(waiter->answer);
  // Of the code behind the '-' only: what was served was counted where it ran.
  const uint64_t now_cycles = runtime::ReadCycles();
  if (waiter->answer.starts_with("-")) {
    CommandStats& stats = stats_->commands[static_cast<size_t>(request.command->id)];
    stats.failed.Add();
    CountError(std::string_view(waiter->answer).substr(1, waiter->answer.find_first_of(" \r") - 1));
  }
  Count(*request.command, ArgsOf(request), now_cycles, resp::Reply(nullptr));
  return Step::kAnswered;
}

// ---- Hand-over ----------------------------------------------------------------------------------

// Serves who waits for keys that are ready, as far as the locks of held_ and such as are free go.
// Returns false when something is left. REQUIRES: the locks of held_.
bool RequestPath::HandOver() {
  keyspace::Keyspace& keyspace = *core_->keyspace;
  const keyspace::ShardSet held_before = held_;
  bool all_served = true;
  // What made a key ready may have taken long: the key may be over by now.
  if ((keyspace.ready_shards() & held_) != 0) now_ms_ = core_->clock->NowMs();
  while (const keyspace::ShardSet ready = keyspace.ready_shards() & held_) {
    // The key that has been ready for longest.
    keyspace::Observers* first = nullptr;
    for (keyspace::ShardSet left = ready; left != 0; left &= left - 1) {
      auto& observers = keyspace.shard(__builtin_ctzll(left)).observers;
      if (first == nullptr || observers.first_order() < first->first_order()) first = &observers;
    }
    keyspace::Observers::ReadyKey key = first->TakeReady();
    if (!ServeKey(*first, key)) {
      first->PutBackReady(std::move(key));
      all_served = false;
      break;
    }
  }
  keyspace.UnlockAll(held_ & ~held_before);
  held_ = held_before;
  return all_served;
}

// Serves those who wait for this key, in their order; false when a lock is missing.
bool RequestPath::ServeKey(keyspace::Observers& observers,
                           const keyspace::Observers::ReadyKey& ready) {
  keyspace::Database database(core_->keyspace, ready.database, now_ms_);
  const keyspace::Key key = core_->keyspace->MakeKey(ready.key);
  keyspace::KeyWaiter* at = observers.FirstWaiter(ready.database, ready.key);
  while (at != nullptr) {
    keyspace::KeyWaiter* const next = at->next();
    const keyspace::Entry* entry = database.Glance(key);
    if (entry == nullptr && at->list().state.end_count == 0) return true;
    const bool fits = entry != nullptr && entry->type() == at->type;
    if (fits || at->wants_end) {
      Waiter& waiter = *static_cast<Waiter::Place*>(at)->waiter;
      const keyspace::ShardSet missing = waiter.shards() & ~held_;
      if (!core_->keyspace->TryLockAll(missing)) {
        missing_ = waiter.shards();
        return false;
      }
      held_ |= missing;
      Serve(waiter);
    }
    at = next;
  }
  return true;
}

// Runs the command of a waiter on its behalf; it goes on waiting when that finds nothing.
void RequestPath::Serve(Waiter& waiter) {
  std::string answer;
  const bool runs_here = !waiter.runs_at_home && MayBeServed(waiter);
  if (runs_here) {
    base::Buffer buffer;
    resp::Reply reply(&buffer, waiter.session.protocol);
    const Work work{waiter.command, waiter.args(), waiter.hashes().data(), waiter.key_positions()};
    keyspace::Database database(core_->keyspace, waiter.session.database, now_ms_);
    commands::Wait again;
    served_ = &waiter;
    const uint64_t cause = core_->messaging->ExchangeRunningClient(waiter.session.id);
    Call(waiter.session, work, database, reply, &again);
    core_->messaging->ExchangeRunningClient(cause);
    served_ = nullptr;
    if (again.requested) return;
    answer = buffer.view();
  }
  // Nobody else can have ended it: we have its locks, and it is still in line.
  TERRACE_CHECK(waiter.Claim());
  waiter.LeaveLines(*core_->keyspace);
  waiter.end = runs_here ? Waiter::End::kServed : Waiter::End::kRunHere;
  waiter.answer = std::move(answer);
  waiter.worker->WakeWaiter(waiter.shared_from_this());
}

void RequestPath::FinishHandOver() {
  keyspace::ShardSet wanted = std::exchange(missing_, 0);
  if (place_ == Place::kWithinScript) return;  // who comes behind the script does it
  while (const keyspace::ShardSet ready = core_->keyspace->ready_shards()) {
    held_ = ready | wanted;
    keyspace::ShardLock lock(*core_->keyspace, held_);
    missing_ = 0;
    HandOver();
    wanted = std::exchange(missing_, 0);
  }
}

void RequestPath::HandOverExpired(int64_t now_ms) {
  now_ms_ = now_ms;
  FinishHandOver();
}

// ---- Detours ------------------------------------------------------------------------------------

// A request that does not simply run: see Connection::detours, and CLIENT PAUSE.
RequestPath::Step RequestPath::RunDetour(Connection& connection, const Request& request,
                                         resp::Reply& reply, size_t reply_begin) {
  if ((connection.detours & Connection::kWaits) != 0) {
    return FinishWait(connection, request, reply);
  }
  connection.detours = static_cast<uint8_t>(connection.detours & ~Connection::kPaused);
  const bool queues = (connection.detours & Connection::kQueues) != 0;
  if (connection.parked == nullptr) {
    if (!Check(connection, request, reply)) {
      return Refuse(connection, request, reply, reply_begin);
    }
    if (IsPaused(connection, request)) {
      connection.detours |= Connection::kPaused;
      connection.state = ConnectionState::kParked;
      connection.worker->AddPaused(connection.id);
      return Step::kParked;
    }
  }
  return queues ? QueueOrExecute(connection, request, reply) : Execute(connection, request, reply);
}

bool RequestPath::IsPaused(const Connection& connection, const Request& request) const {
  switch (core_->pause.mode(now_ms_)) {
    case ClientPause::Mode::kNone:
      return false;
    case ClientPause::Mode::kAll:
      return true;
    case ClientPause::Mode::kWrites:
      break;
  }
  constexpr uint32_t kChanges = commands::kWrite | commands::kMayReplicate;
  const commands::Command& command = *request.command;
  if ((command.flags & kChanges) != 0) return !DeclaresNoWrites(*core_, command, ArgsOf(request));
  return command.name == "exec" && connection.transaction != nullptr &&
         (connection.transaction->any_of(kChanges));
}

}  // namespace terrace::server
