#include "commands/stream_read.h"

#include <algorithm>
#include <string>

#include "base/numbers.h"
#include "commands/registry.h"
#include "commands/stream_effects.h"
#include "commands/stream_values.h"
#include "commands/wait.h"

namespace terrace::commands {
namespace {

using keyspace::KeyEvent;
using keyspace::Stream;
using keyspace::StreamConsumer;
using keyspace::StreamGroup;
using keyspace::StreamId;
using keyspace::StreamReader;

constexpr KeyEvent kCreateConsumer{'t', "xgroup-createconsumer"};

class ReadParser {
 public:
  explicit ReadParser(Call& call) : call_(call) {
    options_.in_group = call.command.name == "xreadgroup";
  }

  std::optional<StreamReadOptions> Parse() {
    if (!ParseOptions()) return std::nullopt;
    if (options_.first_key == 0) {
      call_.reply.SyntaxError();
      return std::nullopt;
    }
    if (options_.in_group && !has_group_) {
      call_.reply.Error("ERR Missing GROUP option for XREADGROUP");
      return std::nullopt;
    }
    for (size_t i = 0; i < options_.stream_count; ++i) {
      if (!ParseId(i)) return std::nullopt;
    }
    return options_;
  }

 private:
  bool Fail(std::string_view error) {
    call_.reply.Error(error);
    return false;
  }

