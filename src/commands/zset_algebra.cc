// The sorted-set family: unions, intersections and differences, of sorted and plain sets.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/numkeys.h"
#include "commands/registry.h"
#include "commands/type_row.h"
#include "commands/typed.h"
#include "commands/zset_ranges.h"

namespace terrace::commands {
namespace {

using keyspace::Set;
using keyspace::Zset;

enum class Operation : uint8_t { kUnion, kIntersection, kDifference };
enum class Aggregate : uint8_t { kSum, kMin, kMax };
// What becomes of the result.
enum class Output : uint8_t { kReply, kStore, kCount };

// One input: a sorted set, a plain set (whose scores are all 1), or nothing.
struct Source {
  const Zset* zset = nullptr;
  const Set* set = nullptr;
  double weight = 1;

  size_t size() const { return zset != nullptr ? zset->size() : set != nullptr ? set->size() : 0; }
  bool SameAs(const Source& other) const { return zset == other.zset && set == other.set; }
  std::optional<double> Score(std::string_view member) const {
    if (zset != nullptr) return zset->Score(member);
    if (set != nullptr && set->Contains(member)) return 1;
    return std::nullopt;
  }
  template <typename Visit>
  void ForEach(Visit visit) const {
    if (zset != nullptr) zset->ForEach(visit);
    if (set != nullptr)
      set->ForEach([&](std::string_view member) { visit(Zset::Entry{member, 1}); });
  }
};

struct Arguments {
  std::vector<Source> sources;
  Aggregate aggregate = Aggregate::kSum;
  bool with_scores = false;
  uint64_t limit = 0;  // of ...CARD; 0 for none
};

double Weigh(double weight, double score) {
  const double weighted = weight * score;
  return std::isnan(weighted) ? 0 : weighted;
}

double Combine(Aggregate aggregate, double a, double b) {
  switch (aggregate) {
    case Aggregate::kMin:
      return std::min(a, b);
    case Aggregate::kMax:
      return std::max(a, b);
    case Aggregate::kSum:
      break;
  }
  // Infinity minus infinity counts as nothing.
  const double sum = a + b;
  return std::isnan(sum) ? 0 : sum;
}

// The sources of `count` keys; false after an error.
bool FindSources(Call& call, size_t first, size_t count, std::vector<Source>* sources) {
  for (size_t i = first; i < first + count; ++i) {
    Source source;
    if (const keyspace::Entry* const entry = call.db.Read(call.key(i))) {
      if (entry->type() == keyspace::Type::kZset) {
        source.zset = static_cast<const Zset*>(entry->object());
      } else if (entry->type() == keyspace::Type::kSet) {
        source.set = static_cast<const Set*>(entry->object());
      } else {
        call.reply.WrongType();
        return false;
      }
    }
    sources->push_back(source);
  }
  return true;
}

// WEIGHTS, with one weight a source; returns the last argument used, or nullopt after an error.
std::optional<size_t> ParseWeights(Call& call, size_t argument, Arguments* arguments) {
  for (Source& source : arguments->sources) {
    const auto weight = base::ParseDouble(call.args[++argument]);
    if (!weight) {
      call.reply.Error("ERR weight value is not a float");
      return std::nullopt;
    }
    source.weight = *weight;
  }
  return argument;
}

bool ParseAggregate(Call& call, size_t argument, Arguments* arguments) {
  if (call.Is(argument, "sum")) {
    arguments->aggregate = Aggregate::kSum;
  } else if (call.Is(argument, "min")) {
    arguments->aggregate = Aggregate::kMin;
  } else if (call.Is(argument, "max")) {
    arguments->aggregate = Aggregate::kMax;
  } else {
    call.reply.SyntaxError();
    return false;
  }
  return true;
}

// "numkeys key [key ...]" from this argument on, and the options behind; nullopt after an error.
std::optional<Arguments> Parse(Call& call, size_t numkeys_argument, Operation operation,
                               Output output) {
  const auto fail = [&](std::string_view error) {
    call.reply.Error(error);
    return std::nullopt;
  };
  const auto key_count = call.Integer(numkeys_argument);
  if (!key_count) return std::nullopt;
  if (*key_count < 1) {
    return fail("ERR at least 1 input key is needed for '" + std::string(call.command.name) +
                "' command");
  }
  const size_t first_key = numkeys_argument + 1;
  if (static_cast<uint64_t>(*key_count) > call.argc() - first_key) return fail("ERR syntax error");
  const auto count = static_cast<size_t>(*key_count);
  Arguments arguments;
  if (!FindSources(call, first_key, count, &arguments.sources)) return std::nullopt;
  const bool scores_combine = operation != Operation::kDifference && output != Output::kCount;
  for (size_t i = first_key + count; i < call.argc(); ++i) {
    const size_t left = call.argc() - i;
    if (scores_combine && left > count && call.Is(i, "weights")) {
      const auto last = ParseWeights(call, i, &arguments);
      if (!last) return std::nullopt;
      i = *last;
    } else if (scores_combine && left > 1 && call.Is(i, "aggregate")) {
      if (!ParseAggregate(call, ++i, &arguments)) return std::nullopt;
    } else if (output == Output::kReply && call.Is(i, "withscores")) {
      arguments.with_scores = true;
    } else if (output == Output::kCount && left > 1 && call.Is(i, "limit")) {
      const auto limit = base::ParseInt64(call.args[++i]);
      if (!limit || *limit < 0) return fail("ERR LIMIT can't be negative");
      arguments.limit = static_cast<uint64_t>(*limit);
    } else {
      return fail("ERR syntax error");
    }
  }
  return arguments;
}

// The order in which scores are combined, smallest source first: sums of floats depend on it.
std::vector<Source> BySize(const std::vector<Source>& sources) {
  std::vector<Source> sorted = sources;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Source& a, const Source& b) { return a.size() < b.size(); });
  return sorted;
}

