// The stream family: entries. Groups are in stream_groups.cc and stream_claim.cc, reading in
// stream_read.cc, XINFO in stream_info.cc.

#include <algorithm>
#include <string>
#include <vector>

#include "commands/call.h"
#include "commands/registry.h"
#include "commands/stream_effects.h"
#include "commands/stream_trim.h"
#include "commands/stream_values.h"

namespace terrace::commands {
namespace {

using keyspace::KeyEvent;
using keyspace::Stream;
using keyspace::StreamAddStatus;
using keyspace::StreamCounters;
using keyspace::StreamId;
using keyspace::StreamNewId;
using keyspace::StreamReader;

constexpr KeyEvent kXtrim{'t', "xtrim"};

void Xadd(Call& call) {
  std::optional<StreamAddOptions> options = ParseStreamOptions(call, StreamOptionsOf::kXadd);
  if (!options) return;
  const size_t first_field = options->id_argument + 1;
  if (first_field + 2 > call.argc() || (call.argc() - first_field) % 2 != 0) {
    return call.reply.Error("ERR wrong number of arguments for 'xadd' command");
  }
  StreamNewId& id = options->id;
  if (id.kind == StreamNewId::Kind::kGiven && id.id.IsZero()) {
    return call.reply.Error("ERR The ID specified in XADD must be greater than 0-0");
  }
  id.now_ms = StreamNowMs(call);
  Draft<Stream> stream(call, 1);
  if (stream.wrong_type()) return;
  if (!stream.exists() && !options->create) return call.reply.Null();
  if (stream->counters().last_id == StreamId::Max()) {
    return call.reply.Error(
        "ERR The stream has exhausted the last possible ID, unable to add more items");
  }
  StreamId added;
  switch (stream->Add(id, call.args.subspan(first_field), call.limits.encoding, &added)) {
    case StreamAddStatus::kIdTooSmall:
      return call.reply.Error(
          "ERR The ID specified in XADD is equal or smaller than the target stream top item");
    case StreamAddStatus::kTooLarge:
      return call.reply.Error("ERR Elements are too large to be stored");
    case StreamAddStatus::kAdded:
      break;
  }
  const uint64_t trimmed = options->trim ? stream->Trim(*options->trim) : 0;
  stream.Commit({'t', "xadd"});
  if (trimmed > 0) Draft<Stream>(call, 1).Commit(kXtrim);
  RepeatAdd(call, *options, *Draft<Stream>(call, 1), added, trimmed);
  ReplyId(call.reply, added);
}

void Xtrim(Call& call) {
  const std::optional<StreamAddOptions> options = ParseStreamOptions(call, StreamOptionsOf::kXtrim);
  if (!options) return;
  Draft<Stream> stream(call, 1);
  if (stream.wrong_type()) return;
  if (!stream.exists()) return call.reply.Integer(0);
  const uint64_t trimmed = stream->Trim(*options->trim);
  if (trimmed > 0) {
    stream.Commit(kXtrim);
    RepeatTrim(call, *options, *stream);
  }
  call.reply.Integer(static_cast<int64_t>(trimmed));
}

void Xdel(Call& call) {
  Draft<Stream> stream(call, 1);
  if (stream.wrong_type()) return;
  if (!stream.exists()) return call.reply.Integer(0);
  std::vector<StreamId> ids;
  for (size_t i = 2; i < call.argc(); ++i) {
    const std::optional<StreamId> id = ParseStreamId(call, i);
    if (!id) return;
    ids.push_back(*id);
  }
  int64_t deleted = 0;
  for (const StreamId id : ids) deleted += stream->Delete(id);
  if (deleted > 0) stream.Commit({'t', "xdel"});
  call.reply.Integer(deleted);
}

void Xlen(Call& call) {
  const auto stream = Find<Stream>(call, 1);
  if (stream.wrong_type) return;
  call.reply.Integer(stream ? static_cast<int64_t>(stream.object->size()) : 0);
}

// [COUNT count] ...; nullopt after an error. Without one, *has_count stays false.
std::optional<uint64_t> ParseCount(Call& call, size_t argument, bool* has_count) {
  int64_t count = 0;
  for (size_t i = argument; i < call.argc(); i += 2) {
    if (!call.Is(i, "count") || i + 1 == call.argc()) {
      call.reply.SyntaxError();
      return std::nullopt;
    }
    const std::optional<int64_t> value = call.Integer(i + 1);
    if (!value) return std::nullopt;
    *has_count = true;
    count = std::max<int64_t>(*value, 0);
  }
  return static_cast<uint64_t>(count);
}

void Range(Call& call, StreamReader::Direction direction) {
  const bool forward = direction == StreamReader::Direction::kForward;
  const std::optional<StreamId> from = ParseRangeId(call, forward ? 2 : 3, RangeEnd::kStart);
  if (!from) return;
  const std::optional<StreamId> to = ParseRangeId(call, forward ? 3 : 2, RangeEnd::kStop);
  if (!to) return;
  bool has_count = false;
  const std::optional<uint64_t> count = ParseCount(call, 4, &has_count);
  if (!count) return;
  const auto stream = Find<Stream>(call, 1);
  if (stream.wrong_type) return;
  if (!stream) return call.reply.Array(0);
  if (has_count && *count == 0) return call.reply.NullArray();
  ReplyEntries(call.reply, StreamReader(*stream.object, *from, *to, direction), *count);
}

void Xrange(Call& call) { Range(call, StreamReader::Direction::kForward); }
void Xrevrange(Call& call) { Range(call, StreamReader::Direction::kBackward); }

struct SetIdOptions {
  StreamId last_id;
  StreamId max_deleted_id;
  std::optional<int64_t> entries_added;
};

std::optional<SetIdOptions> ParseSetId(Call& call) {
  SetIdOptions options;
  const auto fail = [&](std::string_view error) {
    call.reply.Error(error);
    return std::nullopt;
  };
  const std::optional<StreamId> last_id = ParseStreamId(call, 2);
  if (!last_id) return std::nullopt;
  options.last_id = *last_id;
  for (size_t i = 3; i < call.argc(); i += 2) {
    const bool has_value = i + 1 < call.argc();
    if (has_value && call.Is(i, "entriesadded")) {
      options.entries_added = call.Integer(i + 1);
      if (!options.entries_added) return std::nullopt;
      if (*options.entries_added < 0) return fail("ERR entries_added must be positive");
    } else if (has_value && call.Is(i, "maxdeletedid")) {
      const std::optional<StreamId> id = ParseStreamId(call, i + 1);
      if (!id) return std::nullopt;
      if (*last_id < *id) {
        return fail(
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
      }
      options.max_deleted_id = *id;
    } else {
      return fail("ERR syntax error");
    }
  }
  return options;
}

void Xsetid(Call& call) {
  const std::optional<SetIdOptions> options = ParseSetId(call);
  if (!options) return;
  Draft<Stream> stream(call, 1);
  if (stream.wrong_type()) return;
  if (!stream.exists()) return call.reply.NoSuchKey();
  StreamCounters counters = stream->counters();
  if (options->last_id < counters.max_deleted_id) {
    return call.reply.Error(
        "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
  }
  if (stream->size() > 0) {
    if (options->last_id < stream->LastEntryId()) {
      return call.reply.Error(
          "ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    if (options->entries_added && stream->size() > static_cast<uint64_t>(*options->entries_added)) {
      return call.reply.Error(
          "ERR The entries_added specified in XSETID is smaller than the target stream length");
    }
  }
  counters.last_id = options->last_id;
  if (options->entries_added)
    counters.entries_added = static_cast<uint64_t>(*options->entries_added);
  if (!options->max_deleted_id.IsZero()) counters.max_deleted_id = options->max_deleted_id;
  stream->SetCounters(counters);
  stream.CommitBeside({'t', "xsetid"});
  call.reply.Ok();
}

constexpr Command kStreamCommands[] = {
    {.name = "xadd",
     .arity = -5,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kStream,
     .keys = {Noted(KeyAt(1, "RW update"),
                    "UPDATE instead of INSERT because of the optional trimming feature")},
     .resolve = Resolve::kValue,
     .handler = Xadd,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key [NOMKSTREAM] [trim: (strategy: MAXLEN|MINID) "
               "[operator: equal==|approximately=~] threshold [LIMIT count]] "
               "(id-selector: auto-id=*|id) (data: field value)...",
     .summary = "Appends an entry to a stream, creating it if needed.",
     .complexity = "O(1), and O(N) for N entries trimmed",
     .tips = "nondeterministic_output"},
    {.name = "xtrim",
     .arity = -4,
     .flags = kWrite,
     .categories = kStream,
     .keys = {1, 1, 1, "RW delete"},
     .resolve = Resolve::kValue,
     .handler = Xtrim,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key (trim: (strategy: MAXLEN|MINID) "
               "[operator: equal==|approximately=~] threshold [LIMIT count])",
     .summary = "Removes the oldest entries of a stream.",
     .complexity = "O(N), N: entries trimmed",
     .tips = "nondeterministic_output"},
    {.name = "xdel",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = kStream,
     .keys = {1, 1, 1, "RW delete"},
     .resolve = Resolve::kValue,
     .handler = Xdel,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key id...",
     .summary = "Removes entries by id.",
     .complexity = "O(N), N: ids given"},
    {.name = "xlen",
     .arity = 2,
     .flags = kReadOnly | kFast,
     .categories = kStream,
     .keys = {1, 1, 1, "RO"},
     .resolve = Resolve::kValue,
     .handler = Xlen,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key",
     .summary = "Returns the number of entries of a stream."},
    {.name = "xrange",
     .arity = -4,
     .flags = kReadOnly,
     .categories = kStream,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Xrange,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key start<string> end<string> [COUNT count]",
     .summary = "Returns the entries between two ids.",
     .complexity = "O(N), N: entries answered"},
    {.name = "xrevrange",
     .arity = -4,
     .flags = kReadOnly,
     .categories = kStream,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Xrevrange,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key end<string> start<string> [COUNT count]",
     .summary = "Returns the entries between two ids, newest first.",
     .complexity = "O(N), N: entries answered"},
    {.name = "xsetid",
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kStream,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Xsetid,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
     .summary = "Sets the counters of a stream, for replication."},
};

}  // namespace

std::span<const Command> StreamCommands() { return kStreamCommands; }

}  // namespace terrace::commands
