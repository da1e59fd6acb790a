#include "keyspace/dump.h"

#include "base/crc64.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/reader.h"
#include "keyspace/rdb/writer.h"

namespace terrace::keyspace {
namespace {

constexpr size_t kChecksumSize = 8;
constexpr size_t kHeaderSizeMax = 10;  // tag and the longest length

void AppendFooter(std::string* payload) {
  payload->push_back(static_cast<char>(rdb::kVersionWritten & 0xff));
  payload->push_back(static_cast<char>(rdb::kVersionWritten >> 8));
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

}  // namespace

std::string EncodeStringDump(std::string_view value) {
  std::string payload;
  payload.reserve(value.size() + kHeaderSizeMax + rdb::kFooterSize);
  rdb::Writer writer(&payload);
  writer.Byte(rdb::kStringTag);
  writer.String(value);
  AppendFooter(&payload);
  return payload;
}

DumpStatus DecodeDump(std::string_view payload, DumpValue* value) {
  if (!HasValidFooter(payload)) return DumpStatus::kBadFooter;
  rdb::Reader reader(payload.substr(0, payload.size() - rdb::kFooterSize));
  uint8_t tag;
  if (!reader.Byte(&tag) || tag != rdb::kStringTag) return DumpStatus::kBadData;
  if (!reader.String(&value->string) || reader.left() != 0) return DumpStatus::kBadData;
  return DumpStatus::kOk;
}

}  // namespace terrace::keyspace
