#include "commands/zset_pop.h"

#include <algorithm>

namespace terrace::commands {
namespace {

// The key, and the members as pairs.
void ReplyMultiPop(Call& call, std::string_view key, const std::vector<PoppedMember>& members) {
  call.reply.Array(2);
  call.reply.Bulk(key);
  call.reply.Array(members.size());
  for (const PoppedMember& member : members) {
    call.reply.Array(2);
    call.reply.Bulk(member.member);
    call.reply.Double(member.score);
  }
}

}  // namespace

std::string_view NameOf(PopEnd end) { return end == PopEnd::kMin ? "ZPOPMIN" : "ZPOPMAX"; }

std::vector<PoppedMember> PopMembers(Draft<keyspace::Zset>& zset, size_t count, PopEnd end) {
  const size_t size = zset->size();
  count = std::min(count, size);
  std::vector<PoppedMember> popped;
  popped.reserve(count);
  const auto take = [&](const keyspace::Zset::Entry& entry) {
    popped.push_back({std::string(entry.member), entry.score});
  };
  if (end == PopEnd::kMin) {
    zset->VisitUp(0, count, take);
    zset->RemoveRange(0, count);
    zset.Commit({'z', "zpopmin"});
  } else {
    zset->VisitDown(size - 1, count, take);
    zset->RemoveRange(size - count, count);
    zset.Commit({'z', "zpopmax"});
  }
  return popped;
}

std::optional<MultiPop> ParseZsetMultiPop(Call& call, size_t numkeys_argument) {
  return ParseMultiPop(call, numkeys_argument, "min", "max");
}

bool PopMembersFromFirst(Call& call, const MultiPop& arguments) {
  for (size_t i = 0; i < arguments.key_count; ++i) {
    const size_t key = arguments.first_key + i;
    Draft<keyspace::Zset> zset(call, key);
    if (zset.wrong_type()) return true;
    if (!zset.exists()) continue;
    const PopEnd end = arguments.at_tail ? PopEnd::kMax : PopEnd::kMin;
    const std::vector<PoppedMember> popped = PopMembers(zset, arguments.count, end);
    ReplyMultiPop(call, call.args[key], popped);
    if (call.is_repeated())
      call.RepeatAs({NameOf(end), call.args[key], std::to_string(popped.size())});
    return true;
  }
  return false;
}

}  // namespace terrace::commands
