#pragma once

// Dump: a value as the payload of Redis's DUMP and RESTORE, the form in which whole values travel
// between the tiers.
//
// Promises: what is encoded, any Redis since 5 restores; but hash fields with a deadline need 7.4.
//           DecodeDump reads what any Redis up to 7.4 dumps, believes nothing in it, and consumes
//           exactly the whole payload.
// Threads:  pure functions.
// Errors:   kBadFooter for a version that is too new or a wrong checksum (RESTORE: "DUMP payload
//           version or checksum are wrong"), kBadData for the rest ("Bad data format").

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "keyspace/object.h"
#include "keyspace/types/encoding_limits.h"

namespace terrace::keyspace {

enum class DumpStatus : uint8_t { kOk, kBadFooter, kBadData };

struct DumpValue {
  std::string string;              // where there is no object
  std::unique_ptr<Object> object;  // every other type

  Type type() const { return object == nullptr ? Type::kString : object->type(); }
};

// Who will restore a payload. It matters for streams only: Redis 5 and 6 keep no count of entries
// ever added, and a payload for them must leave it out.
enum class DumpReader : uint8_t { kRedis5, kRedis70, kRedis72 };

[[nodiscard]] std::string EncodeStringDump(std::string_view value);
[[nodiscard]] std::string EncodeDump(const Object& object, DumpReader reader);

// *value is meaningful only with kOk.
[[nodiscard]] DumpStatus DecodeDump(std::string_view payload, const EncodingLimits& limits,
                                    DumpValue* value);

}  // namespace terrace::keyspace
