#pragma once

// Buffer: bytes that grow at the end and are consumed at the front. Unlike std::string it does not
// initialise what it reserves, and unlike a ring its content is always one contiguous view.
//
// Threads: none inside.

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace terrace::base {

class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { std::free(data_); }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  size_t capacity() const { return capacity_; }
  const char* data() const { return data_ + begin_; }
  std::string_view view() const { return {data_ + begin_, size()}; }

  // At least bytes of room after the content; fill it from the pointer and Commit what was used.
  char* Reserve(size_t bytes) {
    if (capacity_ - end_ < bytes) [[unlikely]]
      Grow(bytes);
    return data_ + end_;
  }
  void Commit(size_t bytes) { end_ += bytes; }
  size_t room() const { return capacity_ - end_; }

  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(Reserve(bytes.size()), bytes.data(), bytes.size());
    end_ += bytes.size();
  }

  // Drops bytes from the front.
  void Consume(size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Drops bytes from the end, back to this size.
  void Truncate(size_t new_size) { end_ = begin_ + new_size; }
  void Clear() { begin_ = end_ = 0; }
  // Clears, and gives the memory back when there is more of it than this.
  void ClearAndTrim(size_t keep_capacity) {
    Clear();
    if (capacity_ <= keep_capacity) return;
    std::free(data_);
    data_ = nullptr;
    capacity_ = 0;
  }

 private:
  void Grow(size_t bytes) {
    const size_t used = size();
    if (begin_ > 0) {
      std::memmove(data_, data_ + begin_, used);
      begin_ = 0;
      end_ = used;
      if (capacity_ - end_ >= bytes) return;
    }
    size_t capacity = capacity_ < 256 ? 256 : capacity_;
    while (capacity - end_ < bytes) capacity *= 2;
    data_ = static_cast<char*>(std::realloc(data_, capacity));
    TERRACE_CHECK(data_ != nullptr);
    capacity_ = capacity;
  }

  char* data_ = nullptr;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t capacity_ = 0;
};

}  // namespace terrace::base
