// What others hear of a request: MONITOR its text, client tracking the keys that it has read.

#include <utility>

#include "server/core.h"
#include "server/messaging.h"
#include "server/monitor.h"
#include "server/request.h"
#include "server/tracking.h"
#include "server/waiter.h"
#include "server/worker.h"
#include "tiers/resolver.h"

namespace terrace::server {
namespace {

bool IsHidden(const commands::Command& command) {
  return (command.flags & (commands::kSkipMonitor | commands::kAdmin)) != 0;
}

}  // namespace

// ---- MONITOR -----------------------------------------------------------------------------------

// A script stands before the commands that it runs, every other command behind what it has done,
// and both are said under the locks: who changes the same keys stands in the order of the changes.
void RequestPath::FeedBefore(const Work& work, const commands::Session& session) {
  if (!work.command->has(commands::kSkipMonitor)) return;
  if (is_nested()) {
    Feed(*work.command, work.args, session.database);
  } else if (const Request* request = std::exchange(unfed_, nullptr)) {
    Feed(*request->command, ArgsOf(*request), session.database);
  }
}

void RequestPath::FeedAfter(const Work& work, const commands::Session& session) {
  if (!is_nested()) return FeedOnce();
  if (IsHidden(*work.command)) return;
  Feed(*work.command, work.args, session.database);
}

void RequestPath::FeedOnce() {
  const Request* const request = std::exchange(unfed_, nullptr);
  if (request == nullptr) return;
  if (IsHidden(*request->command)) return;
  Feed(*request->command, ArgsOf(*request), running_->database);
}

void RequestPath::Feed(const commands::Command& command, commands::Args args, int database) const {
  std::string source = "lua";
  if (script_depth_ == 0) {
    const ClientView& view = running_->view;
    source = view.is_unix ? "unix:" + view.local_address : view.peer_address;
  }
  core_->messaging->FeedMonitors(
      MonitorLine(command, args, database, source, core_->clock->WallUs()));
}

// ---- Tracking ----------------------------------------------------------------------------------

bool RequestPath::TracksReads() const {
  return served_ != nullptr ? served_->tracks_reads : running_->tracks_reads;
}

// REQUIRES: the locks of the keys, under which they were read.
void RequestPath::RememberReads(const Work& work) {
  // Of a script its commands count: it may read less than it declares.
  if (!work.command->has(commands::kReadOnly) || work.command->has(commands::kSkipMonitor)) return;
  const Worker* const worker = served_ != nullptr ? served_->worker : running_->worker;
  const Tracking::Client client{served_ != nullptr ? served_->session.id : running_->id,
                                static_cast<size_t>(worker->index())};
  for (size_t i = 0; i < work.key_count(); ++i) {
    IsAccountable(work.AsKey(i)) ? core_->tracking->Remember(client, work.AsKey(i))
                                 : core_->tracking->Doubt(client, work.key(i));
  }
}

// Is every change of this key noticed here? Not what lower tiers have and we do not: an absence, or
// a value that answered one request and was not kept.
bool RequestPath::IsAccountable(const keyspace::Key& key) const {
  if (core_->resolver == nullptr) return true;
  const tiers::Route* const route = core_->resolver->routes().Match(key.bytes);
  if (route == nullptr || !route->has_tiers() || route->authority == tiers::Authority::kSpill) {
    return true;
  }
  const int database = served_ != nullptr ? served_->session.database : running_->database;
  return keyspace::Database(core_->keyspace, database, now_ms_).Peek(key) != nullptr;
}

// A client that hears of changes hears of what its request makes room for before the reply.
void RequestPath::HearAhead(Connection& connection, resp::Reply& reply) {
  constexpr int kTrimmedPerShard = 10;
  if (core_->keyspace->IsOverLimit()) MakeRoom();
  for (int shard = 0; shard < core_->keyspace->shard_count(); ++shard) {
    if (place_ == Place::kWithinScript || !core_->tracking->IsOverLimit()) break;
    core_->tracking->Trim(shard, kTrimmedPerShard);
  }
  connection.worker->desk().BeforeCommand(&reply.buffer());
}

}  // namespace terrace::server
