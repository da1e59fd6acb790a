#pragma once

// Crc64: the checksum of RDB files and DUMP payloads (Jones polynomial 0xad93d23594c935a9,
// reflected, zero in, zero out). Eight bytes a step by slicing tables (Kounavis and Berry 2005).
//
// Promises: Crc64(b, Crc64(a)) == Crc64(ab); the empty text leaves the seed as it is.
// Threads:  pure.

#include <cstdint>
#include <string_view>

namespace terrace::base {

[[nodiscard]] uint64_t Crc64(std::string_view bytes, uint64_t seed = 0);

}  // namespace terrace::base
