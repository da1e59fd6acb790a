// What replicas send (SYNC, PSYNC, REPLCONF), and WAIT and ROLE, which ask about them.

#include "base/buffer.h"
#include "base/numbers.h"
#include "commands/registry.h"
#include "commands/wait.h"
#include "server/append_only.h"
#include "server/commands.h"
#include "server/replicas.h"
#include "server/server.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

Replicas& ReplicasOf(Call& call) { return *CoreOf(call).replicas; }

// The reply comes with the snapshot.
void Begin(Call& call, Replica::Wants wants) {
  Connection& connection = ConnectionOf(call);
  if (connection.replica != nullptr) return;  // it has what it asks for
  const std::string error = ReplicasOf(call).Begin(connection, wants);
  if (!error.empty()) call.reply.Error("ERR " + error);
}

void Sync(Call& call) { Begin(call, Replica::Wants::kSnapshot); }

// Always from the beginning: what a replica misses while it is away is not kept.
void Psync(Call& call) {
  if (call.args[1] != "?") ReplicasOf(call).CountRefusedPartial();
  Begin(call, Replica::Wants::kPlaceAndSnapshot);
}

void Replconf(Call& call) {
  if (call.argc() % 2 == 0) return call.reply.SyntaxError();
  Connection& connection = ConnectionOf(call);
  for (size_t i = 1; i < call.argc(); i += 2) {
    if (call.Is(i, "listening-port")) {
      const auto port = call.Integer(i + 1);
      if (!port) return;
      connection.replica_identity.port = static_cast<int>(*port);
    } else if (call.Is(i, "ip-address")) {
      connection.replica_identity.address = std::string(call.args[i + 1]);
    } else if (call.Is(i, "ack")) {
      // Nobody waits for a reply to this. Behind it may stand what the replica's disk has.
      const auto offset = base::ParseInt64(call.args[i + 1]);
      const bool has_disk = i + 3 < call.argc() && call.Is(i + 2, "fack");
      const auto durable = has_disk ? base::ParseInt64(call.args[i + 3]) : std::nullopt;
      if (offset) ReplicasOf(call).Acknowledge(connection, *offset, durable.value_or(-1));
      return;
    } else if (!call.Is(i, "capa") && !call.Is(i, "version") && !call.Is(i, "rdb-only") &&
               !call.Is(i, "rdb-filter-only") && !call.Is(i, "getack")) {
      return call.reply.Error("ERR Unrecognized REPLCONF option: " + std::string(call.args[i]));
    }
  }
  call.reply.Ok();
}

// A reply as bytes: it is the same in both protocols.
template <typename Write>
std::string Rendered(Write write) {
  base::Buffer out;
  resp::Reply reply(&out, 2);
  write(reply);
  return std::string(out.view());
}

void WaitForReplicas(Call& call) {
  const auto count = call.Integer(1);
  if (!count) return;
  const auto deadline_ms = commands::ParseTimeoutMs(call, 2);
  if (!deadline_ms) return;
  Replicas& replicas = ReplicasOf(call);
  const int64_t offset = CoreOf(call).changes->stream().offset();
  const auto having = [&replicas, offset] {
    return replicas.CountAt(offset, Replicas::Where::kAnywhere);
  };
  if (having() >= *count || !call.may_wait()) return call.reply.Integer(having());
  commands::Wait wait;
  wait.deadline_ms = *deadline_ms;
  wait.give_up = [having](resp::Reply& reply) { reply.Integer(having()); };
  call.Block(std::move(wait));
  replicas.Await({call.session.id, [having, wanted = *count] {
                    const int64_t now = having();
                    if (now < wanted) return std::string();
                    return Rendered([now](resp::Reply& reply) { reply.Integer(now); });
                  }});
}

constexpr std::string_view kNoAppendOnly =
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

// On how many disks is everything up to there: of this server, and of replicas?
struct OnDisks {
  int64_t local = 0;
  int64_t replicas = 0;
  bool Suffices(const OnDisks& wanted) const {
    return local >= wanted.local && replicas >= wanted.replicas;
  }
};

OnDisks CountDisks(Core& core, int64_t offset) {
  return {core.append_only->durable() >= offset ? 1 : 0,
          core.replicas->CountAt(offset, Replicas::Where::kOnDisk)};
}

void ReplyDisks(resp::Reply& reply, const OnDisks& disks) {
  reply.Array(2);
  reply.Integer(disks.local);
  reply.Integer(disks.replicas);
}

void WaitAof(Call& call) {
  const auto local = base::ParseInt64(call.args[1]);
  if (!local) return call.reply.NotAnInteger();
  if (*local < 0 || *local > 1) {
    return call.reply.Error("ERR value is out of range, value must between 0 and 1");
  }
  const auto replicas = call.NonNegativeInteger(2);
  if (!replicas) return;
  const auto deadline_ms = commands::ParseTimeoutMs(call, 3);
  if (!deadline_ms) return;
  Core& core = CoreOf(call);
  const OnDisks wanted{*local, *replicas};
  if (wanted.local > 0 && !core.append_only->is_enabled()) return call.reply.Error(kNoAppendOnly);
  const int64_t offset = core.changes->stream().offset();
  const OnDisks now = CountDisks(core, offset);
  if (now.Suffices(wanted) || !call.may_wait()) return ReplyDisks(call.reply, now);
  commands::Wait wait;
  wait.deadline_ms = *deadline_ms;
  wait.give_up = [&core, offset](resp::Reply& reply) {
    ReplyDisks(reply, CountDisks(core, offset));
  };
  call.Block(std::move(wait));
  ReplicasOf(call).Await({call.session.id, [&core, offset, wanted]() -> std::string {
                            if (wanted.local > 0 && !core.append_only->is_enabled()) {
                              return Rendered(
                                  [](resp::Reply& reply) { reply.Error(kNoAppendOnly); });
                            }
                            const OnDisks disks = CountDisks(core, offset);
                            if (!disks.Suffices(wanted)) return "";
                            return Rendered([&](resp::Reply& reply) { ReplyDisks(reply, disks); });
                          }});
}

