#include "replication/buffered_source.h"

#include <algorithm>
#include <cerrno>

#include "base/crc64.h"

namespace terrace::replication {

BufferedSource::BufferedSource(ByteInput* input)
    : input_(input), buffer_(std::make_unique<char[]>(kStepBytes)) {}

bool BufferedSource::Take(uint64_t size, std::string* out) {
  while (size > 0) {
    if (position_ == size_ && !Fill()) return false;
    const size_t step = std::min<uint64_t>(size, size_ - position_);
    out->append(buffer_.get() + position_, step);
    position_ += step;
    size -= step;
  }
  return true;
}

uint64_t BufferedSource::Checksum() {
  crc_ = base::Crc64({buffer_.get() + summed_, position_ - summed_}, crc_);
  summed_ = position_;
  return crc_;
}

bool BufferedSource::Fill() {
  Checksum();
  offset_ += size_;
  position_ = size_ = summed_ = 0;
  const int64_t got = input_->Read(buffer_.get(), kStepBytes);
  if (got < 0) error_ = errno;
  if (got > 0) size_ = static_cast<size_t>(got);
  return got > 0;
}

}  // namespace terrace::replication
