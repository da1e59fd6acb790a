// Claiming what is pending for other consumers: XCLAIM, XAUTOCLAIM.

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/registry.h"
#include "commands/stream_effects.h"
#include "commands/stream_values.h"

namespace terrace::commands {
namespace {

using keyspace::KeyEvent;
using keyspace::Stream;
using keyspace::StreamConsumer;
using keyspace::StreamGroup;
using keyspace::StreamId;
using keyspace::StreamPending;

KeyEvent ClaimEvent(bool consumer_is_new) {
  return consumer_is_new ? KeyEvent{'t', "xgroup-createconsumer"} : keyspace::events::kNone;
}

// The group of arguments 1 and 2; replies the error and returns nullptr when there is none.
StreamGroup* RequireGroupOf(Call& call, Draft<Stream>& stream) {
  if (stream.wrong_type()) return nullptr;
  if (!stream.exists()) call.db.NoteMiss(call.key(1));
  StreamGroup* group = stream.exists() ? stream->FindGroup(call.args[2]) : nullptr;
  if (group == nullptr) ReplyNoGroup(call, call.args[1], call.args[2]);
  return group;
}

std::optional<int64_t> ParseNumber(Call& call, size_t argument, std::string_view error) {
  const std::optional<int64_t> number = base::ParseInt64(call.args[argument]);
  if (!number) call.reply.Error(error);
  return number;
}

struct ClaimOptions {
  int64_t idle_ms_min = 0;
  std::vector<StreamId> ids;
  std::optional<int64_t> delivered_at_ms;
  std::optional<int64_t> delivery_count;
  StreamId last_id;
  bool force = false;
  bool only_ids = false;
};

// The options behind the ids. False after an error.
bool ParseClaimOptions(Call& call, size_t argument, ClaimOptions* options) {
  const int64_t now_ms = StreamNowMs(call);
  for (size_t i = argument; i < call.argc(); ++i) {
    const bool has_value = i + 1 < call.argc();
    if (call.Is(i, "force")) {
      options->force = true;
    } else if (call.Is(i, "justid")) {
      options->only_ids = true;
    } else if (has_value && call.Is(i, "idle")) {
      const auto idle_ms = ParseNumber(call, ++i, "ERR Invalid IDLE option argument for XCLAIM");
      if (!idle_ms) return false;
      int64_t delivered_at_ms;
      if (__builtin_sub_overflow(now_ms, *idle_ms, &delivered_at_ms)) delivered_at_ms = now_ms;
      options->delivered_at_ms = delivered_at_ms;
    } else if (has_value && call.Is(i, "time")) {
      options->delivered_at_ms =
          ParseNumber(call, ++i, "ERR Invalid TIME option argument for XCLAIM");
      if (!options->delivered_at_ms) return false;
    } else if (has_value && call.Is(i, "retrycount")) {
      options->delivery_count =
          ParseNumber(call, ++i, "ERR Invalid RETRYCOUNT option argument for XCLAIM");
      if (!options->delivery_count) return false;
    } else if (has_value && call.Is(i, "lastid")) {
      const std::optional<StreamId> id = ParseStreamId(call, ++i);
      if (!id) return false;
      options->last_id = *id;
    } else {
      call.reply.Error("ERR Unrecognized XCLAIM option '" + Shown(call.args[i]) + "'");
      return false;
    }
  }
  return true;
}

std::optional<ClaimOptions> ParseClaim(Call& call) {
  ClaimOptions options;
  const auto idle_ms = ParseNumber(call, 4, "ERR Invalid min-idle-time argument for XCLAIM");
  if (!idle_ms) return std::nullopt;
  options.idle_ms_min = std::max<int64_t>(*idle_ms, 0);
  // The first argument that is no id begins the options.
  size_t at = 5;
  for (; at < call.argc(); ++at) {
    const std::optional<StreamId> id = ReadStreamId(call.args[at], 0);
    if (!id) break;
    options.ids.push_back(*id);
  }
  if (!ParseClaimOptions(call, at, &options)) return std::nullopt;
  return options;
}

bool IsIdleEnough(const StreamPending& entry, int64_t now_ms, int64_t idle_ms_min) {
  return idle_ms_min == 0 || now_ms - entry.delivered_at_ms >= idle_ms_min;
}

// True when the entry now belongs to the consumer.
bool Claim(const Stream& stream, StreamGroup* group, StreamConsumer* consumer, StreamId id,
           const ClaimOptions& options, int64_t now_ms) {
  const StreamPending* entry = group->FindPending(id);
  if (!stream.Contains(id)) {
    if (entry != nullptr) group->Forget(id);
    return false;
  }
  if (entry == nullptr && !options.force) return false;
  if (entry != nullptr && !IsIdleEnough(*entry, now_ms, options.idle_ms_min)) return false;
  // A time in the future, or before all time, is a client's mistake and means now.
  int64_t delivered_at_ms = options.delivered_at_ms.value_or(now_ms);
  if (delivered_at_ms < 0 || delivered_at_ms > now_ms) delivered_at_ms = now_ms;
  uint64_t delivery_count = entry != nullptr ? entry->delivery_count : 1;
  if (options.delivery_count.value_or(-1) >= 0) {
    delivery_count = static_cast<uint64_t>(*options.delivery_count);
  } else if (!options.only_ids) {
    ++delivery_count;
  }
  group->Assign(id, consumer, delivered_at_ms, delivery_count);
  consumer->active_at_ms = now_ms;
  return true;
}

void Xclaim(Call& call) {
  Draft<Stream> stream(call, 1);
  StreamGroup* group = RequireGroupOf(call, stream);
  if (group == nullptr) return;
  const std::optional<ClaimOptions> options = ParseClaim(call);
  if (!options) return;
  const int64_t now_ms = StreamNowMs(call);
  const bool moves = group->last_id < options->last_id;
  if (moves) group->last_id = options->last_id;
  bool is_new;
  StreamConsumer* consumer = SeeConsumer(group, call.args[3], now_ms, &is_new);
  const GroupNames names{call.args[1], call.args[2], call.args[3]};
  const resp::Reply::Mark mark = call.reply.Begin();
  size_t count = 0;
  for (const StreamId id : options->ids) {
    const bool was_pending = group->FindPending(id) != nullptr;
    if (!Claim(*stream, group, consumer, id, *options, now_ms)) {
      if (was_pending && group->FindPending(id) == nullptr) RepeatForgotten(call, names, id);
      continue;
    }
    ++count;
    RepeatPending(call, names, *group, id);
    if (options->only_ids) {
      ReplyId(call.reply, id);
    } else {
      ReplyEntry(call.reply, *stream, id);
    }
  }
  call.reply.EndArray(mark, count);
  if (is_new && count == 0) RepeatNewConsumer(call, names);
  if (moves) RepeatPosition(call, names, *group);
  stream.CommitBeside(ClaimEvent(is_new));
}

struct AutoClaimOptions {
  ClaimOptions claim;
  StreamId from;
  uint64_t count_max = 100;
};

std::optional<AutoClaimOptions> ParseAutoClaim(Call& call) {
  // Ten entries are looked at for one that is asked for.
  constexpr int64_t kCountMax = std::numeric_limits<int64_t>::max() / 16;
  AutoClaimOptions options;
  const auto idle_ms = ParseNumber(call, 4, "ERR Invalid min-idle-time argument for XAUTOCLAIM");
  if (!idle_ms) return std::nullopt;
  options.claim.idle_ms_min = std::max<int64_t>(*idle_ms, 0);
  const std::optional<StreamId> from = ParseRangeId(call, 5, RangeEnd::kStart);
  if (!from) return std::nullopt;
  options.from = *from;
  for (size_t i = 6; i < call.argc(); ++i) {
    if (i + 1 < call.argc() && call.Is(i, "count")) {
      const auto count = ParseNumber(call, ++i, "ERR COUNT must be > 0");
      if (!count) return std::nullopt;
      if (*count < 1 || *count > kCountMax) {
        call.reply.Error("ERR COUNT must be > 0");
        return std::nullopt;
      }
      options.count_max = static_cast<uint64_t>(*count);
    } else if (call.Is(i, "justid")) {
      options.claim.only_ids = true;
    } else {
      call.reply.SyntaxError();
      return std::nullopt;
    }
  }
  return options;
}

// What one XAUTOCLAIM did, and where the next one goes on: zero when all was seen.
struct AutoClaimed {
  std::vector<StreamId> claimed;
  std::vector<StreamId> gone;
  StreamId next;
};

AutoClaimed ClaimIdle(const Stream& stream, StreamGroup* group, StreamConsumer* consumer,
                      const AutoClaimOptions& options, int64_t now_ms) {
  constexpr uint64_t kAttemptsPerEntry = 10;
  AutoClaimed result;
  std::optional<StreamId> from = options.from;
  const auto seek = [&] {
    return from ? group->pending().lower_bound(*from) : group->pending().end();
  };
  uint64_t attempts = options.count_max * kAttemptsPerEntry;
  for (; attempts > 0 && result.claimed.size() + result.gone.size() < options.count_max;
       --attempts) {
    const auto at = seek();
    if (at == group->pending().end()) break;
    const StreamId id = at->first;
    from = id.Next();
    if (!stream.Contains(id)) {
      group->Forget(id);
      result.gone.push_back(id);
    } else if (Claim(stream, group, consumer, id, options.claim, now_ms)) {
      result.claimed.push_back(id);
    }
  }
  const auto rest = seek();
  if (rest != group->pending().end()) result.next = rest->first;
  return result;
}

void Xautoclaim(Call& call) {
  const std::optional<AutoClaimOptions> options = ParseAutoClaim(call);
  if (!options) return;
  Draft<Stream> stream(call, 1);
  StreamGroup* group = RequireGroupOf(call, stream);
  if (group == nullptr) return;
  const int64_t now_ms = StreamNowMs(call);
  bool is_new;
  StreamConsumer* consumer = SeeConsumer(group, call.args[3], now_ms, &is_new);
  const AutoClaimed result = ClaimIdle(*stream, group, consumer, *options, now_ms);
  const GroupNames names{call.args[1], call.args[2], call.args[3]};
  if (is_new && result.claimed.empty()) RepeatNewConsumer(call, names);
  for (const StreamId id : result.claimed) RepeatPending(call, names, *group, id);
  for (const StreamId id : result.gone) RepeatForgotten(call, names, id);
  call.reply.Array(3);
  ReplyId(call.reply, result.next);
  call.reply.Array(result.claimed.size());
  for (const StreamId id : result.claimed) {
    if (options->claim.only_ids) {
      ReplyId(call.reply, id);
    } else {
      ReplyEntry(call.reply, *stream, id);
    }
  }
  call.reply.Array(result.gone.size());
  for (const StreamId id : result.gone) ReplyId(call.reply, id);
  stream.CommitBeside(ClaimEvent(is_new));
}

constexpr Command kStreamClaimCommands[] = {
    {.name = "xclaim",
     .arity = -6,
     .flags = kWrite | kFast,
     .categories = kStream,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Xclaim,
     .group = "stream",
     .since = "5.0.0",
     .syntax = "key group consumer min-idle-time<string> id... [IDLE ms] "
               "[TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
     .summary = "Takes over pending entries by id.",
     .complexity = "O(M*log(N)), M: ids given, N: pending entries",
     .tips = "nondeterministic_output"},
    {.name = "xautoclaim",
     .arity = -6,
     .flags = kWrite | kFast,
     .categories = kStream,
     .keys = {1, 1, 1, "RW delete"},
     .resolve = Resolve::kValue,
     .handler = Xautoclaim,
     .group = "stream",
     .since = "6.2.0",
     .syntax = "key group consumer min-idle-time<string> start<string> [COUNT count] [JUSTID]",
     .summary = "Takes over pending entries that have been idle.",
     .complexity = "O(N), N: entries looked at",
     .tips = "nondeterministic_output"},
};

}  // namespace

std::span<const Command> StreamClaimCommands() { return kStreamClaimCommands; }

}  // namespace terrace::commands
