#include "server/busy_script.h"

#include <poll.h>

#include <algorithm>

#include "server/core.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

// Looking at all connections of a worker costs a call into the kernel; a script is given the time
// in between.
constexpr int64_t kServePauseUs = 2000;

}  // namespace

// ---- The script --------------------------------------------------------------------------------

std::string_view BusyScript::ErrorOf(BusyKind kind) {
  return kind == BusyKind::kFunction
             ? "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN "
               "NOSAVE."
             : "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
               "NOSAVE.";
}

std::string_view BusyScript::error() const { return ErrorOf(core_->busy_script.load()); }

void BusyScript::Enter(scripting::Run& run) {
  std::lock_guard lock(mutex_);
  runs_.push_back({&run, false});
}

void BusyScript::BecomeBusy(scripting::Run& run) {
  std::lock_guard lock(mutex_);
  for (Entered& entered : runs_) entered.is_busy |= entered.run == &run;
  ShowKind();
}

void BusyScript::Leave(scripting::Run& run) {
  std::lock_guard lock(mutex_);
  std::erase_if(runs_, [&](const Entered& entered) { return entered.run == &run; });
  ShowKind();
}

// Tells everybody what is busy now. REQUIRES: mutex_.
void BusyScript::ShowKind() {
  BusyKind kind = BusyKind::kNone;
  for (const Entered& entered : runs_) {
    if (!entered.is_busy || kind != BusyKind::kNone) continue;
    kind = entered.run->kind == Kind::kFunction ? BusyKind::kFunction : BusyKind::kScript;
  }
  core_->busy_script.store(kind);
}

BusyScript::Killed BusyScript::Kill(Kind kind) {
  std::lock_guard lock(mutex_);
  const bool any_busy = std::ranges::any_of(runs_, &Entered::is_busy);
  Killed result = Killed::kNothingRuns;
  for (const Entered& entered : runs_) {
    // What has not run for long is no reason to ask, unless there is nothing else.
    if (any_busy && !entered.is_busy) continue;
    Killed killed = Killed::kHasWritten;
    if (!entered.run->wrote()) {
      killed = entered.run->kind != kind ? Killed::kOtherKind
               : entered.run->End()      ? Killed::kYes
                                         : Killed::kHasWritten;
    }
    const bool says_more = killed == Killed::kYes || result == Killed::kNothingRuns ||
                           (killed == Killed::kHasWritten && result == Killed::kOtherKind);
    if (says_more) result = killed;
  }
  return result;
}

void BusyScript::Abort() {
  std::lock_guard lock(mutex_);
  for (const Entered& entered : runs_) entered.run->Abort();
}

std::optional<BusyScript::Running> BusyScript::running() const {
  std::lock_guard lock(mutex_);
  if (runs_.empty()) return std::nullopt;
  const scripting::Run& run = *runs_.front().run;
  Running running;
  running.name = run.name;
  for (const std::string_view word : run.call.args) running.command.emplace_back(word);
  running.duration_ms = (core_->clock->NowUs() - run.begin_us) / 1000;
  return running;
}

bool BusyScript::KeepWaiting() {
  if (core_->busy_script.load() == BusyKind::kNone) return true;
  for (const auto& worker : core_->server->workers()) {
    if (worker->IsOnThread()) worker->ServeWhileBusy();
  }
  return false;
}

// ---- Its worker --------------------------------------------------------------------------------

bool ScriptSupervisor::OnProgress(scripting::Run& run) {
  Core& core = worker_->core();
  if (!is_entered_) {
    is_entered_ = true;
    core.busy->Enter(run);
  }
  const int64_t threshold_ms = core.hot.busy_reply_threshold_ms.load(std::memory_order_relaxed);
  const int64_t elapsed_ms = (core.clock->NowUs() - run.begin_us) / 1000;
  if (threshold_ms > 0 && elapsed_ms >= threshold_ms) {
    if (!is_busy_) {
      is_busy_ = true;
      const bool is_function = run.kind == scripting::Run::Kind::kFunction;
      core.busy->BecomeBusy(run);
      core.log->Warning("script_busy",
                        {{"name", std::string(run.name)},
                         {"elapsed_ms", std::to_string(elapsed_ms)},
                         {"ends_by", is_function ? "FUNCTION KILL" : "SCRIPT KILL"}});
    }
    worker_->ServeWhileBusy();
  }
  return !run.is_ended();
}

void ScriptSupervisor::OnEnd(scripting::Run& run) {
  if (!is_entered_) return;
  worker_->core().busy->Leave(run);
  is_entered_ = false;
  is_busy_ = false;
}

// ---- Serving from within a script --------------------------------------------------------------

void Worker::ServeWhileBusy() {
  const int64_t now_us = core_->clock->MonoUs();
  if (lane_ != &main_lane_ || now_us - served_busy_us_ < kServePauseUs) return;
  served_busy_us_ = now_us;
  if (busy_lane_ == nullptr)
    busy_lane_ = std::make_unique<Lane>(core_, &stats_, RequestPath::Place::kWithinScript);
  std::vector<pollfd> polled;
  std::vector<Connection*> served;
  for (const auto& [id, connection] : connections_) {
    // The client whose request is in the middle of it waits, as in any other long command.
    if (connection.get() == serving_ || connection->events == 0) continue;
    short events = 0;
    if ((connection->events & runtime::kReadable) != 0) events |= POLLIN;
    if ((connection->events & runtime::kWritable) != 0) events |= POLLOUT;
    polled.push_back({.fd = connection->view.fd, .events = events, .revents = 0});
    served.push_back(connection.get());
  }
  if (poll(polled.data(), polled.size(), 0) < 0) return;
  Connection* const serving = serving_;
  desk_.BeginBusy();
  lane_ = busy_lane_.get();
  // What was received before the script began and nobody has looked at yet.
  for (RequestPath::Arrival& arrival : gathered_) {
    Connection* const connection = arrival.connection;
    if (connection == nullptr || !connection->is_gathered) continue;
    arrival.connection = nullptr;
    connection->is_gathered = false;
    if (connection->state == ConnectionState::kReady) {
      ProcessInput(*connection, arrival.input, false);
    } else {
      connection->input.Append(arrival.input);
    }
    FinishReading(*connection);
    if (connection->state != ConnectionState::kClosed) UpdateEvents(*connection);
  }
  for (size_t i = 0; i < polled.size(); ++i) {
    const short happened = polled[i].revents;
    if (happened == 0 || served[i]->state == ConnectionState::kClosed) continue;
    int events = 0;
    if ((happened & (POLLIN | POLLERR | POLLHUP)) != 0) events |= runtime::kReadable;
    if ((happened & POLLOUT) != 0) events |= runtime::kWritable;
    OnEvents(*served[i], events);
  }
  if (index_ == 0 && core_->server != nullptr) core_->server->AcceptWhileBusy();
  lane_ = &main_lane_;
  serving_ = serving;
  desk_.EndBusy();
}

}  // namespace terrace::server
