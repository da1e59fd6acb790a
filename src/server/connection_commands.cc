// The connection family: how a client introduces itself, chooses, and leaves.

#include "base/numbers.h"
#include "commands/registry.h"
#include "server/commands.h"
#include "server/describe_client.h"
#include "server/server.h"
#include "server/version.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kAllowBusy;
using commands::kConnection;
using commands::kFast;
using commands::kLoading;
using commands::kNoAuth;
using commands::kNoLocks;
using commands::kNoScript;
using commands::kStale;

constexpr uint32_t kConnectionFlags = kFast | kNoLocks | kLoading | kStale;

void Ping(Call& call) {
  if (call.argc() > 2) {
    return call.reply.Error("ERR wrong number of arguments for 'ping' command");
  }
  if (RunnerOf(call).is_subscriber && call.session.protocol == 2) {
    // In the form of a message, as the client expects nothing else.
    call.reply.Array(2);
    call.reply.Bulk("pong");
    return call.reply.Bulk(call.argc() == 2 ? call.args[1] : "");
  }
  if (call.argc() == 2) return call.reply.Bulk(call.args[1]);
  call.reply.Simple("PONG");
}

void Echo(Call& call) { call.reply.Bulk(call.args[1]); }

void Select(Call& call) {
  const auto index = call.DatabaseIndex(1);
  if (!index) return;
  call.session.database = *index;
  ConnectionOf(call).view.database.store(call.session.database);
  call.reply.Ok();
}

// Replies the error and returns false when the credentials are wrong.
bool Authenticate(Call& call, std::string_view name, std::string_view password) {
  const Core& core = CoreOf(call);
  Connection& connection = ConnectionOf(call);
  AclStanding standing;
  standing.generation = core.users->generation();
  standing.user = core.users->Find(name);
  if (standing.user != nullptr && standing.user->Accepts(password)) {
    BecomeUser(core, connection, std::move(standing));
    return true;
  }
  AclLogEntry entry;
  entry.reason = AclReason::kAuth;
  entry.context = call.may_wait() ? AclContext::kTopLevel : AclContext::kTransaction;
  entry.object = call.args[0];
  entry.user = name;
  entry.client = DescribeClient(connection, call.now_ms(), call.limits.dialect);
  CoreOf(call).acl_log.Add(std::move(entry), call.clock.WallMs());
  call.reply.Error("WRONGPASS invalid username-password pair or user is disabled.");
  return false;
}

void Auth(Call& call) {
  if (call.argc() > 3) return call.reply.SyntaxError();
  if (call.argc() == 2 && CoreOf(call).users->Find(AclUsers::kDefaultName)->needs_no_password()) {
    return call.reply.Error(
        "ERR AUTH <password> called without any password configured for the default user. Are "
        "you sure your configuration is correct?");
  }
  const std::string_view user = call.argc() == 3 ? call.args[1] : AclUsers::kDefaultName;
  if (Authenticate(call, user, call.args[call.argc() - 1])) call.reply.Ok();
}

}  // namespace

bool IsCalledValkey(commands::Call& call) {
  return call.speaks_valkey() && !CoreOf(call).server->settings().extended_redis_compatibility;
}

