#pragma once

// BufferedSource: a ByteInput in large steps, with the offset and the checksum of what was taken.
//
// Promises: a size that is not there costs no memory: at most kStepBytes are asked for at once.
// Threads:  confined.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "keyspace/rdb/extent.h"
#include "replication/snapshot_reader.h"

namespace terrace::replication {

class BufferedSource : public keyspace::rdb::ByteSource {
 public:
  static constexpr size_t kStepBytes = 256 << 10;

  explicit BufferedSource(ByteInput* input);

  [[nodiscard]] bool Take(uint64_t size, std::string* out) override;

  uint64_t offset() const { return offset_ + position_; }  // of the next byte
  uint64_t Checksum();                                     // of all bytes taken
  int error() const { return error_; }                     // errno of the input, or 0

 private:
  bool Fill();

  ByteInput* const input_;
  const std::unique_ptr<char[]> buffer_;
  uint64_t offset_ = 0;  // of the buffer
  size_t position_ = 0;
  size_t size_ = 0;
  size_t summed_ = 0;  // bytes of the buffer that are in crc_
  uint64_t crc_ = 0;
  int error_ = 0;
};

}  // namespace terrace::replication
