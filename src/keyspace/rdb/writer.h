#pragma once

// Writer: appends the primitives of the RDB format to a string. The mirror of Reader.
//
// Ownership: the output string is the caller's and must outlive the writer.
// Threads:   none inside.

#include <cstdint>
#include <string>
#include <string_view>

namespace terrace::keyspace::rdb {

class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  void Byte(uint8_t value) { out_->push_back(static_cast<char>(value)); }
  void Length(uint64_t value);
  // Canonical integers up to 32 bits travel in binary, everything else as it is.
  void String(std::string_view value);
  void Double(double value);         // 8 bytes, little-endian
  void Milliseconds(int64_t value);  // 8 bytes, little-endian
  void Raw(std::string_view bytes) { out_->append(bytes); }

 private:
  std::string* out_;
};

}  // namespace terrace::keyspace::rdb
