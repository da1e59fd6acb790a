#include "commands/zset_ranges.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

namespace terrace::commands {
namespace {

using keyspace::Zset;

// Looser than other floats, as in Redis: leading blanks are skipped and an empty text is zero.
std::optional<ScoreBound> ParseScoreBound(std::string_view text) {
  ScoreBound bound;
  bound.exclusive = text.starts_with('(');
  if (bound.exclusive) text.remove_prefix(1);
  const std::string terminated(text);
  char* end = nullptr;
  bound.score = std::strtod(terminated.c_str(), &end);
  if (*end != '\0' || std::isnan(bound.score)) return std::nullopt;
  return bound;
}

std::optional<LexBound> ParseLexBound(std::string_view text) {
  if (text == "-") return LexBound{LexBound::Kind::kLowest, {}};
  if (text == "+") return LexBound{LexBound::Kind::kHighest, {}};
  if (text.starts_with('[')) return LexBound{LexBound::Kind::kInclusive, text.substr(1)};
  if (text.starts_with('(')) return LexBound{LexBound::Kind::kExclusive, text.substr(1)};
  return std::nullopt;
}

RankRange Between(size_t first, size_t end) {
  if (first >= end) return {};
  return {first, end - first};
}

// How many members lie below the bound; the bound itself belongs to the range, or does not.
size_t CountBelow(const Zset& zset, const LexBound& bound, Zset::Bound if_inclusive,
                  Zset::Bound if_exclusive) {
  switch (bound.kind) {
    case LexBound::Kind::kLowest:
      return 0;
    case LexBound::Kind::kHighest:
      return zset.size();
    case LexBound::Kind::kInclusive:
      return zset.CountBelow(bound.text, if_inclusive);
    case LexBound::Kind::kExclusive:
      return zset.CountBelow(bound.text, if_exclusive);
  }
  return 0;
}

bool IsAbove(std::string_view member, const LexBound& min) {
  switch (min.kind) {
    case LexBound::Kind::kLowest:
      return true;
    case LexBound::Kind::kHighest:
      return false;
    case LexBound::Kind::kInclusive:
      return member >= min.text;
    case LexBound::Kind::kExclusive:
      return member > min.text;
  }
  return false;
}

bool IsBelow(std::string_view member, const LexBound& max) {
  switch (max.kind) {
    case LexBound::Kind::kLowest:
      return false;
    case LexBound::Kind::kHighest:
      return true;
    case LexBound::Kind::kInclusive:
      return member <= max.text;
    case LexBound::Kind::kExclusive:
      return member < max.text;
  }
  return false;
}

// Where scores differ there is no range by member, but as in Redis there is none at all then if the
// last member lies below it or the first one above: ZREMRANGEBYLEX removes no more than there.
bool MayHold(const Zset& zset, const LexRange& range) {
  base::Int64Text buffer;
  return zset.size() > 0 && IsAbove(zset.At(zset.size() - 1, buffer).member, range.min) &&
         IsBelow(zset.At(0, buffer).member, range.max);
}

}  // namespace

std::optional<ScoreRange> ParseScoreRange(Call& call, size_t min_argument, size_t max_argument) {
  const auto min = ParseScoreBound(call.args[min_argument]);
  const auto max = ParseScoreBound(call.args[max_argument]);
  if (min && max) return ScoreRange{*min, *max};
  call.reply.Error("ERR min or max is not a float");
  return std::nullopt;
}

std::optional<LexRange> ParseLexRange(Call& call, size_t min_argument, size_t max_argument) {
  const auto min = ParseLexBound(call.args[min_argument]);
  const auto max = ParseLexBound(call.args[max_argument]);
  if (min && max) return LexRange{*min, *max};
  call.reply.Error("ERR min or max not valid string range item");
  return std::nullopt;
}

std::optional<IndexRange> ParseIndexRange(Call& call, size_t start_argument, size_t end_argument) {
  const auto start = call.Integer(start_argument);
  if (!start) return std::nullopt;
  const auto end = call.Integer(end_argument);
  if (!end) return std::nullopt;
  return IndexRange{*start, *end};
}

RankRange RanksOf(const Zset& zset, const ScoreRange& range) {
  const size_t first = zset.CountBelow(
      range.min.score, range.min.exclusive ? Zset::Bound::kInclusive : Zset::Bound::kExclusive);
  const size_t end = zset.CountBelow(
      range.max.score, range.max.exclusive ? Zset::Bound::kExclusive : Zset::Bound::kInclusive);
  return Between(first, end);
}

RankRange RanksOf(const Zset& zset, const LexRange& range) {
  if (!MayHold(zset, range)) return {};
  return Between(CountBelow(zset, range.min, Zset::Bound::kExclusive, Zset::Bound::kInclusive),
                 CountBelow(zset, range.max, Zset::Bound::kInclusive, Zset::Bound::kExclusive));
}

RankRange RanksOf(const Zset& zset, const IndexRange& range) {
  const auto size = static_cast<int64_t>(zset.size());
  const int64_t start = range.start < 0 ? std::max<int64_t>(range.start + size, 0) : range.start;
  const int64_t end = std::min(range.end < 0 ? range.end + size : range.end, size - 1);
  if (start > end) return {};
  return Between(static_cast<size_t>(start), static_cast<size_t>(end) + 1);
}

}  // namespace terrace::commands