std::string_view NameOf(Replica::State state) {
  switch (state) {
    case Replica::State::kWaits:
      return "wait_bgsave";
    case Replica::State::kLoads:
      return "send_bulk";
    case Replica::State::kOnline:
      break;
  }
  return "online";
}

void Role(Call& call) {
  Replicas& replicas = ReplicasOf(call);
  std::vector<Replicas::Info> online = replicas.List();
  std::erase_if(online, [](const auto& one) { return one.state != Replica::State::kOnline; });
  call.reply.Array(3);
  call.reply.Bulk("master");
  call.reply.Integer(CoreOf(call).changes->stream().offset());
  call.reply.Array(online.size());
  for (const Replicas::Info& replica : online) {
    call.reply.Array(3);
    call.reply.Bulk(replica.address);
    call.reply.Bulk(std::to_string(replica.port));
    call.reply.Bulk(std::to_string(replica.offset));
  }
}

constexpr uint32_t kOfReplicas = commands::kAdmin | commands::kNoScript | commands::kNoMulti |
                                 commands::kNoAsyncLoading | commands::kTakesLocks;

constexpr Command kReplicationCommands[] = {
    {.name = "sync",
     .arity = 1,
     .flags = kOfReplicas,
     .categories = commands::kDangerous,
     .handler = Sync,
     .group = "server",
     .since = "1.0.0",
     .summary = "Makes the connection that of a replica."},
    {.name = "psync",
     .arity = -3,
     .flags = kOfReplicas,
     .categories = commands::kDangerous,
     .handler = Psync,
     .group = "server",
     .since = "2.8.0",
     .syntax = "replicationid offset",
     .summary = "Makes the connection that of a replica."},
    {.name = "replconf",
     .arity = -1,
     .flags = commands::kAdmin | commands::kNoScript | commands::kLoading | commands::kStale |
              commands::kAllowBusy | commands::kNoLocks | commands::kSystem,
     .categories = commands::kDangerous,
     .handler = Replconf,
     .group = "server",
     .since = "3.0.0",
     .summary = "Tells of a replica, or how far it is."},
    {.name = "role",
     .arity = 1,
     .flags = commands::kNoScript | commands::kLoading | commands::kStale | commands::kFast |
              commands::kNoLocks,
     .categories = commands::kAdminCategory | commands::kDangerous,
     .handler = Role,
     .group = "server",
     .since = "2.8.12",
     .summary = "Tells the role, and the replicas."},
    {.name = "wait",
     .arity = 3,
     .flags = commands::kNoLocks,
     .categories = commands::kConnection,
     .handler = WaitForReplicas,
     .group = "generic",
     .since = "3.0.0",
     .syntax = "numreplicas timeout<integer>",
     .summary = "Waits until so many replicas have the writes so far.",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {.name = "waitaof",
     .arity = 4,
     .flags = commands::kNoScript | commands::kValkeyScript | commands::kNoLocks,
     .categories = commands::kConnection,
     .handler = WaitAof,
     .group = "generic",
     .since = "7.2.0",
     .syntax = "numlocal numreplicas timeout<integer>",
     .summary = "Waits until the writes of this connection are in append-only files.",
     .tips = "request_policy:all_shards response_policy:agg_min"},
};

}  // namespace

std::string ReplicationInfo(Core& core) {
  const std::vector<Replicas::Info> replicas = core.replicas->List();
  const replication::EffectStream& stream = core.changes->stream();
  std::string text = "role:master\r\nconnected_slaves:" + std::to_string(replicas.size()) + "\r\n";
  for (size_t i = 0; i < replicas.size(); ++i) {
    const Replicas::Info& one = replicas[i];
    text += "slave" + std::to_string(i) + ":ip=" + one.address +
            ",port=" + std::to_string(one.port) + ",state=" + std::string(NameOf(one.state)) +
            ",offset=" + std::to_string(one.offset) + ",lag=" + std::to_string(one.lag_s) + "\r\n";
  }
  // There is no backlog: who was away begins anew.
  return text + "master_failover_state:no-failover\r\nmaster_replid:" + stream.id() +
         "\r\nmaster_replid2:" + std::string(stream.id().size(), '0') +
         "\r\nmaster_repl_offset:" + std::to_string(stream.offset()) +
         "\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:0\r\nrepl_backlog_size:0\r\n"
         "repl_backlog_first_byte_offset:0\r\nrepl_backlog_histlen:0\r\n";
}

std::span<const Command> ReplicationCommands() { return kReplicationCommands; }

}  // namespace terrace::server
