#pragma once

// Ranges of a sorted set as arguments give them, turned into ranks.
//
// Errors: the parsers reply their error themselves and return nullopt.

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "commands/call.h"
#include "keyspace/types/zset.h"

namespace terrace::commands {

// Members [first, first + count) in ascending order.
struct RankRange {
  size_t first = 0;
  size_t count = 0;
};

struct ScoreBound {
  double score = 0;
  bool exclusive = false;
};
struct ScoreRange {
  ScoreBound min;
  ScoreBound max;
};

struct LexBound {
  enum class Kind : uint8_t { kLowest, kHighest, kInclusive, kExclusive };
  Kind kind = Kind::kLowest;
  std::string_view text;
};
struct LexRange {
  LexBound min;
  LexBound max;
};

// Negative ranks count from the end.
struct IndexRange {
  int64_t start = 0;
  int64_t end = 0;
};

std::optional<ScoreRange> ParseScoreRange(Call& call, size_t min_argument, size_t max_argument);
std::optional<LexRange> ParseLexRange(Call& call, size_t min_argument, size_t max_argument);
std::optional<IndexRange> ParseIndexRange(Call& call, size_t start_argument, size_t end_argument);

RankRange RanksOf(const keyspace::Zset& zset, const ScoreRange& range);
RankRange RanksOf(const keyspace::Zset& zset, const LexRange& range);
RankRange RanksOf(const keyspace::Zset& zset, const IndexRange& range);

// A member with its score, as WITHSCORES writes it: a pair of its own in RESP3, else two replies.
inline void ReplyMember(Call& call, const keyspace::Zset::Entry& entry, bool with_score) {
  if (with_score && call.reply.protocol() >= 3) call.reply.Array(2);
  call.reply.Bulk(entry.member);
  if (with_score) call.reply.Double(entry.score);
}

// The header in front of `count` of these.
inline void ReplyMemberCount(Call& call, size_t count, bool with_scores) {
  call.reply.Array(with_scores && call.reply.protocol() < 3 ? 2 * count : count);
}

}  // namespace terrace::commands
