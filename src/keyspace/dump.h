#pragma once

// Dump: a value as the payload of Redis's DUMP and RESTORE, the form in which whole values travel
// between the tiers.
//
// Promises: EncodeStringDump gives what any Redis since 5 restores. DecodeDump reads what any Redis
//           up to 7.4 dumps, believes nothing in it, and consumes exactly the whole payload.
// Threads:  pure functions.
// Errors:   kBadFooter for a version that is too new or a wrong checksum (RESTORE: "DUMP payload
//           version or checksum are wrong"), kBadData for the rest ("Bad data format").

#include <cstdint>
#include <string>
#include <string_view>

namespace terrace::keyspace {

enum class DumpStatus : uint8_t { kOk, kBadFooter, kBadData };

struct DumpValue {
  std::string string;
};

[[nodiscard]] std::string EncodeStringDump(std::string_view value);

// *value is meaningful only with kOk.
[[nodiscard]] DumpStatus DecodeDump(std::string_view payload, DumpValue* value);

}  // namespace terrace::keyspace
