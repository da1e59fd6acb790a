#pragma once

// Reader: takes the primitives of the RDB format off a byte string that nobody vouches for.
//
// Promises:  reads never pass the end of the input; no length is believed before the bytes it
//            speaks of are known to be there, so a small input cannot make us allocate a lot.
// Ownership: the input must outlive the reader; strings are copied out.
// Errors:    false means that the input is not RDB; the output is then unspecified and the reader
//            must not be used further.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace terrace::keyspace::rdb {

class Reader {
 public:
  explicit Reader(std::string_view input) : rest_(input) {}

  size_t left() const { return rest_.size(); }

  [[nodiscard]] bool Byte(uint8_t* value);
  [[nodiscard]] bool Length(uint64_t* value);
  // A count of elements that take at least one byte each: refused when they cannot be there.
  [[nodiscard]] bool Count(uint64_t* value);
  [[nodiscard]] bool String(std::string* value);
  [[nodiscard]] bool Double(double* value);
  [[nodiscard]] bool TextDouble(double* value);  // the scores of the oldest sorted sets
  [[nodiscard]] bool Milliseconds(int64_t* value);
  [[nodiscard]] bool Raw(size_t size, std::string_view* value);

 private:
  // is_encoding tells that the value is a StringEncoding and not a length.
  bool LengthOrEncoding(uint64_t* value, bool* is_encoding);
  bool EncodedString(uint64_t encoding, std::string* value);
  bool CompressedString(std::string* value);

  std::string_view rest_;
};

}  // namespace terrace::keyspace::rdb
