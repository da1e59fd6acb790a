// XINFO: what streams, groups and consumers are made of.

#include <algorithm>
#include <string>

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
using keyspace::StreamReader;

constexpr uint64_t kCountInFull = 10;

class Info {
 public:
  Info(Call& call, const Stream& stream) : call_(call), reply_(call.reply), stream_(stream) {}

  void Summary() {
    reply_.Map(10);
    Counters();
    Number("groups", stream_.groups().size());
    Edge("first-entry", StreamReader::Direction::kForward);
    Edge("last-entry", StreamReader::Direction::kBackward);
  }

  // count_max limits entries and pending entries each; 0: all.
  void Full(uint64_t count_max) {
    reply_.Map(9);
    Counters();
    reply_.Bulk("entries");
    ReplyEntries(reply_, StreamReader(stream_, StreamId{}, StreamId::Max()), count_max);
    reply_.Bulk("groups");
    reply_.Array(stream_.groups().size());
    for (const auto& [name, group] : stream_.groups()) FullGroup(name, group, count_max);
  }

  void Groups() {
    reply_.Array(stream_.groups().size());
    for (const auto& [name, group] : stream_.groups()) {
      reply_.Map(6);
      Text("name", name);
      Number("consumers", group.consumers().size());
      Number("pending", group.pending().size());
      Progress(group);
    }
  }

  void Consumers(const StreamGroup& group) {
    reply_.Array(group.consumers().size());
    const int64_t now_ms = StreamNowMs(call_);
    for (const auto& [name, consumer] : group.consumers()) {
      reply_.Map(4);
      Text("name", name);
      Number("pending", consumer.pending.size());
      reply_.Bulk("idle");
      reply_.Integer(std::max<int64_t>(now_ms - consumer.seen_at_ms, 0));
      reply_.Bulk("inactive");
      reply_.Integer(consumer.active_at_ms == keyspace::kNeverActive
                         ? keyspace::kNeverActive
                         : now_ms - consumer.active_at_ms);
    }
  }

 private:
  void Number(std::string_view name, uint64_t value) {
    reply_.Bulk(name);
    reply_.Integer(static_cast<int64_t>(value));
  }
  void Text(std::string_view name, std::string_view value) {
    reply_.Bulk(name);
    reply_.Bulk(value);
  }
  void Id(std::string_view name, StreamId id) {
    reply_.Bulk(name);
    ReplyId(reply_, id);
  }
  void OptionalNumber(std::string_view name, std::optional<int64_t> value) {
    reply_.Bulk(name);
    value ? reply_.Integer(*value) : reply_.Null();
  }

  void Counters() {
    Number("length", stream_.size());
    Number("radix-tree-keys", stream_.node_count());
    Number("radix-tree-nodes", stream_.CountRadixNodes());
    Id("last-generated-id", stream_.counters().last_id);
    Id("max-deleted-entry-id", stream_.counters().max_deleted_id);
    Number("entries-added", stream_.counters().entries_added);
    Id("recorded-first-entry-id", stream_.first_id());
  }

  void Edge(std::string_view name, StreamReader::Direction direction) {
    reply_.Bulk(name);
    StreamReader reader(stream_, StreamId{}, StreamId::Max(), direction);
    if (!reader.Next()) return reply_.Null();
    ReplyEntry(reply_, reader);
  }

  void Progress(const StreamGroup& group) {
    Id("last-delivered-id", group.last_id);
    OptionalNumber("entries-read", group.entries_read == keyspace::kEntriesReadUnknown
                                       ? std::nullopt
                                       : std::optional(group.entries_read));
    OptionalNumber("lag", stream_.Lag(group));
  }

  void FullGroup(std::string_view name, const StreamGroup& group, uint64_t count_max) {
    reply_.Map(7);
    Text("name", name);
    Progress(group);
    Number("pel-count", group.pending().size());
    reply_.Bulk("pending");
    const resp::Reply::Mark mark = reply_.Begin();
    size_t count = 0;
    for (const auto& [id, entry] : group.pending()) {
      if (count_max != 0 && count == count_max) break;
      ++count;
      reply_.Array(4);
      ReplyId(reply_, id);
      reply_.Bulk(entry.owner->name);
      reply_.Integer(entry.delivered_at_ms);
      reply_.Integer(static_cast<int64_t>(entry.delivery_count));
    }
    reply_.EndArray(mark, count);
    reply_.Bulk("consumers");
    reply_.Array(group.consumers().size());
    for (const auto& [consumer_name, consumer] : group.consumers()) {
      FullConsumer(consumer_name, consumer, group, count_max);
    }
  }

