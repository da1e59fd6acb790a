#pragma once

// ReadObject: a value that is not a string, out of the RDB format, in any encoding that Redis 2.6
// to 7.4 writes. The mirror of WriteObject.
//
// Promises: what comes out keeps every invariant of its type, whatever went in: no member twice,
//           no score that is not a number, no listpack that leads outside itself, no empty value.
// Errors:   nullptr when the bytes are not such a value.

#include <cstdint>
#include <memory>

#include "keyspace/object.h"
#include "keyspace/rdb/reader.h"
#include "keyspace/types/encoding_limits.h"

namespace terrace::keyspace::rdb {

// tag is the byte before the value, already read.
[[nodiscard]] std::unique_ptr<Object> ReadObject(uint8_t tag, const EncodingLimits& limits,
                                                 Reader* reader);

// The parts, by type.
[[nodiscard]] std::unique_ptr<Object> ReadHash(uint8_t tag, const EncodingLimits& limits,
                                               Reader* reader);
[[nodiscard]] std::unique_ptr<Object> ReadStream(uint8_t tag, Reader* reader);

}  // namespace terrace::keyspace::rdb
