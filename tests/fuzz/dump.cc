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
  keyspace::DumpValue value;
  if (keyspace::DecodeDump(payload, &value) != keyspace::DumpStatus::kOk) return 0;
  keyspace::DumpValue again;
  const std::string encoded = keyspace::EncodeStringDump(value.string);
  TERRACE_CHECK(keyspace::DecodeDump(encoded, &again) == keyspace::DumpStatus::kOk);
  TERRACE_CHECK(again.string == value.string);
  return 0;
}
