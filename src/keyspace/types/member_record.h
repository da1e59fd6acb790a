#pragma once

// The length prefix that the records of member tables share: seven bits a byte, lowest first, the
// top bit set on all but the last. Almost always one byte.

#include <cstddef>
#include <cstdint>

namespace terrace::keyspace {

constexpr size_t LengthBytes(uint64_t length) {
  size_t bytes = 1;
  for (; length >= 128; length >>= 7) ++bytes;
  return bytes;
}

inline uint8_t* WriteLength(uint8_t* to, uint64_t length) {
  for (; length >= 128; length >>= 7) *to++ = static_cast<uint8_t>(length | 128);
  *to++ = static_cast<uint8_t>(length);
  return to;
}

// Returns what follows the length.
inline const uint8_t* ReadLength(const uint8_t* from, uint64_t* length) {
  uint64_t value = *from & 127;
  for (int shift = 7; (*from++ & 128) != 0; shift += 7) {
    value |= static_cast<uint64_t>(*from & 127) << shift;
  }
  *length = value;
  return from;
}

}  // namespace terrace::keyspace
