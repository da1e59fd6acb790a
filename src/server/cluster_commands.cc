// What a server that is no cluster answers to the commands of one: clients ask to find out.

#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

void ReplyNoCluster(Call& call) {
  call.reply.Error("ERR This instance has cluster support disabled");
}

constexpr Command kCommands[] = {
    {.name = "cluster",
     .arity = -2,
     .flags = commands::kLoading | commands::kStale | commands::kNoLocks,
     .handler = ReplyNoCluster,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Answers that this is no cluster."},
    {.name = "readonly",
     .arity = 1,
     .flags = commands::kLoading | commands::kStale | commands::kFast | commands::kNoLocks,
     .handler = ReplyNoCluster,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Answers that this is no cluster."},
    {.name = "readwrite",
     .arity = 1,
     .flags = commands::kLoading | commands::kStale | commands::kFast | commands::kNoLocks,
     .handler = ReplyNoCluster,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Answers that this is no cluster."},
    {.name = "asking",
     .arity = 1,
     .flags = commands::kFast | commands::kNoLocks,
     .handler = ReplyNoCluster,
     .group = "cluster",
     .since = "3.0.0",
     .summary = "Answers that this is no cluster."},
};

}  // namespace

std::span<const Command> ClusterCommands() { return kCommands; }

}  // namespace terrace::server
