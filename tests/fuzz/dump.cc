// The payload of RESTORE comes from clients and from upstream servers. The footer is repaired
// first, so that the fuzzer works on the decoder and not on the checksum.

#include "keyspace/dump.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/crc64.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace terrace;
  std::string payload(reinterpret_cast<const char*>(data), size);
  payload.append("\x0b\x00", 2);
  const uint64_t checksum = base::Crc64(payload);
  for (int shift = 0; shift < 64; shift += 8) {
    payload.push_back(static_cast<char>(checksum >> shift));
  }
  const keyspace::EncodingLimits limits;
  keyspace::DumpValue value;
  if (keyspace::DecodeDump(payload, limits, &value) != keyspace::DumpStatus::kOk) return 0;
  // What was accepted must survive a second trip unchanged.
  const auto encode = [](const keyspace::DumpValue& decoded) {
    return decoded.object == nullptr
               ? keyspace::EncodeStringDump(decoded.string)
               : keyspace::EncodeDump(*decoded.object, keyspace::DumpReader::kRedis72);
  };
  const std::string encoded = encode(value);
  keyspace::DumpValue again;
  TERRACE_CHECK(keyspace::DecodeDump(encoded, limits, &again) == keyspace::DumpStatus::kOk);
  TERRACE_CHECK(again.type() == value.type() && again.string == value.string);
  if (value.object == nullptr) return 0;
  TERRACE_CHECK(again.object->size() == value.object->size());
  // Tables have no order of their own; the others must give the same bytes.
  using keyspace::Type;
  if (value.type() == Type::kList || value.type() == Type::kZset || value.type() == Type::kStream) {
    TERRACE_CHECK(encode(again) == encoded);
  }
  return 0;
}