// visit(member, score) for each member of all sources, until it returns false.
template <typename Visit>
void Intersect(const Arguments& arguments, Visit visit) {
  const std::vector<Source> sources = BySize(arguments.sources);
  bool wants_more = sources[0].size() > 0;
  if (!wants_more) return;
  sources[0].ForEach([&](const Zset::Entry& entry) {
    if (!wants_more) return;
    double score = Weigh(sources[0].weight, entry.score);
    for (size_t i = 1; i < sources.size(); ++i) {
      const auto other =
          sources[i].SameAs(sources[0]) ? entry.score : sources[i].Score(entry.member);
      if (!other) return;
      // Only the first source's infinity times zero is zero here: Combine may get no number.
      score = Combine(arguments.aggregate, score, sources[i].weight * *other);
    }
    wants_more = visit(entry.member, score);
  });
}

// The result in its large form: packed, a score of -0 would become 0, which Redis does only to
// small results that are stored.
std::unique_ptr<Zset> Compute(const Call& call, const Arguments& arguments, Operation operation) {
  auto result = std::make_unique<Zset>();
  result->Reserve(std::numeric_limits<size_t>::max(), call.limits.encoding);
  const auto put = [&](std::string_view member, double score) {
    result->Set(member, score, call.limits.encoding);
  };
  switch (operation) {
    case Operation::kIntersection:
      Intersect(arguments, [&](std::string_view member, double score) {
        put(member, score);
        return true;
      });
      break;
    case Operation::kUnion:
      for (const Source& source : BySize(arguments.sources)) {
        source.ForEach([&](const Zset::Entry& entry) {
          double score = Weigh(source.weight, entry.score);
          if (const auto old = result->Score(entry.member)) {
            score = Combine(arguments.aggregate, *old, score);
            // Set leaves an equal score alone, but -0 with 0 added to it is 0.
            if (std::signbit(score) != std::signbit(*old)) result->Remove(entry.member);
          }
          put(entry.member, score);
        });
      }
      break;
    case Operation::kDifference: {
      const auto& sources = arguments.sources;
      sources[0].ForEach([&](const Zset::Entry& entry) {
        const bool in_other =
            std::any_of(sources.begin() + 1, sources.end(), [&](const Source& other) {
              return other.SameAs(sources[0]) || other.Score(entry.member).has_value();
            });
        if (!in_other) put(entry.member, entry.score);
      });
      break;
    }
  }
  return result;
}

