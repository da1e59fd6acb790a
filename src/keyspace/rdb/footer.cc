#include "keyspace/rdb/footer.h"

#include "base/crc64.h"
#include "keyspace/rdb/format.h"

namespace terrace::keyspace::rdb {
namespace {

constexpr size_t kChecksumSize = 8;

}  // namespace

void AppendFooter(uint16_t version, std::string* payload) {
  payload->push_back(static_cast<char>(version & 0xff));
  payload->push_back(static_cast<char>(version >> 8));
  const uint64_t checksum = base::Crc64(*payload);
  for (size_t i = 0; i < kChecksumSize; ++i) {
    payload->push_back(static_cast<char>(checksum >> (8 * i)));
  }
}

bool HasValidFooter(std::string_view payload) {
  if (payload.size() < kFooterSize) return false;
  const auto byte = [&](size_t index) -> uint64_t {
    return static_cast<unsigned char>(payload[index]);
  };
  const size_t footer = payload.size() - kFooterSize;
  if ((byte(footer) | byte(footer + 1) << 8) > kVersionMax) return false;
  const size_t checksum_at = payload.size() - kChecksumSize;
  uint64_t checksum = 0;
  for (size_t i = kChecksumSize; i-- > 0;) checksum = checksum << 8 | byte(checksum_at + i);
  return checksum == base::Crc64(payload.substr(0, checksum_at));
}

}  // namespace terrace::keyspace::rdb
