#pragma once

// Extent: where a value ends in a stream of RDB bytes. It moves the bytes of one value, and no
// more, from a source into a string, which ReadObject then decodes. So a file of any size is read
// with memory for its largest value.
//
// Promises: no length is believed: bytes are taken as the source has them. Nothing is checked that
//           ReadObject checks.

#include <cstddef>
#include <cstdint>
#include <string>

namespace terrace::keyspace::rdb {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Appends exactly size bytes to *out; false when they are not there.
  [[nodiscard]] virtual bool Take(uint64_t size, std::string* out) = 0;
};

enum class ExtentStatus : uint8_t {
  kOk,
  kCutShort,   // the source ended, or failed
  kBadData,    // no such tag, or bytes that are no length or string
  kForModule,  // a value of a module
};

// The value behind this tag, the one of a string included.
[[nodiscard]] ExtentStatus TakeValue(uint8_t tag, ByteSource* source, std::string* out);
[[nodiscard]] ExtentStatus TakeString(ByteSource* source, std::string* out);
// A length, also decoded.
[[nodiscard]] ExtentStatus TakeLength(ByteSource* source, std::string* out, uint64_t* value);

}  // namespace terrace::keyspace::rdb
