#include "commands/zset_add.h"

#include <cmath>
#include <optional>
#include <vector>

#include "base/numbers.h"
#include "commands/typed.h"

namespace terrace::commands {
namespace {

using keyspace::Zset;

enum class Outcome : uint8_t { kAdded, kUpdated, kUnchanged, kRefused, kNotANumber };

// One member by the rules of the options; *score becomes the one it has then.
Outcome AddOne(const Call& call, Zset& zset, const ZaddOptions& options, std::string_view member,
               double* score) {
  const std::optional<double> old = zset.Score(member);
  if (old) {
    if (options.only_new) return Outcome::kRefused;
    if (options.increment) *score += *old;
    if (std::isnan(*score)) return Outcome::kNotANumber;
    if ((options.only_less && *score >= *old) || (options.only_greater && *score <= *old)) {
      return Outcome::kRefused;
    }
  } else if (options.only_existing) {
    return Outcome::kRefused;
  }
  switch (zset.Set(member, *score, call.limits.encoding)) {
    case Zset::SetResult::kAdded:
      return Outcome::kAdded;
    case Zset::SetResult::kUpdated:
      return Outcome::kUpdated;
    case Zset::SetResult::kUnchanged:
      break;
  }
  return Outcome::kUnchanged;
}

}  // namespace

size_t ZaddOptions::Parse(const Call& call, size_t argument) {
  for (; argument < call.argc(); ++argument) {
    if (call.Is(argument, "nx")) {
      only_new = true;
    } else if (call.Is(argument, "xx")) {
      only_existing = true;
    } else if (call.Is(argument, "gt")) {
      only_greater = true;
    } else if (call.Is(argument, "lt")) {
      only_less = true;
    } else if (call.Is(argument, "ch")) {
      count_changed = true;
    } else if (call.Is(argument, "incr")) {
      increment = true;
    } else {
      break;
    }
  }
  return argument;
}

bool ZaddOptions::Check(Call& call) const {
  if (only_new && only_existing) {
    call.reply.Error("ERR XX and NX options at the same time are not compatible");
    return false;
  }
  if ((only_new && (only_greater || only_less)) || (only_greater && only_less)) {
    call.reply.Error("ERR GT, LT, and/or NX options at the same time are not compatible");
    return false;
  }
  return true;
}

void AddScoredMembers(Call& call, const ZaddOptions& options,
                      std::span<const ScoredMember> members) {
  Draft<Zset> zset(call, 1);
  if (zset.wrong_type()) return;
  if (!zset.exists() && options.only_existing) {
    return options.increment ? call.reply.Null() : call.reply.Integer(0);
  }
  zset->Reserve(members.size(), call.limits.encoding);
  int64_t added = 0;
  int64_t updated = 0;
  Outcome outcome = Outcome::kUnchanged;
  double score = 0;
  for (const ScoredMember& member : members) {
    score = member.score;
    outcome = AddOne(call, *zset, options, member.member, &score);
    if (outcome == Outcome::kNotANumber) break;
    added += outcome == Outcome::kAdded ? 1 : 0;
    updated += outcome == Outcome::kUpdated ? 1 : 0;
  }
  if (added > 0 || updated > 0) zset.Commit({'z', options.increment ? "zincr" : "zadd"});
  if (outcome == Outcome::kNotANumber) {
    return call.reply.Error("ERR resulting score is not a number (NaN)");
  }
  if (options.increment) {
    return outcome == Outcome::kRefused ? call.reply.Null() : call.reply.Double(score);
  }
  call.reply.Integer(options.count_changed ? added + updated : added);
}

void Zadd(Call& call) {
  ZaddOptions options;
  const size_t first = options.Parse(call, 2);
  const size_t count = call.argc() - first;
  if (count == 0 || count % 2 != 0) return call.reply.SyntaxError();
  if (!options.Check(call)) return;
  if (options.increment && count > 2) {
    return call.reply.Error("ERR INCR option supports a single increment-element pair");
  }
  std::vector<ScoredMember> members;
  members.reserve(count / 2);
  for (size_t i = first; i < call.argc(); i += 2) {
    const auto score = base::ParseDouble(call.args[i]);
    if (!score) return call.reply.NotAFloat();
    members.push_back({*score, call.args[i + 1]});
  }
  AddScoredMembers(call, options, members);
}

void Zincrby(Call& call) {
  // Redis reads ZADD's options here too, and then misses an argument.
  if (ZaddOptions().Parse(call, 2) != 2) return call.reply.SyntaxError();
  const auto increment = base::ParseDouble(call.args[2]);
  if (!increment) return call.reply.NotAFloat();
  const ScoredMember member{*increment, call.args[3]};
  AddScoredMembers(call, {.increment = true}, {&member, 1});
}

}  // namespace terrace::commands
