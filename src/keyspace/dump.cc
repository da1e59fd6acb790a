#include "keyspace/dump.h"

#include "keyspace/rdb/footer.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/object_reader.h"
#include "keyspace/rdb/object_writer.h"
#include "keyspace/rdb/reader.h"
#include "keyspace/rdb/writer.h"

namespace terrace::keyspace {
namespace {

constexpr size_t kHeaderSizeMax = 10;  // tag and the longest length

uint16_t VersionOf(DumpReader reader) {
  switch (reader) {
    case DumpReader::kRedis5:
      return rdb::kVersionWritten;
    case DumpReader::kRedis70:
      return rdb::kVersionOfStream2;
    case DumpReader::kRedis72:
      return rdb::kVersionOfStream3;
  }
  return rdb::kVersionWritten;
}

}  // namespace

std::string EncodeStringDump(std::string_view value) {
  std::string payload;
  payload.reserve(value.size() + kHeaderSizeMax + rdb::kFooterSize);
  rdb::Writer writer(&payload);
  writer.Byte(rdb::kStringTag);
  writer.String(value);
  rdb::AppendFooter(rdb::kVersionWritten, &payload);
  return payload;
}

std::string EncodeDump(const Object& object, DumpReader reader) {
  std::string payload;
  rdb::AppendFooter(rdb::WriteObject(object, VersionOf(reader), &payload), &payload);
  return payload;
}

DumpStatus DecodeDump(std::string_view payload, const EncodingLimits& limits, DumpValue* value) {
  if (!rdb::HasValidFooter(payload)) return DumpStatus::kBadFooter;
  rdb::Reader reader(payload.substr(0, payload.size() - rdb::kFooterSize));
  uint8_t tag;
  if (!reader.Byte(&tag)) return DumpStatus::kBadData;
  if (tag == rdb::kStringTag) {
    value->object.reset();
    if (!reader.String(&value->string)) return DumpStatus::kBadData;
  } else {
    value->object = rdb::ReadObject(tag, limits, &reader);
    if (value->object == nullptr) return DumpStatus::kBadData;
  }
  return reader.left() == 0 ? DumpStatus::kOk : DumpStatus::kBadData;
}

}  // namespace terrace::keyspace
