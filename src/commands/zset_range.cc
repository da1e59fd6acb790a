// The sorted-set family: ZRANGE, its older forms, and ZRANGESTORE.

#include <algorithm>
#include <memory>
#include <optional>
#include <variant>

#include "commands/call.h"
#include "commands/registry.h"
#include "commands/type_row.h"
#include "commands/typed.h"
#include "commands/zset_ranges.h"

namespace terrace::commands {
namespace {

using keyspace::Zset;

enum class By : uint8_t { kAny, kRank, kScore, kLex };  // kAny: an option says
enum class Direction : uint8_t { kAny, kUp, kDown };
enum class RangeTo : uint8_t { kReply, kKey };

struct RangeArguments {
  By by = By::kAny;
  Direction direction = Direction::kAny;
  std::optional<int64_t> offset;
  int64_t limit = -1;
  bool with_scores = false;
  std::variant<IndexRange, ScoreRange, LexRange> range;
};

// The options from this argument on; false after an error.
bool ParseOptions(Call& call, size_t argument, RangeTo to, RangeArguments* arguments) {
  for (size_t i = argument; i < call.argc(); ++i) {
    if (to == RangeTo::kReply && call.Is(i, "withscores")) {
      arguments->with_scores = true;
    } else if (call.Is(i, "limit") && i + 2 < call.argc()) {
      const auto offset = call.Integer(i + 1);
      if (!offset) return false;
      const auto limit = call.Integer(i + 2);
      if (!limit) return false;
      arguments->offset = offset;
      arguments->limit = *limit;
      i += 2;
    } else if (arguments->direction == Direction::kAny && call.Is(i, "rev")) {
      arguments->direction = Direction::kDown;
    } else if (arguments->by == By::kAny && call.Is(i, "bylex")) {
      arguments->by = By::kLex;
    } else if (arguments->by == By::kAny && call.Is(i, "byscore")) {
      arguments->by = By::kScore;
    } else {
      call.reply.SyntaxError();
      return false;
    }
  }
  if (arguments->direction == Direction::kAny) arguments->direction = Direction::kUp;
  if (arguments->by == By::kAny) arguments->by = By::kRank;
  // A limit of -1 means none, even here.
  if (arguments->limit != -1 && arguments->by == By::kRank) {
    call.reply.Error(
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (arguments->with_scores && arguments->by == By::kLex) {
    call.reply.Error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  return true;
}

// Turns "start end" from this argument on into a range; false after an error.
bool ParseRange(Call& call, size_t argument, RangeArguments* arguments) {
  // Downwards, the upper bound comes first; ranks are counted from that end instead.
  const bool swapped = arguments->direction == Direction::kDown && arguments->by != By::kRank;
  const size_t min = argument + (swapped ? 1 : 0);
  const size_t max = argument + (swapped ? 0 : 1);
  const auto keep = [&](const auto& range) {
    if (range) arguments->range = *range;
    return range.has_value();
  };
  switch (arguments->by) {
    case By::kScore:
      return keep(ParseScoreRange(call, min, max));
    case By::kLex:
      return keep(ParseLexRange(call, min, max));
    default:
      return keep(ParseIndexRange(call, min, max));
  }
}

// What the arguments select, as the rank to start at (in the direction of the walk) and a count.
RankRange Select(const Zset& zset, const RangeArguments& arguments) {
  RankRange ranks =
      std::visit([&](const auto& range) { return RanksOf(zset, range); }, arguments.range);
  const size_t size = zset.size();
  const bool down = arguments.direction == Direction::kDown;
  if (down && arguments.by != By::kRank) ranks.first = size - ranks.first - ranks.count;
  if (arguments.offset && arguments.by != By::kRank) {
    const int64_t offset = *arguments.offset;
    const size_t skipped =
        offset < 0 ? ranks.count : std::min(ranks.count, static_cast<size_t>(offset));
    ranks.first += skipped;
    ranks.count -= skipped;
    if (arguments.limit >= 0) {
      ranks.count = std::min(ranks.count, static_cast<size_t>(arguments.limit));
    }
  }
  return ranks;
}

template <typename Visit>
void Walk(const Zset& zset, const RankRange& ranks, Direction direction, Visit visit) {
  if (ranks.count == 0) return;
  if (direction == Direction::kUp) {
    zset.VisitUp(ranks.first, ranks.count, visit);
  } else {
    zset.VisitDown(zset.size() - 1 - ranks.first, ranks.count, visit);
  }
}

void Range(Call& call, By by, Direction direction) {
  RangeArguments arguments{.by = by, .direction = direction};
  if (!ParseOptions(call, 4, RangeTo::kReply, &arguments) || !ParseRange(call, 2, &arguments))
    return;
  const auto zset = Find<Zset>(call, 1);
  if (zset.wrong_type) return;
  if (!zset) return call.reply.Array(0);
  const RankRange ranks = Select(*zset.object, arguments);
  ReplyMemberCount(call, ranks.count, arguments.with_scores);
  Walk(*zset.object, ranks, arguments.direction,
       [&](const Zset::Entry& entry) { ReplyMember(call, entry, arguments.with_scores); });
}

void Zrange(Call& call) { Range(call, By::kAny, Direction::kAny); }
void Zrevrange(Call& call) { Range(call, By::kRank, Direction::kDown); }
void Zrangebyscore(Call& call) { Range(call, By::kScore, Direction::kUp); }
void Zrevrangebyscore(Call& call) { Range(call, By::kScore, Direction::kDown); }
void Zrangebylex(Call& call) { Range(call, By::kLex, Direction::kUp); }
void Zrevrangebylex(Call& call) { Range(call, By::kLex, Direction::kDown); }

void Zrangestore(Call& call) {
  RangeArguments arguments;
  if (!ParseOptions(call, 5, RangeTo::kKey, &arguments) || !ParseRange(call, 3, &arguments)) return;
  const auto source = Find<Zset>(call, 2);
  if (source.wrong_type) return;
  auto result = std::make_unique<Zset>();
  if (source) {
    const RankRange ranks = Select(*source.object, arguments);
    result->Reserve(ranks.count, call.limits.encoding);
    Walk(*source.object, ranks, arguments.direction, [&](const Zset::Entry& entry) {
      result->Set(entry.member, entry.score, call.limits.encoding);
    });
  }
  const auto count = static_cast<int64_t>(result->size());
  StoreResult(call, 1, std::move(result), {'z', "zrangestore"});
  call.reply.Integer(count);
}

constexpr Command kSortedSetRangeCommands[] = {
    SortedSetRow("zrange", -4, kReadOnly, Zrange, "1.2.0",
                 "key start<string> stop<string> [sortby: BYSCORE|BYLEX] [REV] "
                 "[LIMIT (offset count)] [WITHSCORES]",
                 "Returns members by rank, score or text.")
        .Costs("O(log(N)+M), N: members, M: members answered"),
    Deprecated(
        SortedSetRow("zrangebylex", -4, kReadOnly, Zrangebylex, "2.8.9",
                     "key min max [LIMIT (offset count)]", "Returns members between two texts.")
            .Costs("O(log(N)+M), N: members, M: members answered"),
        "6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    Deprecated(SortedSetRow("zrangebyscore", -4, kReadOnly, Zrangebyscore, "1.0.5",
                            "key min<double> max<double> [WITHSCORES] [LIMIT (offset count)]",
                            "Returns members by score.")
                   .Costs("O(log(N)+M), N: members, M: members answered"),
               "6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    SortedSetRow("zrangestore", -5, kWrite | kDenyOom, Zrangestore, "6.2.0",
                 "dst src min max [sortby: BYSCORE|BYLEX] [REV] [LIMIT (offset count)]",
                 "Stores what ZRANGE returns.", {KeyAt(1, "OW update"), KeyAt(2, "RO access")})
        .Costs("O(log(N)+M), N: members, M: members stored"),
    Deprecated(SortedSetRow("zrevrange", -4, kReadOnly, Zrevrange, "1.2.0",
                            "key start stop [WITHSCORES]", "Returns members by descending rank.")
                   .Costs("O(log(N)+M), N: members, M: members answered"),
               "6.2.0", "`ZRANGE` with the `REV` argument"),
    Deprecated(SortedSetRow("zrevrangebylex", -4, kReadOnly, Zrevrangebylex, "2.8.9",
                            "key max min [LIMIT (offset count)]",
                            "Returns members between two texts, downwards.")
                   .Costs("O(log(N)+M), N: members, M: members answered"),
               "6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    Deprecated(SortedSetRow("zrevrangebyscore", -4, kReadOnly, Zrevrangebyscore, "2.2.0",
                            "key max<double> min<double> [WITHSCORES] [LIMIT (offset count)]",
                            "Returns members by score, downwards.")
                   .Costs("O(log(N)+M), N: members, M: members answered"),
               "6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
};

}  // namespace

std::span<const Command> SortedSetRangeCommands() { return kSortedSetRangeCommands; }

}  // namespace terrace::commands
