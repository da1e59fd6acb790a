// What the user of a request may do; see docs/acl.md.

#include <string>

#include "server/acl_connections.h"
#include "server/core.h"
#include "server/describe_client.h"
#include "server/request.h"
#include "server/transaction.h"
#include "server/waiter.h"

namespace terrace::server {
namespace {

AclReason ReasonOf(const AclVerdict& verdict) {
  switch (verdict.denied) {
    case AclVerdict::Denied::kKey:
      return AclReason::kKey;
    case AclVerdict::Denied::kChannel:
      return AclReason::kChannel;
    default:
      return AclReason::kCommand;
  }
}

std::string_view ReasonInExec(const AclVerdict& verdict) {
  switch (verdict.denied) {
    case AclVerdict::Denied::kKey:
      return "no permission to touch the specified keys";
    case AclVerdict::Denied::kChannel:
      return "no permission to access one of the channels used as arguments";
    default:
      return "no permission to execute the command or subcommand";
  }
}

}  // namespace

// Of the check stage, for connections that may not do everything, and for all after a change.
// Replies the error and returns false when the request may not run.
bool RequestPath::CheckUser(Connection& connection, const Request& request, resp::Reply& reply) {
  if (!RefreshUser(*core_, connection)) {
    connection.state = ConnectionState::kClosing;
    return false;
  }
  const commands::Command& command = *request.command;
  if (MustAuthenticate(*core_, connection) && !command.has(commands::kNoAuth)) {
    reply.Error("NOAUTH Authentication required.");
    return false;
  }
  if (connection.unrestricted_at != 0) return true;
  const bool queues = (connection.detours & Connection::kQueues) != 0;
  // It is refused for what it is, whoever sends it.
  if (queues && command.has(commands::kNoMulti)) return true;
  const commands::Args args = ArgsOf(request);
  const AclUser& user = *connection.standing.user;
  const AclVerdict verdict = user.Check(command, args);
  if (verdict.allows()) return true;
  NoteDenied(verdict, command, args, queues ? AclContext::kTransaction : AclContext::kTopLevel);
  reply.Error("NOPERM " + DeniedText(verdict, user, command, args, AclDetail::kBrief));
  return false;
}

// Of a command that was queued; replies the error in its place and returns false.
bool RequestPath::CheckQueued(Connection& connection, const commands::Command& command,
                              commands::Args args, resp::Reply& reply) {
  if (connection.unrestricted_at != 0) return true;
  const AclVerdict verdict = connection.standing.user->Check(command, args);
  if (verdict.allows()) return true;
  NoteDenied(verdict, command, args, AclContext::kTransaction);
  reply.Error(
      "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
      "call. This command is no longer allowed for the following reason: " +
      std::string(ReasonInExec(verdict)));
  CountError(reply.last_error_code());
  return false;
}

std::string RequestPath::WhyDenied(const commands::Command& command, commands::Args args,
                                   Denial denial) {
  if (running_->unrestricted_at != 0) [[likely]]
    return "";
  const AclUser& user = *running_->standing.user;
  const AclVerdict verdict = user.Check(command, args);
  if (verdict.allows()) return "";
  if (denial == Denial::kNoted) NoteDenied(verdict, command, args, AclContext::kScript);
  return DeniedText(verdict, user, command, args, AclDetail::kBrief);
}

bool RequestPath::MayReadEveryKey(const commands::Command& command, commands::Args args) const {
  const AclUsers::User& user =
      served_ != nullptr ? served_->standing.user : running_->standing.user;
  return user->MayRunEverything() || user->MayRunOverEveryKey(command, args, commands::kKeyRead);
}

// REQUIRES: the locks of the waiter.
bool RequestPath::MayBeServed(Waiter& waiter) const {
  if (!waiter.standing.Refresh(*core_->users)) return false;
  const AclUser& user = *waiter.standing.user;
  return user.MayRunEverything() || user.Check(*waiter.command, waiter.args()).allows();
}

void RequestPath::NoteDenied(const AclVerdict& verdict, const commands::Command& command,
                             commands::Args args, AclContext context) {
  AclLogEntry entry;
  entry.reason = ReasonOf(verdict);
  entry.context = context;
  entry.object = entry.reason == AclReason::kCommand ? command.name : args[verdict.argument];
  entry.user = running_->standing.user->name();
  entry.client = DescribeClient(*running_, core_->clock->NowMs(), core_->limits()->dialect);
  core_->acl_log.Add(std::move(entry), core_->clock->WallMs());
}

}  // namespace terrace::server
