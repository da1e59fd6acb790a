// The set family. Unions, intersections and differences are in set_algebra.cc.

#include <string>
#include <vector>

#include "commands/call.h"
#include "commands/random_picks.h"
#include "commands/registry.h"
#include "commands/scan_options.h"
#include "commands/type_row.h"
#include "commands/typed.h"

namespace terrace::commands {
namespace {

using keyspace::KeyEvent;
using keyspace::Set;

constexpr KeyEvent kSadd{'s', "sadd"};
constexpr KeyEvent kSrem{'s', "srem"};
constexpr KeyEvent kSpop{'s', "spop"};

void Sadd(Call& call) {
  Draft<Set> set(call, 1);
  if (set.wrong_type()) return;
  const size_t count = call.argc() - 2;
  if (set.exists()) {
    set->Reserve(count, call.limits.encoding);
  } else {
    set.Create(Set::For(call.args[2], count, call.limits.encoding));
  }
  int64_t added = 0;
  for (size_t i = 2; i < call.argc(); ++i) added += set->Add(call.args[i], call.limits.encoding);
  if (added > 0) set.Commit(kSadd);
  call.reply.Integer(added);
}

void Srem(Call& call) {
  Draft<Set> set(call, 1);
  if (set.wrong_type()) return;
  if (!set.exists()) return call.reply.Integer(0);
  int64_t removed = 0;
  for (size_t i = 2; i < call.argc(); ++i) removed += set->Remove(call.args[i]);
  if (removed > 0) set.Commit(kSrem);
  call.reply.Integer(removed);
}

void Smove(Call& call) {
  const std::string_view member = call.args[3];
  if (call.db.Write(call.key(1)) == nullptr) return call.reply.Integer(0);
  {
    const Draft<Set> source(call, 1);
    if (source.wrong_type()) return;
    const Draft<Set> target(call, 2);
    if (target.wrong_type()) return;
  }
  {
    Draft<Set> source(call, 1);
    if (call.args[1] == call.args[2]) return call.reply.Integer(source->Contains(member));
    if (!source->Remove(member)) return call.reply.Integer(0);
    source.Commit(kSrem);
  }
  Draft<Set> target(call, 2);
  if (!target.exists()) target.Create(Set::For(member, 1, call.limits.encoding));
  if (target->Add(member, call.limits.encoding)) target.Commit(kSadd);
  call.reply.Integer(1);
}

void Scard(Call& call) {
  const auto set = Find<Set>(call, 1);
  if (set.wrong_type) return;
  call.reply.Integer(set ? static_cast<int64_t>(set.object->size()) : 0);
}

void Sismember(Call& call) {
  const auto set = Find<Set>(call, 1);
  if (set.wrong_type) return;
  call.reply.Integer(set && set.object->Contains(call.args[2]) ? 1 : 0);
}

void Smismember(Call& call) {
  const auto set = Find<Set>(call, 1);
  if (set.wrong_type) return;
  call.reply.Array(call.argc() - 2);
  for (size_t i = 2; i < call.argc(); ++i) {
    call.reply.Integer(set && set.object->Contains(call.args[i]) ? 1 : 0);
  }
}

void Smembers(Call& call) {
  const auto set = Find<Set>(call, 1);
  if (set.wrong_type) return;
  call.reply.Set(set ? set.object->size() : 0);
  if (set) set.object->ForEach([&](std::string_view member) { call.reply.Bulk(member); });
}

void Sscan(Call& call) {
  const auto cursor = ParseScanCursor(call, 2);
  if (!cursor) return;
  const auto set = Find<Set>(call, 1);
  if (set.wrong_type) return;
  if (!set) return ReplyEmptyScan(call);
  const auto options = ParseScanOptions(call, 3, ScanExtra::kNone);
  if (!options) return;
  ReplyScan(call, *cursor, *options,
            [&](uint64_t at, resp::Reply& out, uint64_t* visited, size_t* replies) {
              return set.object->Scan(at, [&](std::string_view member) {
                ++*visited;
                if (!options->Matches(member)) return;
                out.Bulk(member);
                ++*replies;
              });
            });
}

// visit(member) for `count` distinct members.
template <typename Visit>
void PickMembers(Call& call, const Set& set, size_t count, Visit visit) {
  base::Rng& rng = RngOf(call, 1);
  PickDistinct(
      set.size(), count, rng, [&](auto offer) { set.ForEach(offer); },
      [&](auto use) {
        base::Int64Text buffer;
        use(set.Random(rng, buffer));
      },
      [](std::string_view member) { return member; }, visit);
}

void Srandmember(Call& call) {
  if (call.argc() > 3) return call.reply.SyntaxError();
  std::optional<int64_t> count;
  if (call.argc() == 3) {
    count = ParsePickCount(call, 2, PickRange::kFull);
    if (!count) return;
  }
  const auto set = Find<Set>(call, 1);
  if (set.wrong_type) return;
  if (!set) return count ? call.reply.Array(0) : call.reply.Null();
  base::Int64Text buffer;
  if (!count) return call.reply.Bulk(set.object->Random(RngOf(call, 1), buffer));
  if (*count < 0) {
    const auto picks = static_cast<size_t>(-*count);
    call.reply.Array(picks);
    for (size_t i = 0; i < picks; ++i) {
      call.reply.Bulk(set.object->Random(RngOf(call, 1), buffer));
    }
    return;
  }
  const auto mark = call.reply.Begin();
  size_t replies = 0;
  PickMembers(call, *set.object, static_cast<size_t>(*count), [&](std::string_view member) {
    call.reply.Bulk(member);
    ++replies;
  });
  call.reply.EndArray(mark, replies);
}

void PopOne(Call& call) {
  Draft<Set> set(call, 1);
  if (set.wrong_type()) return;
  if (!set.exists()) return call.reply.Null();
  base::Int64Text buffer;
  const std::string member(set->Random(RngOf(call, 1), buffer));
  set->Remove(member);
  set.Commit(kSpop);
  call.RepeatAs({"SREM", call.args[1], member});
  call.reply.Bulk(member);
}

void Spop(Call& call) {
  if (call.argc() == 2) return PopOne(call);
  if (call.argc() > 3) return call.reply.SyntaxError();
  const auto count = call.NonNegativeInteger(2);
  if (!count) return;
  Draft<Set> set(call, 1);
  if (set.wrong_type()) return;
  if (!set.exists() || *count == 0) return call.reply.Set(0);
  if (static_cast<size_t>(*count) >= set->size()) {
    call.reply.Set(set->size());
    set->ForEach([&](std::string_view member) { call.reply.Bulk(member); });
    call.db.Changed(call.key(1), call.db.Write(call.key(1)), kSpop);
    call.db.Remove(call.key(1), keyspace::events::kDel);
    call.RepeatAs({call.RemovalName(call.limits.lazy_server_del), call.args[1]});
    return;
  }
  std::vector<std::string> popped;
  PickMembers(call, *set, static_cast<size_t>(*count),
              [&](std::string_view member) { popped.emplace_back(member); });
  call.reply.Set(popped.size());
  for (const std::string& member : popped) {
    set->Remove(member);
    call.RepeatAs({"SREM", call.args[1], member});
    call.reply.Bulk(member);
  }
  set.Commit(kSpop);
}

constexpr Command kSetCommands[] = {
    SetRow("sadd", -3, kWrite | kDenyOom | kFast, Sadd, "1.0.0", "key member...", "Adds members.",
           {1, 1, 1, "RW insert"})
        .Costs("O(N), N: members given"),
    SetRow("scard", 2, kReads, Scard, "1.0.0", "key", "Counts the members.", {1, 1, 1, "RO"}),
    SetRow("sismember", 3, kReads, Sismember, "1.0.0", "key member",
           "Tells whether a member is in the set.", {1, 1, 1, "RO"}),
    SetRow("smembers", 2, kReadOnly, Smembers, "1.0.0", "key", "Returns all members.")
        .Costs("O(N), N: members")
        .Tipped("nondeterministic_output_order"),
    SetRow("smismember", -3, kReads, Smismember, "6.2.0", "key member...",
           "Tells which of several are members.")
        .Costs("O(N), N: members given"),
    SetRow("smove", 4, kWrite | kFast, Smove, "1.0.0", "source destination member",
           "Moves a member to another set.", kTakenThenPut),
    SetRow("spop", -2, kWrite | kFast, Spop, "1.0.0", "key [count]",
           "Removes random members and returns them.", {1, 1, 1, "RW access delete"})
        .Costs("O(N), N: members removed")
        .Tipped("nondeterministic_output"),
    SetRow("srandmember", -2, kReadOnly | kRunsBelow, Srandmember, "1.0.0", "key [count]",
           "Returns random members.")
        .Costs("O(N), N: members answered")
        .Tipped("nondeterministic_output"),
    SetRow("srem", -3, kWrite | kFast, Srem, "1.0.0", "key member...",
           "Removes members; the last one takes the key.", {1, 1, 1, "RW delete"})
        .Costs("O(N), N: members given"),
    SetRow("sscan", -3, kReadOnly, Sscan, "2.8.0", "key cursor [MATCH pattern] [COUNT count]",
           "Walks over the members in steps.")
        .Costs("O(1) a call, O(N) for all, N: elements")
        .Tipped("nondeterministic_output"),
};

}  // namespace

std::span<const Command> SetCommands() { return kSetCommands; }

}  // namespace terrace::commands
