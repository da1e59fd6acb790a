// What a server that is no cluster answers to the commands of one: clients ask to find out.

#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

constexpr uint32_t kClusterFlags = commands::kStale | commands::kNoLocks;
constexpr uint32_t kClusterAdminFlags = commands::kAdmin | commands::kNoLocks;

void ReplyNoCluster(Call& call) {
  call.reply.Error("ERR This instance has cluster support disabled");
}

constexpr Command ClusterRow(std::string_view name, int arity, uint32_t flags = kClusterFlags,
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

constexpr Command kClusterSubcommands[] = {
    ClusterRow("cluster|info", 2),
    ClusterRow("cluster|nodes", 2),
    ClusterRow("cluster|slots", 2),
    ClusterRow("cluster|shards", 2),
    ClusterRow("cluster|links", 2),
    ClusterRow("cluster|myid", 2),
    ClusterRow("cluster|keyslot", 3),
    ClusterRow("cluster|countkeysinslot", 3),
    ClusterRow("cluster|getkeysinslot", 4),
    ClusterRow("cluster|replicas", 3, kClusterAdminFlags | commands::kStale),
    ClusterRow("cluster|meet", -4, kClusterAdminFlags | commands::kStale),
    ClusterRow("cluster|reset", -2, kClusterAdminFlags | commands::kStale | commands::kNoScript),
    ClusterRow("cluster|help", 2, kClusterFlags | commands::kLoading),
};

constexpr Command kClusterCommands[] = {
    {.name = "cluster",
     .arity = -2,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "A container for cluster commands.",
     .subcommands = kClusterSubcommands},
    ClusterRow("readonly", 1, kClusterFlags | commands::kLoading | commands::kFast,
               commands::kConnection),
    ClusterRow("readwrite", 1, kClusterFlags | commands::kLoading | commands::kFast,
               commands::kConnection),
    ClusterRow("asking", 1, commands::kNoLocks | commands::kFast, commands::kConnection),
};

}  // namespace

std::span<const Command> ClusterCommands() { return kClusterCommands; }

}  // namespace terrace::server
