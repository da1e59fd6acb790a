#include "commands/stream_values.h"

#include <cerrno>
#include <cstdlib>
#include <string>

namespace terrace::commands {
namespace {

using keyspace::Stream;
using keyspace::StreamId;
using keyspace::StreamReader;

constexpr size_t kIdCharsMax = 127;

// As strtoull reads it: blanks, a sign and leading zeros are fine, anything behind it is not.
bool ReadNumber(const std::string& text, uint64_t* value) {
  if (text.empty()) return false;
  char* end;
  errno = 0;
  *value = std::strtoull(text.c_str(), &end, 10);
  return errno == 0 && end != text.c_str() && *end == '\0';
}

}  // namespace

std::optional<StreamId> ReadStreamId(std::string_view text, uint64_t missing_sequence) {
  if (text.size() > kIdCharsMax) return std::nullopt;
  const std::string whole(text.substr(0, text.find('\0')));
  const size_t dash = whole.find('-');
  StreamId id;
  if (!ReadNumber(whole.substr(0, dash), &id.ms)) return std::nullopt;
  id.seq = missing_sequence;
  if (dash == std::string::npos) return id;
  const std::string sequence = whole.substr(dash + 1);
  // A number that is plainly negative is none.
  if (sequence.size() > 1 && sequence[0] == '-' && sequence[1] >= '1') return std::nullopt;
  if (!ReadNumber(sequence, &id.seq)) return std::nullopt;
  return id;
}

std::optional<StreamId> ParseStreamId(Call& call, size_t argument, uint64_t missing_sequence) {
  const std::optional<StreamId> id = ReadStreamId(call.args[argument], missing_sequence);
  if (!id) call.reply.Error("ERR Invalid stream ID specified as stream command argument");
  return id;
}

std::optional<StreamId> ParseRangeId(Call& call, size_t argument, RangeEnd end) {
  const std::string_view text = call.args[argument];
  if (text == "-") return StreamId{};
  if (text == "+") return StreamId::Max();
  const uint64_t missing_sequence = end == RangeEnd::kStart ? 0 : kSequenceMax;
  const bool is_open = text.size() > 1 && text[0] == '(';
  std::optional<StreamId> id = ReadStreamId(is_open ? text.substr(1) : text, missing_sequence);
  if (!id) {
    call.reply.Error("ERR Invalid stream ID specified as stream command argument");
    return std::nullopt;
  }
  if (!is_open) return id;
  id = end == RangeEnd::kStart ? id->Next() : id->Previous();
  if (!id) {
    call.reply.Error(end == RangeEnd::kStart ? "ERR invalid start ID for the interval"
                                             : "ERR invalid end ID for the interval");
  }
  return id;
}

void ReplyId(resp::Reply& reply, StreamId id) { reply.Bulk(id.Text()); }

void ReplyEntry(resp::Reply& reply, StreamReader& reader) {
  reply.Array(2);
  ReplyId(reply, reader.id());
  reply.Array(2 * reader.field_count());
  for (size_t i = 0; i < reader.field_count(); ++i) {
    std::string_view field;
    std::string_view value;
    reader.NextField(&field, &value);
    reply.Bulk(field);
    reply.Bulk(value);
  }
}

bool ReplyEntry(resp::Reply& reply, const Stream& stream, StreamId id) {
  StreamReader reader(stream, id, id);
  if (!reader.Next()) return false;
  ReplyEntry(reply, reader);
  return true;
}

void ReplyEntries(resp::Reply& reply, StreamReader reader, uint64_t count_max) {
  const resp::Reply::Mark mark = reply.Begin();
  size_t count = 0;
  while ((count_max == 0 || count < count_max) && reader.Next()) {
    ReplyEntry(reply, reader);
    ++count;
  }
  reply.EndArray(mark, count);
}

keyspace::StreamConsumer* SeeConsumer(keyspace::StreamGroup* group, std::string_view name,
                                      int64_t now_ms, bool* is_new) {
  keyspace::StreamConsumer* consumer = group->FindConsumer(name);
  *is_new = consumer == nullptr;
  if (*is_new) consumer = group->CreateConsumer(name, now_ms);
  consumer->seen_at_ms = now_ms;
  return consumer;
}

std::string Shown(std::string_view name) { return std::string(name.substr(0, name.find('\0'))); }

void ReplyNoGroup(Call& call, std::string_view key, std::string_view group) {
  call.reply.Error("NOGROUP No such key '" + Shown(key) + "' or consumer group '" + Shown(group) +
                   "'");
}

void ReplySubcommandError(Call& call) {
  std::string container(call.args[0]);
  for (char& c : container) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  call.reply.Error("ERR unknown subcommand or wrong number of arguments for '" +
                   Shown(call.args[1].substr(0, 128)) + "'. Try " + container + " HELP.");
}

}  // namespace terrace::commands
