// The set family: unions, intersections and differences.

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/numkeys.h"
#include "commands/registry.h"
#include "commands/type_row.h"
#include "commands/typed.h"

namespace terrace::commands {
namespace {

using keyspace::KeyEvent;
using keyspace::Set;

// The sets of these arguments, nullptr for an absent key; nullopt after an error.
std::optional<std::vector<const Set*>> FindAll(Call& call, size_t first, size_t count) {
  std::vector<const Set*> sets;
  sets.reserve(count);
  for (size_t i = first; i < first + count; ++i) {
    const auto set = Find<Set>(call, i);
    if (set.wrong_type) return std::nullopt;
    sets.push_back(set.object);
  }
  return sets;
}

bool IsSmaller(const Set* a, const Set* b) { return a->size() < b->size(); }

// visit(member) for each member that is in all sets, until it returns false.
template <typename Visit>
void Intersect(std::vector<const Set*> sets, Visit visit) {
  if (std::find(sets.begin(), sets.end(), nullptr) != sets.end()) return;
  // The smallest is walked, the others are asked, the likeliest to say no first.
  std::stable_sort(sets.begin(), sets.end(), IsSmaller);
  bool wants_more = true;
  sets[0]->ForEach([&](std::string_view member) {
    if (!wants_more) return;
    const bool in_all = std::all_of(sets.begin() + 1, sets.end(), [&](const Set* other) {
      return other == sets[0] || other->Contains(member);
    });
    if (in_all) wants_more = visit(member);
  });
}

// visit(member) for each member of the first set that is in no other.
template <typename Visit>
void Subtract(const std::vector<const Set*>& sets, Visit visit) {
  if (sets[0] == nullptr) return;
  sets[0]->ForEach([&](std::string_view member) {
    const bool in_other = std::any_of(sets.begin() + 1, sets.end(), [&](const Set* other) {
      return other != nullptr && (other == sets[0] || other->Contains(member));
    });
    if (!in_other) visit(member);
  });
}

std::unique_ptr<Set> Unite(const Call& call, const std::vector<const Set*>& sets) {
  auto result = std::make_unique<Set>();
  for (const Set* set : sets) {
    if (set == nullptr) continue;
    set->ForEach([&](std::string_view member) { result->Add(member, call.limits.encoding); });
  }
  return result;
}

void Sinter(Call& call) {
  const auto sets = FindAll(call, 1, call.argc() - 1);
  if (!sets) return;
  const auto mark = call.reply.Begin();
  size_t count = 0;
  Intersect(*sets, [&](std::string_view member) {
    call.reply.Bulk(member);
    ++count;
    return true;
  });
  call.reply.EndSet(mark, count);
}

void Sunion(Call& call) {
  const auto sets = FindAll(call, 1, call.argc() - 1);
  if (!sets) return;
  const auto result = Unite(call, *sets);
  call.reply.Set(result->size());
  result->ForEach([&](std::string_view member) { call.reply.Bulk(member); });
}

void Sdiff(Call& call) {
  const auto sets = FindAll(call, 1, call.argc() - 1);
  if (!sets) return;
  const auto mark = call.reply.Begin();
  size_t count = 0;
  Subtract(*sets, [&](std::string_view member) {
    call.reply.Bulk(member);
    ++count;
  });
  call.reply.EndSet(mark, count);
}

void Store(Call& call, std::unique_ptr<Set> result, KeyEvent event) {
  const auto count = static_cast<int64_t>(result->size());
  StoreResult(call, 1, std::move(result), event);
  call.reply.Integer(count);
}

// In the encoding that Redis gives it: it grows as a listpack, unless the smallest set is an
// intset, and becomes an intset in the end if it can be one.
std::unique_ptr<Set> IntersectionOf(const Call& call, const std::vector<const Set*>& sets) {
  const keyspace::EncodingLimits& limits = call.limits.encoding;
  if (std::find(sets.begin(), sets.end(), nullptr) != sets.end()) return std::make_unique<Set>();
  const Set* const smallest = *std::min_element(sets.begin(), sets.end(), IsSmaller);
  const bool is_intset = smallest->intset_bytes().has_value();
  auto result = is_intset ? std::make_unique<Set>() : std::make_unique<Set>(keyspace::Listpack());
  bool only_integers = true;
  Intersect(sets, [&](std::string_view member) {
    result->Add(member, limits);
    only_integers = only_integers && base::ParseInt64(member);
    return true;
  });
  if (is_intset || !only_integers || result->size() > limits.set_max_intset_entries) return result;
  auto integers = std::make_unique<Set>();
  result->ForEach([&](std::string_view member) { integers->Add(member, limits); });
  return integers;
}

void Sinterstore(Call& call) {
  const auto sets = FindAll(call, 2, call.argc() - 2);
  if (!sets) return;
  Store(call, IntersectionOf(call, *sets), {'s', "sinterstore"});
}

void Sunionstore(Call& call) {
  const auto sets = FindAll(call, 2, call.argc() - 2);
  if (!sets) return;
  Store(call, Unite(call, *sets), {'s', "sunionstore"});
}

void Sdiffstore(Call& call) {
  const auto sets = FindAll(call, 2, call.argc() - 2);
  if (!sets) return;
  auto result = std::make_unique<Set>();
  Subtract(*sets, [&](std::string_view member) { result->Add(member, call.limits.encoding); });
  Store(call, std::move(result), {'s', "sdiffstore"});
}

void Sintercard(Call& call) {
  const auto key_count = ParseNumkeys(call, 1, "ERR numkeys should be greater than 0");
  if (!key_count) return;
  const auto limit = ParseCardLimit(call, 2 + *key_count);
  if (!limit) return;
  const auto sets = FindAll(call, 2, *key_count);
  if (!sets) return;
  uint64_t count = 0;
  Intersect(*sets, [&](std::string_view) { return ++count < *limit; });
  call.reply.Integer(static_cast<int64_t>(count));
}

constexpr Keys kAllKeys{1, -1, 1};
constexpr Keys kTargetAndSources{KeyAt(1, "OW update"), KeysFrom(2, "RO access")};

constexpr Command kSetAlgebraCommands[] = {
    SetRow("sdiff", -2, kReadOnly, Sdiff, "1.0.0", "key...",
           "Returns the members of the first set that are in no other.", kAllKeys)
        .Costs("O(N), N: elements of all sets")
        .Tipped("nondeterministic_output_order"),
    SetRow("sdiffstore", -3, kStores, Sdiffstore, "1.0.0", "destination key...",
           "Stores what SDIFF returns.", kTargetAndSources)
        .Costs("O(N), N: elements of all sets"),
    SetRow("sinter", -2, kReadOnly, Sinter, "1.0.0", "key...",
           "Returns the members that all sets have.", kAllKeys)
        .Costs("O(N*M), N: members of the smallest set, M: sets")
        .Tipped("nondeterministic_output_order"),
    SetRow("sintercard", -3, kReadOnly | kMovableKeys, Sintercard, "7.0.0",
           "numkeys key... [LIMIT limit]", "Counts the members that all sets have.",
           {CountedKeys(1, "RO access")})
        .Costs("O(N*M), N: members of the smallest set, M: sets"),
    SetRow("sinterstore", -3, kStores, Sinterstore, "1.0.0", "destination key...",
           "Stores what SINTER returns.", {KeyAt(1, "RW update"), KeysFrom(2, "RO access")})
        .Costs("O(N*M), N: members of the smallest set, M: sets"),
    SetRow("sunion", -2, kReadOnly, Sunion, "1.0.0", "key...", "Returns the members of all sets.",
           kAllKeys)
        .Costs("O(N), N: elements of all sets")
        .Tipped("nondeterministic_output_order"),
    SetRow("sunionstore", -3, kStores, Sunionstore, "1.0.0", "destination key...",
           "Stores what SUNION returns.", kTargetAndSources)
        .Costs("O(N), N: elements of all sets"),
};

}  // namespace

std::span<const Command> SetAlgebraCommands() { return kSetAlgebraCommands; }

}  // namespace terrace::commands
