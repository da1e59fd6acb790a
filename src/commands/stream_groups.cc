// Consumer groups of streams: XGROUP, XACK, XPENDING.

#include <algorithm>
#include <string>
#include <vector>

#include "commands/call.h"
#include "commands/help.h"
#include "commands/registry.h"
#include "commands/stream_values.h"

namespace terrace::commands {
namespace {

using keyspace::Stream;
using keyspace::StreamConsumer;
using keyspace::StreamGroup;
using keyspace::StreamId;
using keyspace::StreamPending;

struct GroupOptions {
  bool make_stream = false;
  int64_t entries_read = keyspace::kEntriesReadUnknown;
};

// The options of CREATE and SETID, from argument 5 on.
std::optional<GroupOptions> ParseGroupOptions(Call& call, bool is_create) {
  GroupOptions options;
  for (size_t i = 5; i < call.argc(); ++i) {
    if (is_create && call.Is(i, "mkstream")) {
      options.make_stream = true;
    } else if (call.Is(i, "entriesread") && i + 1 < call.argc()) {
      const std::optional<int64_t> count = call.Integer(++i);
      if (!count) return std::nullopt;
      if (*count < keyspace::kEntriesReadUnknown) {
        call.reply.Error("ERR value for ENTRIESREAD must be positive or -1");
        return std::nullopt;
      }
      options.entries_read = *count;
    } else {
      ReplySubcommandError(call);
      return std::nullopt;
    }
  }
  return options;
}

// Replies the error and returns false when there is no such stream (argument 2).
bool RequireStream(Call& call, const Draft<Stream>& stream) {
  if (stream.wrong_type()) return false;
  if (stream.exists()) return true;
  call.reply.Error(
      "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
      "use "
      "the MKSTREAM option to create an empty stream automatically.");
  return false;
}

// The group of argument 3; replies the error and returns nullptr when there is none.
StreamGroup* RequireGroup(Call& call, Draft<Stream>& stream) {
  if (!RequireStream(call, stream)) return nullptr;
  StreamGroup* group = stream->FindGroup(call.args[3]);
  if (group == nullptr) {
    call.reply.Error("NOGROUP No such consumer group '" + Shown(call.args[3]) + "' for key name '" +
                     Shown(call.args[2]) + "'");
  }
  return group;
}

void XgroupCreate(Call& call) {
  const std::optional<GroupOptions> options = ParseGroupOptions(call, true);
  if (!options) return;
  Draft<Stream> stream(call, 2);
  if (stream.wrong_type()) return;
  if (!options->make_stream && !RequireStream(call, stream)) return;
  constexpr size_t kArgumentsMax = 8;
  if (call.argc() > kArgumentsMax) return ReplySubcommandError(call);
  std::optional<StreamId> id;
  if (call.args[4] == "$") {
    id = stream.exists() ? stream->counters().last_id : StreamId{};
  } else {
    id = ParseStreamId(call, 4);
  }
  if (!id) return;
  if (stream->CreateGroup(call.args[3], *id, options->entries_read) == nullptr) {
    return call.reply.Error("BUSYGROUP Consumer Group name already exists");
  }
  stream.CommitBeside({'t', "xgroup-create"});
  call.reply.Ok();
}

void XgroupSetid(Call& call) {
  const std::optional<GroupOptions> options = ParseGroupOptions(call, false);
  if (!options) return;
  Draft<Stream> stream(call, 2);
  StreamGroup* group = RequireGroup(call, stream);
  if (group == nullptr) return;
  if (call.argc() != 5 && call.argc() != 7) return ReplySubcommandError(call);
  const std::string_view text = call.args[4];
  std::optional<StreamId> id;
  if (text == "$") {
    id = stream->counters().last_id;
  } else if (text == "-" || text == "+") {
    id = text == "-" ? StreamId{} : StreamId::Max();
  } else {
    id = ParseStreamId(call, 4);
  }
  if (!id) return;
  group->last_id = *id;
  group->entries_read = options->entries_read;
  stream.CommitBeside({'t', "xgroup-setid"});
  call.reply.Ok();
}

void XgroupDestroy(Call& call) {
  Draft<Stream> stream(call, 2);
  if (!RequireStream(call, stream)) return;
  const bool removed = stream->RemoveGroup(call.args[3]);
  if (removed) stream.CommitBeside({'t', "xgroup-destroy"});
  call.reply.Integer(removed);
}

void XgroupCreateconsumer(Call& call) {
  Draft<Stream> stream(call, 2);
  StreamGroup* group = RequireGroup(call, stream);
  if (group == nullptr) return;
  const bool created = group->CreateConsumer(call.args[4], StreamNowMs(call)) != nullptr;
  if (created) stream.CommitBeside({'t', "xgroup-createconsumer"});
  call.reply.Integer(created);
}

void XgroupDelconsumer(Call& call) {
  Draft<Stream> stream(call, 2);
  StreamGroup* group = RequireGroup(call, stream);
  if (group == nullptr) return;
  if (group->FindConsumer(call.args[4]) == nullptr) return call.reply.Integer(0);
  const size_t pending = group->RemoveConsumer(call.args[4]);
  stream.CommitBeside({'t', "xgroup-delconsumer"});
  call.reply.Integer(static_cast<int64_t>(pending));
}

void XgroupHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
      "    Creates a group that reads what comes after the id.",
      "CREATECONSUMER <key> <group> <consumer>",
      "    Creates a consumer in the group.",
      "DELCONSUMER <key> <group> <consumer>",
      "    Removes a consumer and what is pending for it.",
      "DESTROY <key> <group>",
      "    Removes the group.",
      "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
      "    Sets the last delivered id of the group."};
  ReplyHelp(call, kLines);
}