void Reply(Call& call, Operation operation) {
  const auto arguments = Parse(call, 1, operation, Output::kReply);
  if (!arguments) return;
  const auto result = Compute(call, *arguments, operation);
  ReplyMemberCount(call, result->size(), arguments->with_scores);
  result->ForEach(
      [&](const Zset::Entry& entry) { ReplyMember(call, entry, arguments->with_scores); });
}

void Store(Call& call, Operation operation, std::string_view event) {
  const auto arguments = Parse(call, 2, operation, Output::kStore);
  if (!arguments) return;
  auto result = Compute(call, *arguments, operation);
  result->Pack(call.limits.encoding);
  const auto count = static_cast<int64_t>(result->size());
  StoreResult(call, 1, std::move(result), {'z', event});
  call.reply.Integer(count);
}

void Zunion(Call& call) { Reply(call, Operation::kUnion); }
void Zinter(Call& call) { Reply(call, Operation::kIntersection); }
void Zdiff(Call& call) { Reply(call, Operation::kDifference); }
void Zunionstore(Call& call) { Store(call, Operation::kUnion, "zunionstore"); }
void Zinterstore(Call& call) { Store(call, Operation::kIntersection, "zinterstore"); }
void Zdiffstore(Call& call) { Store(call, Operation::kDifference, "zdiffstore"); }

void Zintercard(Call& call) {
  const auto arguments = Parse(call, 1, Operation::kIntersection, Output::kCount);
  if (!arguments) return;
  uint64_t count = 0;
  Intersect(*arguments, [&](std::string_view, double) { return ++count != arguments->limit; });
  call.reply.Integer(static_cast<int64_t>(count));
}

constexpr uint32_t kReadsSources = kReadOnly | kMovableKeys;
constexpr uint32_t kStoresSources = kStores | kMovableKeys;

constexpr Keys kSources{CountedKeys(1, "RO access")};
constexpr Keys kTargetAndSources{KeyAt(1, "OW update"), CountedKeys(2, "RO access")};

constexpr Command kSortedSetAlgebraCommands[] = {
    SortedSetRow("zdiff", -3, kReadsSources, Zdiff, "6.2.0", "numkeys key... [WITHSCORES]",
                 "Returns the members of the first set that are in no other.", kSources)
        .Costs("O(L+(N-K)*log(N)), L: members of all, N: of the first, K: of the result"),
    SortedSetRow("zdiffstore", -4, kStoresSources, Zdiffstore, "6.2.0",
                 "destination numkeys key...", "Stores what ZDIFF returns.", kTargetAndSources)
        .Costs("O(L+(N-K)*log(N)), L: members of all, N: of the first, K: of the result"),
    SortedSetRow("zinter", -3, kReadsSources, Zinter, "6.2.0",
                 "numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]",
                 "Returns the members that all sets have.", kSources)
        .Costs("O(N*K+M*log(M)), N: members of the smallest, K: keys, M: members of the result"),
    SortedSetRow("zintercard", -3, kReadsSources, Zintercard, "7.0.0",
                 "numkeys key... [LIMIT limit]", "Counts the members that all sets have.", kSources)
        .Costs("O(N*K), N: members of the smallest, K: keys"),
    SortedSetRow("zinterstore", -4, kStoresSources, Zinterstore, "2.0.0",
                 "destination numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM|MIN|MAX)]",
                 "Stores what ZINTER returns.", kTargetAndSources)
        .Costs("O(N*K+M*log(M)), N: members of the smallest, K: keys, M: members of the result"),
    SortedSetRow("zunion", -3, kReadsSources, Zunion, "6.2.0",
                 "numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]",
                 "Returns the members of all sets.", kSources)
        .Costs("O(N+M*log(M)), N: members of all, M: members of the result"),
    SortedSetRow("zunionstore", -4, kStoresSources, Zunionstore, "2.0.0",
                 "destination numkeys key... [WEIGHTS weight...] [AGGREGATE (SUM|MIN|MAX)]",
                 "Stores what ZUNION returns.", kTargetAndSources)
        .Costs("O(N+M*log(M)), N: members of all, M: members of the result"),
};

}  // namespace

std::span<const Command> SortedSetAlgebraCommands() { return kSortedSetAlgebraCommands; }

}  // namespace terrace::commands
