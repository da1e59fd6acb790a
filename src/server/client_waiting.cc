// CLIENT UNBLOCK, PAUSE and UNPAUSE: who may be kept waiting, and for how long.

#include "commands/wait.h"
#include "server/commands.h"
#include "server/server.h"
#include "server/waiter.h"
#include "server/worker.h"
#include "tiers/client_lease.h"

namespace terrace::server {

using commands::Call;

void ClientUnblock(Call& call) {
  bool with_error = false;
  if (call.argc() > 4) return call.reply.SyntaxError();
  if (call.argc() == 4) {
    with_error = call.Is(3, "error");
    if (!with_error && !call.Is(3, "timeout")) {
      return call.reply.Error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  const auto id = call.Integer(2);
  if (!id) return;
  std::shared_ptr<Waiter> waiter;
  std::shared_ptr<tiers::ClientLease> lease;
  for (const auto& worker : CoreOf(call).server->workers()) {
    worker->VisitClients([&](const Connection& connection) {
      if (static_cast<int64_t>(connection.id) != *id) return;
      const ClientView& view = connection.view;
      std::lock_guard lock(view.names_mutex);
      waiter = view.waiter;
      lease = view.lease;
    });
  }
  if (lease != nullptr) {
    // It may be served before the regional tier hears of this.
    lease->EndWait(with_error);
    return call.reply.Integer(1);
  }
  // What nobody may end early (MIGRATE) has nothing to say when it is.
  if (waiter == nullptr || waiter->wait.give_up == nullptr) return call.reply.Integer(0);
  const bool ended =
      RequestPath::EndWait(CoreOf(call), waiter,
                           with_error ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"
                                      : RequestPath::GiveUp(*waiter));
  call.reply.Integer(ended ? 1 : 0);
}

void ClientPauseStart(Call& call) {
  auto mode = ClientPause::Mode::kAll;
  if (call.argc() > 4) return call.reply.SyntaxError();
  if (call.argc() == 4) {
    if (call.Is(3, "write")) {
      mode = ClientPause::Mode::kWrites;
    } else if (!call.Is(3, "all")) {
      return call.reply.Error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  const auto until_ms = commands::ParseTimeoutMs(call, 2);
  if (!until_ms) return;
  CoreOf(call).pause.Start(mode, *until_ms, call.now_ms());
  call.reply.Ok();
}

void ClientPauseEnd(Call& call) {
  CoreOf(call).pause.End();
  for (const auto& worker : CoreOf(call).server->workers()) {
    worker->loop().Post([owner = worker.get()] { owner->ResumePaused(); });
  }
  call.reply.Ok();
}

}  // namespace terrace::server