void Xack(Call& call) {
  Draft<Stream> stream(call, 1);
  if (stream.wrong_type()) return;
  if (!stream.exists()) {
    call.db.NoteMiss(call.key(1));
    return call.reply.Integer(0);
  }
  StreamGroup* group = stream->FindGroup(call.args[2]);
  if (group == nullptr) return call.reply.Integer(0);
  std::vector<StreamId> ids;
  for (size_t i = 3; i < call.argc(); ++i) {
    const std::optional<StreamId> id = ParseStreamId(call, i);
    if (!id) return;
    ids.push_back(*id);
  }
  int64_t acknowledged = 0;
  for (const StreamId id : ids) acknowledged += group->Forget(id);
  if (acknowledged > 0) stream.CommitBeside(keyspace::events::kUnannounced);
  call.reply.Integer(acknowledged);
}

struct PendingOptions {
  int64_t idle_ms_min = 0;
  StreamId from;
  StreamId to;
  uint64_t count_max = 0;
  std::optional<std::string_view> consumer;
};

// [IDLE idle] start stop count [consumer], from argument 3 on.
std::optional<PendingOptions> ParsePending(Call& call) {
  PendingOptions options;
  size_t start = 3;
  if (call.Is(3, "idle")) {
    const std::optional<int64_t> idle_ms = call.Integer(4);
    if (!idle_ms) return std::nullopt;
    if (call.argc() < 8) {
      call.reply.SyntaxError();
      return std::nullopt;
    }
    options.idle_ms_min = *idle_ms;
    start += 2;
  }
  const std::optional<int64_t> count = call.Integer(start + 2);
  if (!count) return std::nullopt;
  options.count_max = static_cast<uint64_t>(std::max<int64_t>(*count, 0));
  const std::optional<StreamId> from = ParseRangeId(call, start, RangeEnd::kStart);
  if (!from) return std::nullopt;
  const std::optional<StreamId> to = ParseRangeId(call, start + 1, RangeEnd::kStop);
  if (!to) return std::nullopt;
  options.from = *from;
  options.to = *to;
  if (start + 3 < call.argc()) options.consumer = call.args[start + 3];
  return options;
}

void ReplyPendingSummary(Call& call, const StreamGroup& group) {
  const StreamGroup::Pending& pending = group.pending();
  call.reply.Array(4);
  call.reply.Integer(static_cast<int64_t>(pending.size()));
  if (pending.empty()) {
    call.reply.Null();
    call.reply.Null();
    return call.reply.NullArray();
  }
  ReplyId(call.reply, pending.begin()->first);
  ReplyId(call.reply, pending.rbegin()->first);
  const resp::Reply::Mark mark = call.reply.Begin();
  size_t count = 0;
  for (const auto& [name, consumer] : group.consumers()) {
    if (consumer.pending.empty()) continue;
    ++count;
    call.reply.Array(2);
    call.reply.Bulk(name);
    call.reply.BulkInteger(static_cast<int64_t>(consumer.pending.size()));
  }
  call.reply.EndArray(mark, count);
}