  bool ParseOptions() {
    for (size_t i = 1; i < call_.argc(); ++i) {
      const size_t behind = call_.argc() - i - 1;
      if (behind >= 1 && call_.Is(i, "block")) {
        if (!ParseBlock(++i)) return false;
      } else if (behind >= 1 && call_.Is(i, "count")) {
        const std::optional<int64_t> count = call_.Integer(++i);
        if (!count) return false;
        options_.count_max = static_cast<uint64_t>(std::max<int64_t>(*count, 0));
      } else if (behind >= 1 && call_.Is(i, "streams")) {
        return SetStreams(i + 1);
      } else if (behind >= 2 && call_.Is(i, "group")) {
        if (!options_.in_group) {
          return Fail(
              "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
        }
        has_group_ = true;
        options_.group = call_.args[i + 1];
        options_.consumer = call_.args[i + 2];
        i += 2;
      } else if (call_.Is(i, "noack")) {
        if (!options_.in_group) {
          return Fail(
              "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
        }
        options_.acknowledged = true;
      } else {
        return Fail("ERR syntax error");
      }
    }
    return true;
  }

  bool ParseBlock(size_t argument) {
    // In Valkey it just does not block there.
    if (call_.in_script && !call_.speaks_valkey()) {
      return Fail("ERR " + std::string(call_.args[0]) +
                  " command is not allowed with BLOCK option from scripts");
    }
    options_.block_until_ms = ParseTimeoutMs(call_, argument);
    return options_.block_until_ms.has_value();
  }

  bool SetStreams(size_t first_key) {
    const size_t left = call_.argc() - first_key;
    if (left % 2 != 0) {
      return Fail("ERR Unbalanced '" + std::string(call_.command.name) +
                  "' list of streams: for each stream key an ID or '" +
                  (options_.in_group ? ">" : "$") + "' must be specified.");
    }
    options_.first_key = first_key;
    options_.stream_count = left / 2;
    return true;
  }

  bool ParseId(size_t index) {
    const size_t key = options_.first_key + index;
    const size_t argument = key + options_.stream_count;
    const auto stream = Find<Stream>(call_, key);
    if (stream.wrong_type) return false;
    if (options_.in_group && (!stream || stream.object->FindGroup(options_.group) == nullptr)) {
      return Fail("NOGROUP No such key '" + Shown(call_.args[key]) + "' or consumer group '" +
                  Shown(options_.group) + "' in XREADGROUP with GROUP option");
    }
    if (call_.args[argument] == "$") {
      if (options_.in_group) {
        return Fail(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
            "history "
            "of this consumer by specifying a proper ID, or use the > ID to get new messages. The "
            "$ "
            "ID would just return an empty result set.");
      }
      options_.after.push_back(stream ? stream.object->counters().last_id : StreamId{});
      return true;
    }
    if (call_.args[argument] == "+" && !options_.in_group) {
      // The last entry, however many COUNT allows, which is what comes after the id before it; of
      // an empty stream, the next one that is added. Since Redis 7.4 and Valkey 8.
      const StreamId last = stream ? stream.object->LastEntryId() : StreamId{};
      const StreamId none = stream ? stream.object->counters().last_id : StreamId{};
      options_.after.push_back(last.Previous().value_or(none));
      return true;
    }
    if (call_.args[argument] == ">") {
      if (!options_.in_group) {
        return Fail(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
            "<consumer> option.");
      }
      options_.after.push_back(kNewOnly);
      return true;
    }
    const std::optional<StreamId> id = ParseStreamId(call_, argument);
    if (!id) return false;
    options_.after.push_back(*id);
    return true;
  }

  Call& call_;
  StreamReadOptions options_;
  bool has_group_ = false;
};

// The parts of a reply: a map from streams to their entries, which RESP2 writes as pairs.
class Answer {
 public:
  explicit Answer(resp::Reply& reply) : reply_(reply), mark_(reply.Begin()) {}

  void BeginStream(std::string_view name) {
    ++count_;
    if (reply_.protocol() < 3) reply_.Array(2);
    reply_.Bulk(name);
  }
  bool End() {
    if (count_ == 0) return false;
    reply_.protocol() < 3 ? reply_.EndArray(mark_, count_) : reply_.EndMap(mark_, count_);
    return true;
  }

 private:
  resp::Reply& reply_;
  const resp::Reply::Mark mark_;
  size_t count_ = 0;
};

void ServeOne(Call& call, const StreamReadOptions& options, size_t index, Answer* answer) {
  const size_t key = options.first_key + index;
  const auto stream = Find<Stream>(call, key);
  if (!stream || stream.object->size() == 0) return;
  if (stream.object->LastEntryId() <= options.after[index]) return;
  const std::optional<StreamId> from = options.after[index].Next();
  answer->BeginStream(call.args[key]);
  ReplyEntries(call.reply, StreamReader(*stream.object, *from, StreamId::Max()), options.count_max);
}

// What was delivered to this consumer and not acknowledged; entries that are gone have no fields.
void ReplyHistory(Call& call, const StreamReadOptions& options, StreamId after,
                  const Stream& stream, StreamGroup* group, const StreamConsumer& consumer,
                  const GroupNames& names) {
  const resp::Reply::Mark mark = call.reply.Begin();
  size_t count = 0;
  const std::optional<StreamId> from = after.Next();
  for (auto at = consumer.pending.lower_bound(*from);
       at != consumer.pending.end() && (options.count_max == 0 || count < options.count_max);
       ++at) {
    ++count;
    if (ReplyEntry(call.reply, stream, *at)) {
      group->Redeliver(*at, StreamNowMs(call), group->FindPending(*at)->delivery_count + 1);
      RepeatPending(call, names, *group, *at);
      continue;
    }
    call.reply.Array(2);
    ReplyId(call.reply, *at);
    call.reply.NullArray();
  }
  call.reply.EndArray(mark, count);
}

// Returns how many.
size_t DeliverNew(Call& call, const StreamReadOptions& options, const Stream& stream,
                  StreamGroup* group, StreamConsumer* consumer, const GroupNames& names) {
  const resp::Reply::Mark mark = call.reply.Begin();
  size_t count = 0;
  StreamReader reader(stream, *group->last_id.Next(), StreamId::Max());
  while ((options.count_max == 0 || count < options.count_max) && reader.Next()) {
    ++count;
    stream.Advance(group, reader.id());
    ReplyEntry(call.reply, reader);
    if (options.acknowledged) continue;
    group->Assign(reader.id(), consumer, StreamNowMs(call), 1);
    consumer->active_at_ms = StreamNowMs(call);
    RepeatPending(call, names, *group, reader.id());
  }
  call.reply.EndArray(mark, count);
  // Pending entries tell the position by themselves; how many the group has read, only Valkey says.
  if (count > 0 && (options.acknowledged || call.speaks_valkey()))
    RepeatPosition(call, names, *group);
  return count;
}

void ServeOneInGroup(Call& call, const StreamReadOptions& options, size_t index, Answer* answer) {
  const size_t key = options.first_key + index;
  Draft<Stream> stream(call, key);
  StreamGroup* group = stream->FindGroup(options.group);
  bool is_new;
  StreamConsumer* consumer = SeeConsumer(group, options.consumer, StreamNowMs(call), &is_new);
  const GroupNames names{call.args[key], options.group, options.consumer};
  size_t delivered = 0;
  if (options.after[index] != kNewOnly) {
    answer->BeginStream(call.args[key]);
    ReplyHistory(call, options, options.after[index], *stream, group, *consumer, names);
  } else if (stream->size() > 0 && stream->LastEntryId() > group->last_id) {
    answer->BeginStream(call.args[key]);
    delivered = DeliverNew(call, options, *stream, group, consumer, names);
  }
  if (is_new && (delivered == 0 || options.acknowledged)) RepeatNewConsumer(call, names);
  stream.CommitBeside(is_new ? kCreateConsumer : keyspace::events::kNone);
}

std::string TextOf(StreamId id) { return std::to_string(id.ms) + "-" + std::to_string(id.seq); }

void Read(Call& call) {
  const std::optional<StreamReadOptions> options = ParseStreamRead(call);
  if (!options || ServeStreamRead(call, *options)) return;
  if (!options->block_until_ms) return call.reply.NullArray();
  Wait wait;
  wait.type = keyspace::Type::kStream;
  // A group that is gone will never deliver anything.
  wait.wants_end = options->in_group;
  wait.deadline_ms = *options->block_until_ms;
  wait.give_up = GiveUpWithNullArray;
  for (size_t i = 0; i < options->stream_count; ++i) {
    const size_t key = options->first_key + i;
    wait.keys.push_back(key);
    const size_t id = key + options->stream_count;
    if (call.args[id] == "$" || call.args[id] == "+")
      wait.replaced.emplace_back(id, TextOf(options->after[i]));
  }
  call.Block(std::move(wait));
}

constexpr Command kStreamReadCommands[] = {
    {.name = "xread",
     .arity = -4,
     .flags = kReadOnly | kBlocking | kMovableKeys,
     .categories = kStream,
     .keys = {FindStreamKeys, KeysAfter("STREAMS", 1, 2, "RO access")},
     .resolve = Resolve::kValue,
     .handler = Read,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "[COUNT count] [BLOCK milliseconds] STREAMS (key... id...)",
     .summary = "Returns entries behind given ids of several streams.",
     .complexity = "O(N), N: entries answered"},
    {.name = "xreadgroup",
     .arity = -7,
     .flags = kWrite | kBlocking | kMovableKeys,
     .categories = kStream,
     .keys = {FindStreamKeys, KeysAfter("STREAMS", 4, 2, "RO access")},
     .resolve = Resolve::kValue,
     .handler = Read,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "GROUP (group-block: group consumer) [COUNT count] [BLOCK milliseconds] [NOACK] "
               "STREAMS (key... id...)",
     .summary = "Delivers entries of several streams to a consumer of a group.",
     .complexity = "O(N), N: entries answered"},
};

}  // namespace

bool FindStreamKeys(Args args, std::vector<int>* positions) {
  for (size_t i = 1; i < args.size(); ++i) {
    if (SameName(args[i], "block") || SameName(args[i], "count")) {
      ++i;
    } else if (SameName(args[i], "group")) {
      i += 2;
    } else if (SameName(args[i], "streams")) {
      const size_t left = args.size() - i - 1;
      if (left == 0 || left % 2 != 0) return false;
      for (size_t key = 1; key <= left / 2; ++key) positions->push_back(static_cast<int>(i + key));
      return true;
    } else if (!SameName(args[i], "noack")) {
      return false;
    }
  }
  return false;
}

std::optional<StreamReadOptions> ParseStreamRead(Call& call) { return ReadParser(call).Parse(); }

bool ServeStreamRead(Call& call, const StreamReadOptions& options) {
  Answer answer(call.reply);
  for (size_t i = 0; i < options.stream_count; ++i) {
    options.in_group ? ServeOneInGroup(call, options, i, &answer)
                     : ServeOne(call, options, i, &answer);
  }
  return answer.End();
}

std::span<const Command> StreamReadCommands() { return kStreamReadCommands; }

}  // namespace terrace::commands
