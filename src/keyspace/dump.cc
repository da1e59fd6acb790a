#include "keyspace/dump.h"

#include "base/crc64.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/object_reader.h"
#include "keyspace/rdb/object_writer.h"
#include "keyspace/rdb/reader.h"
#include "keyspace/rdb/writer.h"

namespace terrace::keyspace {
namespace {

constexpr size_t kChecksumSize = 8;
constexpr size_t kHeaderSizeMax = 10;  // tag and the longest length

void AppendFooter(uint16_t version, std::string* payload) {
  payload->push_back(static_cast<char>(version & 0xff));
  payload->push_back(static_cast<char>(version >> 8));
  const uint64_t checksum = base::Crc64(*payload);
  for (size_t i = 0; i < kChecksumSize; ++i) {
    payload->push_back(static_cast<char>(checksum >> (8 * i)));
  }
}

bool HasValidFooter(std::string_view payload) {
  if (payload.size() < rdb::kFooterSize) return false;
  const auto byte = [&](size_t index) -> uint64_t {
    return static_cast<unsigned char>(payload[index]);
  };
  const size_t footer = payload.size() - rdb::kFooterSize;
  if ((byte(footer) | byte(footer + 1) << 8) > rdb::kVersionMax) return false;
  const size_t checksum_at = payload.size() - kChecksumSize;
  uint64_t checksum = 0;
  for (size_t i = kChecksumSize; i-- > 0;) checksum = checksum << 8 | byte(checksum_at + i);
  return checksum == base::Crc64(payload.substr(0, checksum_at));
}

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
  AppendFooter(rdb::kVersionWritten, &payload);
  return payload;
}

std::string EncodeDump(const Object& object, DumpReader reader) {
  std::string payload;
  AppendFooter(rdb::WriteObject(object, VersionOf(reader), &payload), &payload);
  return payload;
}

DumpStatus DecodeDump(std::string_view payload, const EncodingLimits& limits, DumpValue* value) {
  if (!HasValidFooter(payload)) return DumpStatus::kBadFooter;
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
