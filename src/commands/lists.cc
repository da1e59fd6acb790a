// The list family.

#include <algorithm>
#include <limits>
#include <string>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/list_values.h"
#include "commands/numkeys.h"
#include "commands/registry.h"
#include "commands/type_row.h"

namespace terrace::commands {
namespace {

using keyspace::List;
using keyspace::ListEnd;
using keyspace::ListSide;

enum class IfAbsent : uint8_t { kCreate, kSkip };

void Push(Call& call, ListEnd end, IfAbsent if_absent) {
  Draft<List> list(call, 1);
  if (list.wrong_type()) return;
  if (!list.exists() && if_absent == IfAbsent::kSkip) return call.reply.Integer(0);
  list->Push(end, call.args.subspan(2), call.limits.encoding);
  call.reply.Integer(static_cast<int64_t>(list->size()));
  list.Commit({'l', end == ListEnd::kHead ? "lpush" : "rpush"});
}

void Lpush(Call& call) { Push(call, ListEnd::kHead, IfAbsent::kCreate); }
void Rpush(Call& call) { Push(call, ListEnd::kTail, IfAbsent::kCreate); }
void Lpushx(Call& call) { Push(call, ListEnd::kHead, IfAbsent::kSkip); }
void Rpushx(Call& call) { Push(call, ListEnd::kTail, IfAbsent::kSkip); }

void Pop(Call& call, ListEnd end) {
  if (call.argc() > 3) {
    return call.reply.Error("ERR wrong number of arguments for '" + std::string(call.command.name) +
                            "' command");
  }
  const bool has_count = call.argc() == 3;
  size_t count = 1;
  if (has_count) {
    const auto wanted = call.NonNegativeInteger(2);
    if (!wanted) return;
    count = static_cast<size_t>(*wanted);
  }
  Draft<List> list(call, 1);
  if (list.wrong_type()) return;
  if (!list.exists()) return has_count ? call.reply.NullArray() : call.reply.Null();
  if (count == 0) return call.reply.Array(0);
  if (has_count) return PopElements(call, list, end, count);
  ReplyElement(call.reply, list->Get(list->Seek(end == ListEnd::kHead ? 0 : -1)));
  list->Erase(end == ListEnd::kHead ? 0 : list->size() - 1, 1, call.limits.encoding);
  list.Commit({'l', end == ListEnd::kHead ? "lpop" : "rpop"});
}

void Lpop(Call& call) { Pop(call, ListEnd::kHead); }
void Rpop(Call& call) { Pop(call, ListEnd::kTail); }

void Llen(Call& call) {
  const auto list = Find<List>(call, 1);
  if (list.wrong_type) return;
  call.reply.Integer(list ? static_cast<int64_t>(list.object->size()) : 0);
}

void Lindex(Call& call) {
  const auto list = Find<List>(call, 1);
  if (list.wrong_type) return;
  if (!list) return call.reply.Null();
  const std::optional<int64_t> index = call.Integer(2);
  if (!index) return;
  const List::Cursor at = list.object->Seek(*index);
  if (!at.valid()) return call.reply.Null();
  ReplyElement(call.reply, list.object->Get(at));
}

void Lset(Call& call) {
  Draft<List> list(call, 1);
  if (list.wrong_type()) return;
  if (!list.exists()) return call.reply.NoSuchKey();
  const std::optional<int64_t> index = call.Integer(2);
  if (!index) return;
  if (!list->Set(*index, call.args[3], call.limits.encoding)) {
    return call.reply.Error("ERR index out of range");
  }
  list.Commit({'l', "lset"});
  call.reply.Ok();
}

void Linsert(Call& call) {
  const bool after = call.Is(2, "after");
  if (!after && !call.Is(2, "before")) return call.reply.SyntaxError();
  Draft<List> list(call, 1);
  if (list.wrong_type()) return;
  if (!list.exists()) return call.reply.Integer(0);
  List::Cursor at = list->Seek(0);
  while (at.valid() && !list->Equals(at, call.args[3])) at = list->Next(at);
  if (!at.valid()) return call.reply.Integer(-1);
  list->Insert(at, after ? ListSide::kAfter : ListSide::kBefore, call.args[4],
               call.limits.encoding);
  call.reply.Integer(static_cast<int64_t>(list->size()));
  list.Commit({'l', "linsert"});
}

// The elements that LRANGE and LTRIM speak of, of a list of this size.
struct ElementRange {
  size_t first = 0;
  size_t count = 0;
};

ElementRange RangeOf(int64_t start, int64_t stop, size_t list_size) {
  const auto size = static_cast<int64_t>(list_size);
  if (start < 0) start = std::max<int64_t>(start + size, 0);
  if (stop < 0) stop += size;
  stop = std::min(stop, size - 1);
  if (start > stop) return {};
  return {static_cast<size_t>(start), static_cast<size_t>(stop - start + 1)};
}

void Lrange(Call& call) {
  const std::optional<int64_t> start = call.Integer(2);
  if (!start) return;
  const std::optional<int64_t> stop = call.Integer(3);
  if (!stop) return;
  const auto list = Find<List>(call, 1);
  if (list.wrong_type) return;
  if (!list) return call.reply.Array(0);
  const ElementRange range = RangeOf(*start, *stop, list.object->size());
  call.reply.Array(range.count);
  if (range.count == 0) return;
  List::Cursor at = list.object->Seek(static_cast<int64_t>(range.first));
  for (size_t i = 0; i < range.count; ++i, at = list.object->Next(at)) {
    ReplyElement(call.reply, list.object->Get(at));
  }
}

void Ltrim(Call& call) {
  const std::optional<int64_t> start = call.Integer(2);
  if (!start) return;
  const std::optional<int64_t> stop = call.Integer(3);
  if (!stop) return;
  Draft<List> list(call, 1);
  if (list.wrong_type()) return;
  if (!list.exists()) return call.reply.Ok();
  const ElementRange kept = RangeOf(*start, *stop, list->size());
  list->Erase(kept.first + kept.count, list->size(), call.limits.encoding);
  list->Erase(0, kept.first, call.limits.encoding);
  list.Commit({'l', "ltrim"});
  call.reply.Ok();
}

void Lrem(Call& call) {
  const auto count = call.speaks_valkey() ? call.NegatableInteger(2) : call.Integer(2);
  if (!count) return;
  Draft<List> list(call, 1);
  if (list.wrong_type()) return;
  if (!list.exists()) return call.reply.Integer(0);
  const size_t removed = list->Remove(*count, call.args[3], call.limits.encoding);
  if (removed > 0) list.Commit({'l', "lrem"});
  call.reply.Integer(static_cast<int64_t>(removed));
}

struct LposOptions {
  uint64_t rank = 1;
  bool backward = false;
  bool has_count = false;
  uint64_t count = 1;       // 0: all
  uint64_t length_max = 0;  // elements to look at; 0: all
};

// Replies the error and returns false unless the argument is a number of at least zero.
bool ParseNotNegative(Call& call, size_t argument, std::string_view error, uint64_t* value) {
  const auto number = base::ParseInt64(call.args[argument]);
  if (!number || *number < 0) {
    call.reply.Error(error);
    return false;
  }
  *value = static_cast<uint64_t>(*number);
  return true;
}

bool ParseRank(Call& call, size_t argument, LposOptions* options) {
  const std::optional<int64_t> rank = call.NegatableInteger(argument);
  if (!rank) return false;
  if (*rank == 0) {
    call.reply.Error(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
        "negative to start from the end of the list");
    return false;
  }
  options->backward = *rank < 0;
  options->rank = static_cast<uint64_t>(*rank < 0 ? -*rank : *rank);
  return true;
}

bool ParseLpos(Call& call, LposOptions* options) {
  for (size_t i = 3; i < call.argc(); i += 2) {
    const bool has_value = i + 1 < call.argc();
    if (has_value && call.Is(i, "rank")) {
      if (!ParseRank(call, i + 1, options)) return false;
    } else if (has_value && call.Is(i, "count")) {
      options->has_count = true;
      if (!ParseNotNegative(call, i + 1, "ERR COUNT can't be negative", &options->count)) {
        return false;
      }
    } else if (has_value && call.Is(i, "maxlen")) {
      if (!ParseNotNegative(call, i + 1, "ERR MAXLEN can't be negative", &options->length_max)) {
        return false;
      }
    } else {
      call.reply.SyntaxError();
      return false;
    }
  }
  return true;
}

// visit(index) for each match that the options ask for.
template <typename Visit>
void ForEachMatch(const List& list, std::string_view element, const LposOptions& options,
                  Visit visit) {
  const uint64_t looked_at_max =
      options.length_max == 0 ? list.size() : std::min<uint64_t>(options.length_max, list.size());
  const uint64_t last_rank = options.count == 0 ? std::numeric_limits<uint64_t>::max()
                                                : options.rank + (options.count - 1);
  uint64_t rank = 0;
  List::Cursor at = list.Seek(options.backward ? -1 : 0);
  for (uint64_t i = 0; i < looked_at_max; ++i) {
    if (list.Equals(at, element) && ++rank >= options.rank) {
      visit(options.backward ? list.size() - 1 - i : i);
      if (rank == last_rank) return;
    }
    at = options.backward ? list.Previous(at) : list.Next(at);
  }
}

void Lpos(Call& call) {
  LposOptions options;
  if (!ParseLpos(call, &options)) return;
  const auto list = Find<List>(call, 1);
  if (list.wrong_type) return;
  if (!list) return options.has_count ? call.reply.Array(0) : call.reply.Null();
  const resp::Reply::Mark mark = call.reply.Begin();
  size_t found = 0;
  ForEachMatch(*list.object, call.args[2], options, [&](uint64_t index) {
    ++found;
    call.reply.Integer(static_cast<int64_t>(index));
  });
  if (options.has_count) return call.reply.EndArray(mark, found);
  if (found == 0) call.reply.Null();
}

void Lmove(Call& call) {
  const std::optional<ListEnd> from = ParseListEnd(call, 3);
  if (!from) return;
  const std::optional<ListEnd> to = ParseListEnd(call, 4);
  if (!to) return;
  if (!MoveElement(call, *from, *to)) call.reply.Null();
}

void Rpoplpush(Call& call) {
  if (!MoveElement(call, ListEnd::kTail, ListEnd::kHead)) call.reply.Null();
}

void Lmpop(Call& call) {
  const std::optional<MultiPop> arguments = ParseListMultiPop(call, 1);
  if (!arguments) return;
  if (!PopFromFirst(call, *arguments)) call.reply.NullArray();
}

constexpr Command kListCommands[] = {
    {.name = "lpush",
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kList,
     .keys = {1, 1, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = Lpush,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key element...",
     .summary = "Puts elements at the head of a list, creating it if needed.",
     .complexity = "O(N), N: elements given"},
    {.name = "rpush",
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kList,
     .keys = {1, 1, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = Rpush,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key element...",
     .summary = "Puts elements at the tail of a list, creating it if needed.",
     .complexity = "O(N), N: elements given"},
    {.name = "lpushx",
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kList,
     .keys = {1, 1, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = Lpushx,
     .group = "list",
     .since = "2.2.0",
     .syntax = "key element...",
     .summary = "Puts elements at the head of a list that exists.",
     .complexity = "O(N), N: elements given"},
    {.name = "rpushx",
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kList,
     .keys = {1, 1, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = Rpushx,
     .group = "list",
     .since = "2.2.0",
     .syntax = "key element...",
     .summary = "Puts elements at the tail of a list that exists.",
     .complexity = "O(N), N: elements given"},
    {.name = "lpop",
     .arity = -2,
     .flags = kWrite | kFast,
     .categories = kList,
     .keys = {1, 1, 1, "RW access delete"},
     .resolve = Resolve::kValue,
     .handler = Lpop,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key [count]",
     .summary = "Takes elements from the head of a list.",
     .complexity = "O(N), N: elements removed"},
    {.name = "rpop",
     .arity = -2,
     .flags = kWrite | kFast,
     .categories = kList,
     .keys = {1, 1, 1, "RW access delete"},
     .resolve = Resolve::kValue,
     .handler = Rpop,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key [count]",
     .summary = "Takes elements from the tail of a list.",
     .complexity = "O(N), N: elements removed"},
    {.name = "llen",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kList,
     .keys = {1, 1, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Llen,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key",
     .summary = "Returns the length of a list."},
    {.name = "lindex",
     .arity = 3,
     .flags = kReadOnly,
     .categories = kList,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Lindex,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key index",
     .summary = "Returns the element at an index of a list.",
     .complexity = "O(N), N: nodes passed on the way"},
    {.name = "lset",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .categories = kList,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Lset,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key index element",
     .summary = "Replaces the element at an index of a list.",
     .complexity = "O(N), N: nodes passed on the way"},
    {.name = "linsert",
     .arity = 5,
     .flags = kWrite | kDenyOom,
     .categories = kList,
     .keys = {1, 1, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = Linsert,
     .group = "list",
     .since = "2.2.0",
     .syntax = "key (where: BEFORE|AFTER) pivot element",
     .summary = "Puts an element before or after another one.",
     .complexity = "O(N), N: elements passed on the way"},
    {.name = "lrange",
     .arity = 4,
     .flags = kReadOnly,
     .categories = kList,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Lrange,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key start stop",
     .summary = "Returns the elements of a list between two indexes.",
     .complexity = "O(S+N), S: nodes passed on the way, N: elements answered"},
    {.name = "ltrim",
     .arity = 4,
     .flags = kWrite,
     .categories = kList,
     .keys = {1, 1, 1, "RW delete"},
     .resolve = Resolve::kValue,
     .handler = Ltrim,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key start stop",
     .summary = "Removes the elements of a list outside two indexes.",
     .complexity = "O(N), N: elements removed"},
    {.name = "lrem",
     .arity = 4,
     .flags = kWrite,
     .categories = kList,
     .keys = {1, 1, 1, "RW delete"},
     .resolve = Resolve::kValue,
     .handler = Lrem,
     .group = "list",
     .since = "1.0.0",
     .syntax = "key count element",
     .summary = "Removes elements that equal a value.",
     .complexity = "O(N), N: elements passed on the way"},
    {.name = "lpos",
     .arity = -3,
     .flags = kReadOnly,
     .categories = kList,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Lpos,
     .group = "list",
     .since = "6.0.6",
     .syntax = "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
     .summary = "Returns the indexes of elements that equal a value.",
     .complexity = "O(N), N: elements passed on the way"},
    {.name = "lmove",
     .arity = 5,
     .flags = kWrite | kDenyOom,
     .categories = kList,
     .keys = kTakenThenPut,
     .resolve = Resolve::kValue,
     .handler = Lmove,
     .group = "list",
     .since = "6.2.0",
     .syntax = "source destination (wherefrom: LEFT|RIGHT) (whereto: LEFT|RIGHT)",
     .summary = "Moves an element from an end of a list to an end of another."},
    {.name = "rpoplpush",
     .arity = 3,
     .flags = kWrite | kDenyOom,
     .categories = kList,
     .keys = kTakenThenPut,
     .resolve = Resolve::kValue,
     .handler = Rpoplpush,
     .group = "list",
     .since = "1.2.0",
     .syntax = "source destination",
     .summary = "Moves the last element of a list to the head of another.",
     .deprecated = {"6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"}},
    {.name = "lmpop",
     .arity = -4,
     .flags = kWrite | kMovableKeys,
     .categories = kList,
     .keys = {CountedKeys(1, "RW access delete")},
     .resolve = Resolve::kValue,
     .handler = Lmpop,
     .group = "list",
     .since = "7.0.0",
     .syntax = "numkeys key... (where: LEFT|RIGHT) [COUNT count]",
     .summary = "Takes elements from the first of several lists that exists.",
     .complexity = "O(K+M), K: keys, M: elements removed"},
};

}  // namespace

std::span<const Command> ListCommands() { return kListCommands; }

}  // namespace terrace::commands