namespace {

void WriteHello(Call& call) {
  resp::Reply& reply = call.reply;
  reply.Map(7);
  reply.Bulk("server");
  const bool is_valkey = IsCalledValkey(call);
  reply.Bulk(is_valkey ? "valkey" : "redis");
  reply.Bulk("version");
  reply.Bulk(is_valkey ? kValkeyVersion : kRedisVersion);
  reply.Bulk("proto");
  reply.Integer(call.session.protocol);
  reply.Bulk("id");
  reply.Integer(static_cast<int64_t>(call.session.id));
  reply.Bulk("mode");
  reply.Bulk("standalone");
  reply.Bulk("role");
  reply.Bulk("master");
  reply.Bulk("modules");
  reply.Array(0);
}

void Hello(Call& call) {
  int64_t protocol = call.session.protocol;
  size_t at = 1;
  if (call.argc() > 1) {
    const auto wanted = base::ParseInt64(call.args[at++]);
    if (!wanted) {
      return call.reply.Error("ERR Protocol version is not an integer or out of range");
    }
    if (*wanted < 2 || *wanted > 3) return call.reply.Error("NOPROTO unsupported protocol version");
    protocol = *wanted;
  }
  std::string_view user, password, name;
  bool has_auth = false, has_name = false;
  for (; at < call.argc(); ++at) {
    const size_t left = call.argc() - at - 1;
    if (call.Is(at, "auth") && left >= 2) {
      has_auth = true;
      user = call.args[++at];
      password = call.args[++at];
    } else if (call.Is(at, "setname") && left >= 1) {
      has_name = true;
      name = call.args[++at];
      if (!IsPrintableWord(name)) {
        return call.reply.Error(
            "ERR Client names cannot contain spaces, newlines or special characters.");
      }
    } else {
      return call.reply.Error("ERR Syntax error in HELLO option '" + std::string(call.args[at]) +
                              "'");
    }
  }
  if (has_auth && !Authenticate(call, user, password)) return;
  Connection& connection = ConnectionOf(call);
  if (!connection.authenticated) {
    return call.reply.Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
  }
  if (has_name) SetClientName(connection, name);
  connection.protocol = static_cast<int>(protocol);
  connection.view.protocol.store(connection.protocol);
  call.reply.set_protocol(connection.protocol);
  WriteHello(call);
}

void Quit(Call& call) {
  call.reply.Ok();
  ConnectionOf(call).state = ConnectionState::kClosing;
}

void Reset(Call& call) {
  Connection& connection = ConnectionOf(call);
  EndTransaction(connection, call.db.keyspace());
  connection.database = 0;
  connection.view.database.store(0);
  connection.protocol = 2;
  connection.view.protocol.store(2);
  call.reply.set_protocol(2);
  connection.no_touch = false;
  connection.view.no_touch.store(false);
  connection.view.no_evict.store(false);
  connection.reply_mode = ReplyMode::kOn;
  connection.worker->desk().Forget(connection);
  SetClientName(connection, "");
  BeginAsDefaultUser(CoreOf(call), connection);
  call.reply.Simple("RESET");
}

constexpr Command kConnectionCommands[] = {
    {.name = "ping",
     .arity = -1,
     .flags = kFast | kNoLocks,
     .categories = kConnection,
     .handler = Ping,
     .group = "connection",
     .since = "1.0.0",
     .syntax = "[message]",
     .summary = "Answers PONG, or the message it is given.",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "echo",
     .arity = 2,
     .flags = kConnectionFlags,
     .categories = kConnection,
     .handler = Echo,
     .group = "connection",
     .since = "1.0.0",
     .syntax = "message",
     .summary = "Answers the message it is given."},
    {.name = "select",
     .arity = 2,
     .flags = kConnectionFlags,
     .categories = kConnection,
     .handler = Select,
     .group = "connection",
     .since = "1.0.0",
     .syntax = "index",
     .summary = "Selects the database of this connection."},
    {.name = "auth",
     .arity = -2,
     .flags = kConnectionFlags | kNoAuth | kNoScript | kAllowBusy,
     .categories = kConnection,
     .handler = Auth,
     .group = "connection",
     .since = "1.0.0",
     .syntax = "[username] password",
     .summary = "Authenticates this connection.",
     .complexity = "O(N), N: passwords of the user"},
    {.name = "hello",
     .arity = -1,
     .flags = kConnectionFlags | kNoAuth | kNoScript | kAllowBusy,
     .categories = kConnection,
     .handler = Hello,
     .group = "connection",
     .since = "6.0.0",
     .syntax = "[arguments: protover [AUTH (username password)] [SETNAME clientname]]",
     .summary = "Chooses the protocol and describes the server."},
    {.name = "quit",
     .arity = -1,
     .flags = kConnectionFlags | kNoAuth | kNoScript | kAllowBusy,
     .categories = kConnection,
     .handler = Quit,
     .group = "connection",
     .since = "1.0.0",
     .summary = "Closes this connection.",
     .deprecated = {"7.2.0", "just closing the connection"}},
    {.name = "reset",
     .arity = 1,
     .flags = kConnectionFlags | kNoAuth | kNoScript | kAllowBusy,
     .categories = kConnection,
     .handler = Reset,
     .group = "connection",
     .since = "6.2.0",
     .summary = "Gives this connection the state of a new one."},
};

}  // namespace

std::span<const Command> ConnectionCommands() { return kConnectionCommands; }

}  // namespace terrace::server