  void FullConsumer(std::string_view name, const StreamConsumer& consumer, const StreamGroup& group,
                    uint64_t count_max) {
    reply_.Map(5);
    Text("name", name);
    reply_.Bulk("seen-time");
    reply_.Integer(consumer.seen_at_ms);
    reply_.Bulk("active-time");
    reply_.Integer(consumer.active_at_ms);
    Number("pel-count", consumer.pending.size());
    reply_.Bulk("pending");
    const resp::Reply::Mark mark = reply_.Begin();
    size_t count = 0;
    for (const StreamId id : consumer.pending) {
      if (count_max != 0 && count == count_max) break;
      ++count;
      const keyspace::StreamPending& entry = *group.FindPending(id);
      reply_.Array(3);
      ReplyId(reply_, id);
      reply_.Integer(entry.delivered_at_ms);
      reply_.Integer(static_cast<int64_t>(entry.delivery_count));
    }
    reply_.EndArray(mark, count);
  }

  Call& call_;
  resp::Reply& reply_;
  const Stream& stream_;
};

// Replies the error and returns nullptr when there is no stream (argument 2).
const Stream* RequireStream(Call& call) {
  const auto stream = Find<Stream>(call, 2);
  if (!stream && !stream.wrong_type) call.reply.NoSuchKey();
  return stream.object;
}

void XinfoStream(Call& call) {
  const Stream* stream = RequireStream(call);
  if (stream == nullptr) return;
  Info info(call, *stream);
  if (call.argc() == 3) return info.Summary();
  const bool has_count = call.argc() == 6;
  if ((call.argc() != 4 && !has_count) || !call.Is(3, "full") ||
      (has_count && !call.Is(4, "count"))) {
    return ReplySubcommandError(call);
  }
  if (!has_count) return info.Full(kCountInFull);
  const std::optional<int64_t> count = call.Integer(5);
  if (count) info.Full(*count < 0 ? kCountInFull : static_cast<uint64_t>(*count));
}

void XinfoGroups(Call& call) {
  const Stream* stream = RequireStream(call);
  if (stream != nullptr) Info(call, *stream).Groups();
}

void XinfoConsumers(Call& call) {
  const Stream* stream = RequireStream(call);
  if (stream == nullptr) return;
  const StreamGroup* group = stream->FindGroup(call.args[3]);
  if (group == nullptr) {
    return call.reply.Error("NOGROUP No such consumer group '" + Shown(call.args[3]) +
                            "' for key name '" + Shown(call.args[2]) + "'");
  }
  Info(call, *stream).Consumers(*group);
}

void XinfoHelp(Call& call) {
  constexpr std::string_view kLines[] = {
      "CONSUMERS <key> <group>",
      "    Shows the consumers of a group.",
      "GROUPS <key>",
      "    Shows the groups of a stream.",
      "STREAM <key> [FULL [COUNT <count>]]",
      "    Shows a stream; with FULL its entries, groups and consumers too."};
  ReplyHelp(call, kLines);
}

constexpr Command kStreamInfoSubcommands[] = {
    {.name = "xinfo|stream",
     .arity = -3,
     .flags = kReadOnly,
     .categories = kStream,
     .keys = {2, 2, 1},
     .resolve = Resolve::kValue,
     .handler = XinfoStream,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key [full-block: FULL [COUNT count]]",
     .summary = "Shows a stream."},
    {.name = "xinfo|groups",
     .arity = 3,
     .flags = kReadOnly,
     .categories = kStream,
     .keys = {2, 2, 1},
     .resolve = Resolve::kValue,
     .handler = XinfoGroups,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key",
     .summary = "Shows the groups of a stream."},
    {.name = "xinfo|consumers",
     .arity = 4,
     .flags = kReadOnly,
     .categories = kStream,
     .keys = {2, 2, 1},
     .resolve = Resolve::kValue,
     .handler = XinfoConsumers,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key group",
     .summary = "Shows the consumers of a group.",
     .tips = "nondeterministic_output"},
    {.name = "xinfo|help",
     .arity = 2,
     .flags = kLoading | kStale | kNoLocks,
     .categories = kStream,
     .handler = XinfoHelp,
     .group = "stream",
     .since = "5.0.0",
     .summary = "Returns help on the subcommands."},
};

constexpr Command kStreamInfoCommands[] = {
    {.name = "xinfo",
     .arity = -2,
     .group = "stream",
     .since = "5.0.0",
     .summary = "Shows the inside of streams.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kStreamInfoSubcommands},
};

}  // namespace

std::span<const Command> StreamInfoCommands() { return kStreamInfoCommands; }

}  // namespace terrace::commands
