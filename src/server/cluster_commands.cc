// What a server that is no cluster answers to the commands of one: clients ask to find out.

#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

constexpr uint32_t kPlain = commands::kStale | commands::kNoLocks;
constexpr uint32_t kAdmin = commands::kAdmin | commands::kNoLocks;
constexpr uint32_t kConnection = commands::kConnection;

void ReplyNoCluster(Call& call) {
  call.reply.Error("ERR This instance has cluster support disabled");
}

constexpr Command Row(std::string_view name, int arity, uint32_t flags = kPlain,
                      uint32_t categories = 0) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .categories = categories,
          .handler = ReplyNoCluster,
          .group = "cluster",
          .since = "3.0.0",
          .summary = "Answers that this is no cluster."};
}

constexpr Command kSubcommands[] = {
    Row("cluster|info", 2),
    Row("cluster|nodes", 2),
    Row("cluster|slots", 2),
    Row("cluster|shards", 2),
    Row("cluster|links", 2),
    Row("cluster|myid", 2),
    Row("cluster|keyslot", 3),
    Row("cluster|countkeysinslot", 3),
    Row("cluster|getkeysinslot", 4),
    Row("cluster|replicas", 3, kAdmin | commands::kStale),
    Row("cluster|meet", -4, kAdmin | commands::kStale),
    Row("cluster|reset", -2, kAdmin | commands::kStale | commands::kNoScript),
    Row("cluster|help", 2, kPlain | commands::kLoading),
};

constexpr Command kCommands[] = {
    {.name = "cluster",
     .arity = -2,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "A container for cluster commands.",
     .subcommands = kSubcommands},
    Row("readonly", 1, kPlain | commands::kLoading | commands::kFast, kConnection),
    Row("readwrite", 1, kPlain | commands::kLoading | commands::kFast, kConnection),
    Row("asking", 1, commands::kNoLocks | commands::kFast, kConnection),
};

}  // namespace

std::span<const Command> ClusterCommands() { return kCommands; }

}  // namespace terrace::server
