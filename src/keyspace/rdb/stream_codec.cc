#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "keyspace/rdb/format.h"
#include "keyspace/rdb/object_reader.h"
#include "keyspace/rdb/object_writer.h"
#include "keyspace/rdb/writer.h"
#include "keyspace/types/stream.h"

namespace terrace::keyspace::rdb {
namespace {

constexpr int64_t kTimeMsMax = int64_t{1} << 48;  // the year 10889

void WriteId(StreamId id, Writer* writer) {
  writer->Length(id.ms);
  writer->Length(id.seq);
}

bool ReadId(Reader* reader, StreamId* id) {
  return reader->Length(&id->ms) && reader->Length(&id->seq);
}

// A time at which something happened. What no clock shows becomes what one does, so that nobody who
// computes with it need fear an overflow.
bool ReadTime(Reader* reader, int64_t earliest_ms, int64_t* time_ms) {
  if (!reader->Milliseconds(time_ms)) return false;
  *time_ms = std::clamp(*time_ms, earliest_ms, kTimeMsMax);
  return true;
}

bool ReadRawId(Reader* reader, StreamId* id) {
  std::string_view bytes;
  if (!reader->Raw(kStreamIdBytes, &bytes)) return false;
  *id = DecodeStreamId(bytes);
  return true;
}

void WriteGroup(const StreamGroup& group, ValueTag tag, Writer* writer) {
  WriteId(group.last_id, writer);
  if (tag >= kStream2Tag) writer->Length(static_cast<uint64_t>(group.entries_read));
  writer->Length(group.pending().size());
  for (const auto& [id, entry] : group.pending()) {
    writer->Raw(EncodeStreamId(id));
    writer->Milliseconds(entry.delivered_at_ms);
    writer->Length(entry.delivery_count);
  }
  writer->Length(group.consumers().size());
  for (const auto& [name, consumer] : group.consumers()) {
    writer->String(name);
    writer->Milliseconds(consumer.seen_at_ms);
    if (tag >= kStream3Tag) writer->Milliseconds(consumer.active_at_ms);
    writer->Length(consumer.pending.size());
    for (const StreamId id : consumer.pending) writer->Raw(EncodeStreamId(id));
  }
}

bool ReadNodes(Reader* reader, Stream* stream) {
  uint64_t count;
  if (!reader->Count(&count)) return false;
  std::string master;
  std::string bytes;
  for (; count > 0; --count) {
    if (!reader->String(&master) || master.size() != kStreamIdBytes) return false;
    if (!reader->String(&bytes)) return false;
    std::optional<Listpack> pack = Listpack::FromBytes(bytes);
    if (!pack.has_value()) return false;
    std::optional<StreamNode> node = StreamNode::FromPack(DecodeStreamId(master), std::move(*pack));
    if (!node.has_value() || !stream->AppendNode(std::move(*node))) return false;
  }
  return true;
}

// The id of the last entry, deleted or not; nothing may have been added behind it.
StreamId LastStoredId(const Stream& stream) {
  StreamNode::Entry last;
  const size_t count = stream.node_count();
  return count > 0 && stream.node(count - 1).Last(&last) ? last.id : StreamId{};
}

bool ReadCounters(uint8_t tag, Reader* reader, Stream* stream) {
  uint64_t length;
  StreamCounters counters;
  if (!reader->Length(&length) || length != stream->size()) return false;
  if (!ReadId(reader, &counters.last_id) || counters.last_id < LastStoredId(*stream)) return false;
  counters.entries_added = length;
  if (tag >= kStream2Tag) {
    StreamId first_id;  // known from the nodes
    if (!ReadId(reader, &first_id) || !ReadId(reader, &counters.max_deleted_id) ||
        !reader->Length(&counters.entries_added)) {
      return false;
    }
  }
  if (counters.entries_added > std::numeric_limits<int64_t>::max()) return false;
  stream->SetCounters(counters);
  return true;
}

bool ReadPending(Reader* reader, StreamGroup* group) {
  uint64_t count;
  if (!reader->Count(&count)) return false;
  for (; count > 0; --count) {
    StreamId id;
    int64_t delivered_at_ms;
    uint64_t delivery_count;
    if (!ReadRawId(reader, &id) || !ReadTime(reader, 0, &delivered_at_ms) ||
        !reader->Length(&delivery_count)) {
      return false;
    }
    if (!group->AddUnowned(id, delivered_at_ms, delivery_count)) return false;
  }
  return true;
}

bool ReadConsumer(uint8_t tag, Reader* reader, StreamGroup* group) {
  std::string name;
  int64_t seen_at_ms;
  if (!reader->String(&name) || !ReadTime(reader, 0, &seen_at_ms)) return false;
  StreamConsumer* consumer = group->CreateConsumer(name, seen_at_ms);
  if (consumer == nullptr) return false;
  consumer->active_at_ms = seen_at_ms;
  if (tag >= kStream3Tag && !ReadTime(reader, kNeverActive, &consumer->active_at_ms)) return false;
  uint64_t count;
  if (!reader->Count(&count)) return false;
  for (; count > 0; --count) {
    StreamId id;
    if (!ReadRawId(reader, &id) || !group->Adopt(id, consumer)) return false;
  }
  return true;
}

bool ReadGroup(uint8_t tag, Reader* reader, Stream* stream) {
  std::string name;
  StreamId last_id;
  if (!reader->String(&name) || !ReadId(reader, &last_id)) return false;
  int64_t entries_read = stream->EntriesAddedUpTo(last_id);
  if (tag >= kStream2Tag) {
    uint64_t written;
    if (!reader->Length(&written)) return false;
    entries_read = static_cast<int64_t>(written);
    if (entries_read < kEntriesReadUnknown) return false;
  }
  StreamGroup* group = stream->CreateGroup(name, last_id, entries_read);
  uint64_t consumers;
  if (group == nullptr || !ReadPending(reader, group) || !reader->Count(&consumers)) return false;
  for (; consumers > 0; --consumers) {
    if (!ReadConsumer(tag, reader, group)) return false;
  }
  return group->AllOwned();
}

}  // namespace

uint16_t WriteStream(const Stream& stream, uint16_t version_max, std::string* out) {
  const ValueTag tag = version_max >= kVersionOfStream3   ? kStream3Tag
                       : version_max >= kVersionOfStream2 ? kStream2Tag
                                                          : kStreamTag;
  Writer writer(out);
  writer.Byte(tag);
  writer.Length(stream.node_count());
  for (size_t i = 0; i < stream.node_count(); ++i) {
    writer.String(EncodeStreamId(stream.node(i).master()));
    writer.String(stream.node(i).pack().bytes());
  }
  writer.Length(stream.size());
  WriteId(stream.counters().last_id, &writer);
  if (tag >= kStream2Tag) {
    WriteId(stream.first_id(), &writer);
    WriteId(stream.counters().max_deleted_id, &writer);
    writer.Length(stream.counters().entries_added);
  }
  writer.Length(stream.groups().size());
  for (const auto& [name, group] : stream.groups()) {
    writer.String(name);
    WriteGroup(group, tag, &writer);
  }
  return tag == kStream3Tag   ? kVersionOfStream3
         : tag == kStream2Tag ? kVersionOfStream2
                              : kVersionWritten;
}

std::unique_ptr<Object> ReadStream(uint8_t tag, Reader* reader) {
  auto stream = std::make_unique<Stream>();
  if (!ReadNodes(reader, stream.get())) return nullptr;
  stream->FinishLoading();
  if (!ReadCounters(tag, reader, stream.get())) return nullptr;
  uint64_t groups;
  if (!reader->Count(&groups)) return nullptr;
  for (; groups > 0; --groups) {
    if (!ReadGroup(tag, reader, stream.get())) return nullptr;
  }
  return stream;
}

}  // namespace terrace::keyspace::rdb
