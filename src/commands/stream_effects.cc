#include "commands/stream_effects.h"

#include <string>
#include <vector>

namespace terrace::commands {
namespace {

using keyspace::Stream;
using keyspace::StreamGroup;
using keyspace::StreamId;
using keyspace::StreamTrim;

std::string IdText(StreamId id) { return std::to_string(id.ms) + "-" + std::to_string(id.seq); }

// The oldest entry, or what is older than any that may come.
StreamId FirstId(const Stream& stream, StreamId otherwise) {
  keyspace::StreamReader reader(stream, StreamId{}, StreamId::Max());
  return reader.Next() ? reader.id() : otherwise;
}

// What a stream was trimmed to, without the freedom of ~.
struct TrimWords {
  TrimWords(const StreamTrim& trim, const Stream& stream)
      : by(trim.by == StreamTrim::By::kLength ? "MAXLEN" : "MINID"),
        bound(trim.by == StreamTrim::By::kLength ? std::to_string(stream.size())
                                                 : IdText(FirstId(stream, trim.min_id))) {}
  const std::string_view by;
  const std::string bound;
};

}  // namespace

void RepeatAdd(Call& call, const StreamAddOptions& options, const Stream& stream, StreamId added,
               uint64_t trimmed) {
  if (!call.is_repeated()) return;
  std::vector<std::string_view> arguments{"XADD", call.args[1]};
  const std::string id = IdText(added);
  std::optional<TrimWords> trim;
  if (trimmed > 0) {
    trim.emplace(*options.trim, stream);
    arguments.insert(arguments.end(), {trim->by, "=", trim->bound});
  }
  arguments.push_back(id);
  const Args fields = call.args.subspan(options.id_argument + 1);
  arguments.insert(arguments.end(), fields.begin(), fields.end());
  call.RepeatAs(arguments);
}

void RepeatTrim(Call& call, const StreamAddOptions& options, const Stream& stream) {
  if (!call.is_repeated()) return;
  const TrimWords trim(*options.trim, stream);
  call.RepeatAs({"XTRIM", call.args[1], trim.by, "=", trim.bound});
}

void RepeatNewConsumer(Call& call, const GroupNames& names) {
  call.RepeatAs({"XGROUP", "CREATECONSUMER", names.key, names.group, names.consumer});
}

void RepeatPosition(Call& call, const GroupNames& names, const StreamGroup& group) {
  if (!call.is_repeated()) return;
  call.RepeatAs({"XGROUP", "SETID", names.key, names.group, IdText(group.last_id), "ENTRIESREAD",
                 std::to_string(group.entries_read)});
}

void RepeatPending(Call& call, const GroupNames& names, const StreamGroup& group, StreamId id) {
  if (!call.is_repeated()) return;
  const keyspace::StreamPending& pending = *group.FindPending(id);
  call.RepeatAs({"XCLAIM", names.key, names.group, names.consumer, "0", IdText(id), "TIME",
                 std::to_string(pending.delivered_at_ms), "RETRYCOUNT",
                 std::to_string(pending.delivery_count), "FORCE", "JUSTID", "LASTID",
                 IdText(group.last_id)});
}

void RepeatForgotten(Call& call, const GroupNames& names, StreamId id) {
  if (call.is_repeated()) call.RepeatAs({"XACK", names.key, names.group, IdText(id)});
}

}  // namespace terrace::commands
