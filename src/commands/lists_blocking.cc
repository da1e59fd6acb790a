// The list commands that wait.

#include <vector>

#include "commands/list_values.h"
#include "commands/numkeys.h"
#include "commands/registry.h"
#include "commands/wait.h"

namespace terrace::commands {
namespace {

using keyspace::ListEnd;
using keyspace::Type;

void BlockingPop(Call& call, ListEnd end) {
  const std::optional<int64_t> deadline_ms = ParseTimeoutSeconds(call, call.argc() - 1);
  if (!deadline_ms) return;
  const size_t key_count = call.argc() - 2;
  if (!PopOneFromFirst(call, 1, key_count, end))
    WaitForKeys(call, Type::kList, 1, key_count, *deadline_ms);
}

void Blpop(Call& call) { BlockingPop(call, ListEnd::kHead); }
void Brpop(Call& call) { BlockingPop(call, ListEnd::kTail); }

// repeats_as: the command that does not wait.
void BlockingMove(Call& call, ListEnd from, ListEnd to, size_t timeout_argument,
                  std::string_view repeats_as) {
  const std::optional<int64_t> deadline_ms = ParseTimeoutSeconds(call, timeout_argument);
  if (!deadline_ms) return;
  const uint64_t errors = call.reply.error_count();
  if (MoveElement(call, from, to)) {
    if (call.reply.error_count() != errors) return;
    std::vector<std::string_view> arguments(call.args.begin(), call.args.end());
    arguments[0] = repeats_as;
    arguments.pop_back();  // the timeout
    return call.RepeatAs(arguments);
  }
  if (!call.may_wait()) return call.reply.Null();
  WaitForKeys(call, Type::kList, 1, 1, *deadline_ms);
}

void Blmove(Call& call) {
  const std::optional<ListEnd> from = ParseListEnd(call, 3);
  if (!from) return;
  const std::optional<ListEnd> to = ParseListEnd(call, 4);
  if (!to) return;
  BlockingMove(call, *from, *to, 5, "LMOVE");
}

void Brpoplpush(Call& call) { BlockingMove(call, ListEnd::kTail, ListEnd::kHead, 3, "RPOPLPUSH"); }

void Blmpop(Call& call) {
  const std::optional<int64_t> deadline_ms = ParseTimeoutSeconds(call, 1);
  if (!deadline_ms) return;
  const auto arguments = ParseListMultiPop(call, 2);
  if (!arguments || PopFromFirst(call, *arguments)) return;
  WaitForKeys(call, Type::kList, arguments->first_key, arguments->key_count, *deadline_ms);
}

constexpr Command kListBlockingCommands[] = {
    BlockingRow(
        kList, "list", "blpop", -3, 0, {1, -2, 1, "RW access delete"}, Blpop, "2.0.0",
        "key... timeout",
        "Takes the first element of the first of several lists that has one, or waits for one.")
        .Costs("O(K), K: keys"),
    BlockingRow(
        kList, "list", "brpop", -3, 0, {1, -2, 1, "RW access delete"}, Brpop, "2.0.0",
        "key... timeout",
        "Takes the last element of the first of several lists that has one, or waits for one.")
        .Costs("O(K), K: keys"),
    BlockingRow(kList, "list", "blmove", 6, kDenyOom, kTakenThenPut, Blmove, "6.2.0",
                "source destination (wherefrom: LEFT|RIGHT) (whereto: LEFT|RIGHT) timeout",
                "Moves an element from an end of a list to an end of another, or waits for one."),
    Deprecated(
        BlockingRow(kList, "list", "brpoplpush", 4, kDenyOom, kTakenThenPut, Brpoplpush, "2.2.0",
                    "source destination timeout",
                    "Moves the last element of a list to the head of another, or waits for one."),
        "6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    BlockingRow(kList, "list", "blmpop", -5, kMovableKeys, {CountedKeys(2, "RW access delete")},
                Blmpop, "7.0.0", "timeout numkeys key... (where: LEFT|RIGHT) [COUNT count]",
                "Takes elements from the first of several lists that exists, or waits for one.")
        .Costs("O(K+M), K: keys, M: elements removed"),
};

}  // namespace

std::span<const Command> ListBlockingCommands() { return kListBlockingCommands; }

}  // namespace terrace::commands
