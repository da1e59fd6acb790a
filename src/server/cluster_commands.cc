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

constexpr Command ClusterRow(std::string_view name, int arity, std::string_view since,
                             std::string_view syntax, uint32_t flags = kClusterFlags,
                             uint32_t categories = 0) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .categories = categories,
          .handler = ReplyNoCluster,
          .group = "cluster",
          .since = since,
          .syntax = syntax,
          .summary = "Answers that this is no cluster."};
}

constexpr Command kClusterSubcommands[] = {
    ClusterRow("cluster|info", 2, "3.0.0", "").Tipped("nondeterministic_output"),
    ClusterRow("cluster|nodes", 2, "3.0.0", "").Tipped("nondeterministic_output"),
    Deprecated(ClusterRow("cluster|slots", 2, "3.0.0", "", kClusterFlags | commands::kLoading)
                   .Tipped("nondeterministic_output"),
               "7.0.0", "`CLUSTER SHARDS`"),
    ClusterRow("cluster|shards", 2, "7.0.0", "", kClusterFlags | commands::kLoading)
        .Tipped("nondeterministic_output"),
    ClusterRow("cluster|links", 2, "7.0.0", "").Tipped("nondeterministic_output"),
    ClusterRow("cluster|myid", 2, "3.0.0", ""),
    ClusterRow("cluster|keyslot", 3, "3.0.0", "key<string>").Costs("O(N), N: bytes of the key"),
    ClusterRow("cluster|countkeysinslot", 3, "3.0.0", "slot"),
    ClusterRow("cluster|getkeysinslot", 4, "3.0.0", "slot count").Tipped("nondeterministic_output"),
    ClusterRow("cluster|replicas", 3, "5.0.0", "node-id", kClusterAdminFlags | commands::kStale)
        .Tipped("nondeterministic_output"),
    ClusterRow("cluster|meet", -4, "3.0.0", "ip port [cluster-bus-port<integer>]",
               kClusterAdminFlags | commands::kStale | commands::kNoAsyncLoading),
    ClusterRow("cluster|reset", -2, "3.0.0", "[reset-type: HARD|SOFT]",
               kClusterAdminFlags | commands::kStale | commands::kNoScript),
    ClusterRow("cluster|help", 2, "5.0.0", "", kClusterFlags | commands::kLoading),
};

constexpr Command kClusterCommands[] = {
    {.name = "cluster",
     .arity = -2,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "A container for cluster commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kClusterSubcommands},
    ClusterRow("readonly", 1, "3.0.0", "", kClusterFlags | commands::kLoading | commands::kFast,
               commands::kConnection),
    ClusterRow("readwrite", 1, "3.0.0", "", kClusterFlags | commands::kLoading | commands::kFast,
               commands::kConnection),
    ClusterRow("asking", 1, "3.0.0", "", commands::kNoLocks | commands::kFast,
               commands::kConnection),
};

}  // namespace

std::span<const Command> ClusterCommands() { return kClusterCommands; }

}  // namespace terrace::server
