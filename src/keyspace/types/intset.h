#pragma once

// Intset: a sorted array of distinct integers, 2, 4 or 8 bytes each, in the format Redis puts into
// dumps: u32 width | u32 count | values, little-endian. The width grows with the values and never
// shrinks.
//
// Ownership: owns its block. FromBytes refuses blocks that are malformed, unsorted or empty.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace terrace::keyspace {

class Intset {
 public:
  Intset();
  ~Intset();
  Intset(Intset&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Intset& operator=(Intset&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  Intset(const Intset& other);
  Intset& operator=(const Intset&) = delete;

  [[nodiscard]] static std::optional<Intset> FromBytes(std::string_view bytes);

  std::string_view bytes() const;
  size_t heap_bytes() const;
  size_t size() const;
  // REQUIRES: index < size(). Ascending.
  int64_t At(size_t index) const;
  bool Contains(int64_t value) const;
  // False if it was there already.
  bool Insert(int64_t value);
  // False if it was not there.
  bool Erase(int64_t value);
  void EraseAt(size_t index);

  uint8_t* Release() { return std::exchange(data_, nullptr); }
  static Intset Adopt(uint8_t* data) { return Intset(data); }

 private:
  explicit Intset(uint8_t* data) : data_(data) {}
  size_t width() const;
  size_t total_bytes() const;
  size_t LowerBound(int64_t value) const;
  void Put(size_t index, int64_t value);
  // Makes room for count values of that width, keeping the first of them.
  void Resize(size_t width, size_t count);

  uint8_t* data_;
};

}  // namespace terrace::keyspace
