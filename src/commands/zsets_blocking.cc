// The sorted set commands that wait.

#include "commands/numkeys.h"
#include "commands/registry.h"
#include "commands/wait.h"
#include "commands/zset_pop.h"

namespace terrace::commands {
namespace {

using keyspace::Type;
using keyspace::Zset;

void BlockingPop(Call& call, PopEnd end) {
  const std::optional<int64_t> deadline_ms = ParseTimeoutSeconds(call, call.argc() - 1);
  if (!deadline_ms) return;
  const size_t key_count = call.argc() - 2;
  for (size_t i = 1; i <= key_count; ++i) {
    Draft<Zset> zset(call, i);
    if (zset.wrong_type()) return;
    if (!zset.exists()) continue;
    const std::vector<PoppedMember> popped = PopMembers(zset, 1, end);
    call.RepeatAs({NameOf(end), call.args[i]});
    call.reply.Array(3);
    call.reply.Bulk(call.args[i]);
    call.reply.Bulk(popped[0].member);
    call.reply.Double(popped[0].score);
    return;
  }
  WaitForKeys(call, Type::kZset, 1, key_count, *deadline_ms);
}

void Bzpopmin(Call& call) { BlockingPop(call, PopEnd::kMin); }
void Bzpopmax(Call& call) { BlockingPop(call, PopEnd::kMax); }

void Bzmpop(Call& call) {
  const std::optional<int64_t> deadline_ms = ParseTimeoutSeconds(call, 1);
  if (!deadline_ms) return;
  const auto arguments = ParseZsetMultiPop(call, 2);
  if (!arguments || PopMembersFromFirst(call, *arguments)) return;
  WaitForKeys(call, Type::kZset, arguments->first_key, arguments->key_count, *deadline_ms);
}

constexpr Command kSortedSetBlockingCommands[] = {
    BlockingRow(
        kSortedSet, "sorted-set", "bzpopmin", -3, kFast, {1, -2, 1, "RW access delete"}, Bzpopmin,
        "5.0.0", "key... timeout",
        "Takes the lowest member of the first of several sorted sets that has one, or waits.")
        .Costs("O(K+log(N)), K: keys, N: members"),
    BlockingRow(
        kSortedSet, "sorted-set", "bzpopmax", -3, kFast, {1, -2, 1, "RW access delete"}, Bzpopmax,
        "5.0.0", "key... timeout",
        "Takes the highest member of the first of several sorted sets that has one, or waits.")
        .Costs("O(K+log(N)), K: keys, N: members"),
    BlockingRow(
        kSortedSet, "sorted-set", "bzmpop", -5, kMovableKeys, {CountedKeys(2, "RW access delete")},
        Bzmpop, "7.0.0", "timeout numkeys key... (where: MIN|MAX) [COUNT count]",
        "Takes members from the first of several sorted sets that exists, or waits for one.")
        .Costs("O(K+M*log(N)), K: keys, M: members removed, N: members"),
};

}  // namespace

std::span<const Command> SortedSetBlockingCommands() { return kSortedSetBlockingCommands; }

}  // namespace terrace::commands
