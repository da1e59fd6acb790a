// The sorted-set family: single members, counts, pops. Ranges are in zset_range.cc, unions and
// intersections in zset_algebra.cc.

#include <cmath>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/numkeys.h"
#include "commands/random_picks.h"
#include "commands/registry.h"
#include "commands/scan_options.h"
#include "commands/type_row.h"
#include "commands/typed.h"
#include "commands/zset_add.h"
#include "commands/zset_pop.h"
#include "commands/zset_ranges.h"

namespace terrace::commands {
namespace {

using keyspace::Zset;

void Zrem(Call& call) {
  Draft<Zset> zset(call, 1);
  if (zset.wrong_type()) return;
  if (!zset.exists()) return call.reply.Integer(0);
  int64_t removed = 0;
  for (size_t i = 2; i < call.argc(); ++i) removed += zset->Remove(call.args[i]);
  if (removed > 0) zset.Commit({'z', "zrem"});
  call.reply.Integer(removed);
}

void Zcard(Call& call) {
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  call.reply.Integer(zset ? static_cast<int64_t>(zset.object->size()) : 0);
}

void ReplyScore(Call& call, const Found<Zset>& zset, std::string_view member) {
  const auto score = zset ? zset.object->Score(member) : std::nullopt;
  score ? call.reply.Double(*score) : call.reply.Null();
}

void Zscore(Call& call) {
  const auto zset = Find<Zset>(call, 1);
  if (!zset.wrong_type) ReplyScore(call, zset, call.args[2]);
}

void Zmscore(Call& call) {
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  call.reply.Array(call.argc() - 2);
  for (size_t i = 2; i < call.argc(); ++i) ReplyScore(call, zset, call.args[i]);
}

enum class RankFrom : uint8_t { kLowest, kHighest };

void ReplyRank(Call& call, RankFrom from) {
  if (call.argc() > 4) {
    return call.reply.Error("ERR wrong number of arguments for '" + std::string(call.command.name) +
                            "' command");
  }
  const bool with_score = call.argc() == 4;
  if (with_score && !call.Is(3, "withscore")) return call.reply.SyntaxError();
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  const auto rank = zset ? zset.object->Rank(call.args[2]) : std::nullopt;
  if (!rank) return with_score ? call.reply.NullArray() : call.reply.Null();
  const size_t shown = from == RankFrom::kLowest ? *rank : zset.object->size() - 1 - *rank;
  if (with_score) call.reply.Array(2);
  call.reply.Integer(static_cast<int64_t>(shown));
  if (with_score) call.reply.Double(*zset.object->Score(call.args[2]));
}

void Zrank(Call& call) { ReplyRank(call, RankFrom::kLowest); }
void Zrevrank(Call& call) { ReplyRank(call, RankFrom::kHighest); }

template <typename Range>
void ReplyCount(Call& call, const std::optional<Range>& range) {
  if (!range) return;
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  call.reply.Integer(zset ? static_cast<int64_t>(RanksOf(*zset.object, *range).count) : 0);
}

void Zcount(Call& call) { ReplyCount(call, ParseScoreRange(call, 2, 3)); }
void Zlexcount(Call& call) { ReplyCount(call, ParseLexRange(call, 2, 3)); }

template <typename Range>
void RemoveRange(Call& call, const std::optional<Range>& range, std::string_view event) {
  if (!range) return;
  Draft<Zset> zset(call, 1);
  if (zset.wrong_type()) return;
  if (!zset.exists()) return call.reply.Integer(0);
  const RankRange ranks = RanksOf(*zset, *range);
  if (ranks.count > 0) {
    zset->RemoveRange(ranks.first, ranks.count);
    zset.Commit({'z', event});
  }
  call.reply.Integer(static_cast<int64_t>(ranks.count));
}

void Zremrangebyrank(Call& call) {
  RemoveRange(call, ParseIndexRange(call, 2, 3), "zremrangebyrank");
}
void Zremrangebyscore(Call& call) {
  RemoveRange(call, ParseScoreRange(call, 2, 3), "zremrangebyscore");
}
void Zremrangebylex(Call& call) { RemoveRange(call, ParseLexRange(call, 2, 3), "zremrangebylex"); }

void Zscan(Call& call) {
  const auto cursor = ParseScanCursor(call, 2);
  if (!cursor) return;
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  if (!zset) return ReplyEmptyScan(call);
  const auto options = ParseScanOptions(call, 3, ScanExtra::kNoScores);
  if (!options) return;
  const bool compact = zset.object->encoding() == "listpack";
  ReplyScan(call, *cursor, *options,
            [&](uint64_t at, resp::Reply& out, uint64_t* visited, size_t* replies) {
              return zset.object->Scan(at, [&](const Zset::Entry& entry) {
                ++*visited;
                if (!options->Matches(entry.member)) return;
                out.Bulk(entry.member);
                ++*replies;
                if (options->no_values) return;
                base::DoubleText text;
                // Redis shows 17 digits of scores it does not keep as text.
                out.Bulk(compact ? base::FormatDouble(entry.score, text)
                                 : base::FormatDouble17(entry.score, text));
                ++*replies;
              });
            });
}

void Zrandmember(Call& call) {
  const bool with_scores = call.argc() == 4;
  std::optional<int64_t> count;
  if (call.argc() >= 3) {
    count = ParsePickCount(call, 2, PickRange::kFull);
    if (!count) return;
    if (call.argc() > 4 || (with_scores && !call.Is(3, "withscores"))) {
      return call.reply.SyntaxError();
    }
    if (with_scores && !ParsePickCount(call, 2, PickRange::kHalved)) return;
  }
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  if (!zset) return count ? call.reply.Array(0) : call.reply.Null();
  base::Rng& rng = RngOf(call, 1);
  base::Int64Text buffer;
  if (!count) return call.reply.Bulk(zset.object->Random(rng, buffer).member);
  if (*count < 0) {
    const auto picks = static_cast<size_t>(-*count);
    ReplyMemberCount(call, picks, with_scores);
    for (size_t i = 0; i < picks; ++i) {
      ReplyMember(call, zset.object->Random(rng, buffer), with_scores);
    }
    return;
  }
  ReplyMemberCount(call, std::min(static_cast<size_t>(*count), zset.object->size()), with_scores);
  PickDistinct(
      zset.object->size(), static_cast<size_t>(*count), rng,
      [&](auto offer) { zset.object->ForEach(offer); },
      [&](auto use) { use(zset.object->Random(rng, buffer)); },
      [](const Zset::Entry& entry) { return entry.member; },
      [&](const Zset::Entry& entry) { ReplyMember(call, entry, with_scores); });
}

void Zpop(Call& call, PopEnd end) {
  if (call.argc() > 3) return call.reply.SyntaxError();
  size_t count = 1;
  if (call.argc() == 3) {
    const auto value = call.NonNegativeInteger(2);
    if (!value) return;
    count = static_cast<size_t>(*value);
  }
  Draft<Zset> zset(call, 1);
  if (zset.wrong_type()) return;
  if (!zset.exists() || count == 0) return call.reply.Array(0);
  const auto popped = PopMembers(zset, count, end);
  const bool nested = call.argc() == 3 && call.reply.protocol() >= 3;
  call.reply.Array(nested ? popped.size() : 2 * popped.size());
  for (const PoppedMember& member : popped) {
    if (nested) call.reply.Array(2);
    call.reply.Bulk(member.member);
    call.reply.Double(member.score);
  }
}

void Zpopmin(Call& call) { Zpop(call, PopEnd::kMin); }
void Zpopmax(Call& call) { Zpop(call, PopEnd::kMax); }

void Zmpop(Call& call) {
  const auto arguments = ParseZsetMultiPop(call, 1);
  if (!arguments) return;
  if (!PopMembersFromFirst(call, *arguments)) call.reply.NullArray();
}

constexpr Command kSortedSetCommands[] = {
    SortedSetRow("zadd", -4, kAdds, Zadd, "1.2.0",
                 "key [condition: NX|XX] [comparison: GT|LT] [change=CH] [increment=INCR] "
                 "(data: score member)...",
                 "Adds members with scores, or changes their scores.")
        .Costs("O(M*log(N)), M: members given, N: members"),
    SortedSetRow("zcard", 2, kReads, Zcard, "1.2.0", "key", "Counts the members.", {1, 1, 1, "RO"}),
    SortedSetRow("zcount", 4, kReads, Zcount, "2.0.0", "key min<double> max<double>",
                 "Counts the members with scores in a range.")
        .Costs("O(log(N)), N: members"),
    SortedSetRow("zincrby", 4, kAdds, Zincrby, "1.2.0", "key increment member",
                 "Adds to the score of a member.", {1, 1, 1, "RW access update"})
        .Costs("O(log(N)), N: members"),
    SortedSetRow("zlexcount", 4, kReads, Zlexcount, "2.8.9", "key min max",
                 "Counts the members between two texts.")
        .Costs("O(log(N)), N: members"),
    SortedSetRow("zmpop", -4, kWrite | kMovableKeys, Zmpop, "7.0.0",
                 "numkeys key... (where: MIN|MAX) [COUNT count]",
                 "Pops members of the first set that has any.",
                 {CountedKeys(1, "RW access delete")})
        .Costs("O(K+M*log(N)), K: keys, M: members removed, N: members"),
    SortedSetRow("zmscore", -3, kReads, Zmscore, "6.2.0", "key member...",
                 "Returns the scores of several members.")
        .Costs("O(N), N: members given"),
    SortedSetRow("zpopmax", -2, kWrite | kFast, Zpopmax, "5.0.0", "key [count]",
                 "Pops the members with highest scores.", {1, 1, 1, "RW access delete"})
        .Costs("O(M*log(N)), M: members removed, N: members"),
    SortedSetRow("zpopmin", -2, kWrite | kFast, Zpopmin, "5.0.0", "key [count]",
                 "Pops the members with lowest scores.", {1, 1, 1, "RW access delete"})
        .Costs("O(M*log(N)), M: members removed, N: members"),
    SortedSetRow("zrandmember", -2, kReadOnly | kRunsBelow, Zrandmember, "6.2.0",
                 "key [options: count [WITHSCORES]]", "Returns random members.")
        .Costs("O(N), N: members answered")
        .Tipped("nondeterministic_output"),
    SortedSetRow("zrank", -3, kReads, Zrank, "2.0.0", "key member [WITHSCORE]",
                 "Returns a member's rank by ascending score.")
        .Costs("O(log(N)), N: members"),
    SortedSetRow("zrem", -3, kWrite | kFast, Zrem, "1.2.0", "key member...",
                 "Removes members; the last takes the key.", {1, 1, 1, "RW delete"})
        .Costs("O(M*log(N)), M: members given, N: members"),
    SortedSetRow("zremrangebylex", 4, kWrite, Zremrangebylex, "2.8.9", "key min max",
                 "Removes members between two texts.", {1, 1, 1, "RW delete"})
        .Costs("O(log(N)+M), N: members, M: members removed"),
    SortedSetRow("zremrangebyrank", 4, kWrite, Zremrangebyrank, "2.0.0", "key start stop",
                 "Removes members by rank.", {1, 1, 1, "RW delete"})
        .Costs("O(log(N)+M), N: members, M: members removed"),
    SortedSetRow("zremrangebyscore", 4, kWrite, Zremrangebyscore, "1.2.0",
                 "key min<double> max<double>", "Removes members by score.", {1, 1, 1, "RW delete"})
        .Costs("O(log(N)+M), N: members, M: members removed"),
    SortedSetRow("zrevrank", -3, kReads, Zrevrank, "2.0.0", "key member [WITHSCORE]",
                 "Returns a member's rank by descending score.")
        .Costs("O(log(N)), N: members"),
    SortedSetRow("zscan", -3, kReadOnly, Zscan, "2.8.0",
                 "key cursor [MATCH pattern] [COUNT count] [NOSCORES]",
                 "Walks over the members in steps.")
        .Costs("O(1) a call, O(N) for all, N: elements")
        .Tipped("nondeterministic_output"),
    SortedSetRow("zscore", 3, kReads, Zscore, "1.2.0", "key member",
                 "Returns the score of a member."),
};

}  // namespace

std::span<const Command> SortedSetCommands() { return kSortedSetCommands; }

}  // namespace terrace::commands