void ReplyPendingEntries(Call& call, const StreamGroup& group, const PendingOptions& options) {
  const StreamConsumer* consumer = nullptr;
  if (options.consumer) {
    consumer = group.FindConsumer(*options.consumer);
    if (consumer == nullptr) return call.reply.Array(0);
  }
  const resp::Reply::Mark mark = call.reply.Begin();
  const int64_t now_ms = StreamNowMs(call);
  uint64_t count = 0;
  const auto reply_one = [&](StreamId id, const StreamPending& entry) {
    const int64_t idle_ms = now_ms - entry.delivered_at_ms;
    if (options.idle_ms_min != 0 && idle_ms < options.idle_ms_min) return;
    ++count;
    call.reply.Array(4);
    ReplyId(call.reply, id);
    call.reply.Bulk(entry.owner->name);
    call.reply.Integer(std::max<int64_t>(idle_ms, 0));
    call.reply.Integer(static_cast<int64_t>(entry.delivery_count));
  };
  if (consumer != nullptr) {
    for (auto at = consumer->pending.lower_bound(options.from);
         at != consumer->pending.end() && *at <= options.to && count < options.count_max; ++at) {
      reply_one(*at, *group.FindPending(*at));
    }
  } else {
    for (auto at = group.pending().lower_bound(options.from);
         at != group.pending().end() && at->first <= options.to && count < options.count_max;
         ++at) {
      reply_one(at->first, at->second);
    }
  }
  call.reply.EndArray(mark, count);
}

void Xpending(Call& call) {
  const bool is_summary = call.argc() == 3;
  if (!is_summary && (call.argc() < 6 || call.argc() > 9)) return call.reply.SyntaxError();
  std::optional<PendingOptions> options = PendingOptions{};
  if (!is_summary) options = ParsePending(call);
  if (!options) return;
  const auto stream = Find<Stream>(call, 1);
  if (stream.wrong_type) return;
  const StreamGroup* group = stream ? stream.object->FindGroup(call.args[2]) : nullptr;
  if (group == nullptr) return ReplyNoGroup(call, call.args[1], call.args[2]);
  is_summary ? ReplyPendingSummary(call, *group) : ReplyPendingEntries(call, *group, *options);
}

constexpr Command kStreamGroupSubcommands[] = {
    {.name = "xgroup|create",
     .arity = -5,
     .flags = kWrite | kDenyOom,
     .categories = kStream,
     .keys = {2, 2, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = XgroupCreate,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key group (id-selector: id|new-id=$) [MKSTREAM] [ENTRIESREAD entries-read]",
     .summary = "Creates a consumer group."},
    {.name = "xgroup|setid",
     .arity = -5,
     .flags = kWrite,
     .categories = kStream,
     .keys = {2, 2, 1},
     .resolve = Resolve::kValue,
     .handler = XgroupSetid,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key group (id-selector: id|new-id=$) [ENTRIESREAD entriesread=entries-read]",
     .summary = "Sets the last delivered id of a group."},
    {.name = "xgroup|destroy",
     .arity = 4,
     .flags = kWrite,
     .categories = kStream,
     .keys = {2, 2, 1, "RW delete"},
     .resolve = Resolve::kValue,
     .handler = XgroupDestroy,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key group",
     .summary = "Removes a consumer group.",
     .complexity = "O(N), N: pending entries"},
    {.name = "xgroup|createconsumer",
     .arity = 5,
     .flags = kWrite | kDenyOom,
     .categories = kStream,
     .keys = {2, 2, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = XgroupCreateconsumer,
     .group = "stream",
     .since = "6.2.0",
     .syntax = "key group consumer",
     .summary = "Creates a consumer in a group."},
    {.name = "xgroup|delconsumer",
     .arity = 5,
     .flags = kWrite,
     .categories = kStream,
     .keys = {2, 2, 1, "RW delete"},
     .resolve = Resolve::kValue,
     .handler = XgroupDelconsumer,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key group consumer",
     .summary = "Removes a consumer from a group."},
    {.name = "xgroup|help",
     .arity = 2,
     .flags = kLoading | kStale | kNoLocks,
     .categories = kStream,
     .handler = XgroupHelp,
     .group = "stream",
     .since = "5.0.0",
     .summary = "Returns help on the subcommands."},
};

constexpr Command kStreamGroupCommands[] = {
    {.name = "xgroup",
     .arity = -2,
     .group = "stream",
     .since = "5.0.0",
     .summary = "Manages the consumer groups of a stream.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kStreamGroupSubcommands},
    {.name = "xack",
     .arity = -4,
     .flags = kWrite | kFast,
     .categories = kStream,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Xack,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key group id...",
     .summary = "Acknowledges entries that were delivered.",
     .complexity = "O(N), N: ids given"},
    {.name = "xpending",
     .arity = -3,
     .flags = kReadOnly,
     .categories = kStream,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Xpending,
     .group = "stream",
     .since = "5.0.0",
     .syntax =
         "key group [filters: [IDLE min-idle-time] start<string> end<string> count [consumer]]",
     .summary = "Returns what was delivered but not acknowledged.",
     .complexity = "O(N), N: entries answered",
     .tips = "nondeterministic_output"},
};

}  // namespace

std::span<const Command> StreamGroupCommands() { return kStreamGroupCommands; }

}  // namespace terrace::commands
