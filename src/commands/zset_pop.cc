#include "commands/zset_pop.h"

#include <algorithm>

#include "base/numbers.h"

namespace terrace::commands {

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

std::optional<MultiPopArguments> ParseMultiPop(Call& call, size_t numkeys_argument) {
  MultiPopArguments arguments;
  const auto fail = [&](std::string_view error) {
    call.reply.Error(error);
    return std::nullopt;
  };
  const auto key_count = base::ParseInt64(call.args[numkeys_argument]);
  if (!key_count || *key_count < 1) return fail("ERR numkeys should be greater than 0");
  arguments.first_key = numkeys_argument + 1;
  if (static_cast<uint64_t>(*key_count) >= call.argc() - arguments.first_key) {
    return fail("ERR syntax error");
  }
  arguments.key_count = static_cast<size_t>(*key_count);
  size_t at = arguments.first_key + arguments.key_count;
  if (call.Is(at, "max")) {
    arguments.end = PopEnd::kMax;
  } else if (!call.Is(at, "min")) {
    return fail("ERR syntax error");
  }
  if (++at == call.argc()) return arguments;
  if (!call.Is(at, "count") || at + 1 == call.argc()) return fail("ERR syntax error");
  const auto count = base::ParseInt64(call.args[at + 1]);
  if (!count || *count < 1) return fail("ERR count should be greater than 0");
  if (at + 2 != call.argc()) return fail("ERR syntax error");
  arguments.count = static_cast<size_t>(*count);
  return arguments;
}

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

}  // namespace terrace::commands
