#include "keyspace/types/intset.h"

#include <algorithm>
#include <cstring>

#include "base/memory.h"

namespace terrace::keyspace {
namespace {

constexpr size_t kIntsetHeaderBytes = 8;

size_t WidthOf(int64_t value) {
  if (value == static_cast<int16_t>(value)) return 2;
  if (value == static_cast<int32_t>(value)) return 4;
  return 8;
}

int64_t Read(const uint8_t* from, size_t width) {
  if (width == 2) {
    int16_t value;
    std::memcpy(&value, from, 2);
    return value;
  }
  if (width == 4) {
    int32_t value;
    std::memcpy(&value, from, 4);
    return value;
  }
  int64_t value;
  std::memcpy(&value, from, 8);
  return value;
}

uint32_t ReadWord(const uint8_t* from) {
  uint32_t value;
  std::memcpy(&value, from, 4);
  return value;
}

void WriteHeader(uint8_t* to, size_t width, size_t count) {
  const uint32_t words[2] = {static_cast<uint32_t>(width), static_cast<uint32_t>(count)};
  std::memcpy(to, words, sizeof(words));
}

}  // namespace

Intset::Intset() : data_(static_cast<uint8_t*>(base::Allocate(kIntsetHeaderBytes))) {
  WriteHeader(data_, 2, 0);
}

Intset::~Intset() {
  if (data_ != nullptr) base::Free(data_, heap_bytes());
}

Intset::Intset(const Intset& other)
    : data_(static_cast<uint8_t*>(base::Allocate(other.heap_bytes()))) {
  std::memcpy(data_, other.data_, other.total_bytes());
}

std::optional<Intset> Intset::FromBytes(std::string_view bytes) {
  if (bytes.size() < kIntsetHeaderBytes) return std::nullopt;
  const auto* const data = reinterpret_cast<const uint8_t*>(bytes.data());
  const size_t width = ReadWord(data);
  const size_t count = ReadWord(data + 4);
  if (width != 2 && width != 4 && width != 8) return std::nullopt;
  if (count == 0 || kIntsetHeaderBytes + count * width != bytes.size()) return std::nullopt;
  for (size_t i = 1; i < count; ++i) {
    const uint8_t* const at = data + kIntsetHeaderBytes + i * width;
    if (Read(at - width, width) >= Read(at, width)) return std::nullopt;
  }
  Intset result(static_cast<uint8_t*>(base::Allocate(base::AllocationSize(bytes.size()))));
  std::memcpy(result.data_, data, bytes.size());
  return result;
}

size_t Intset::width() const { return ReadWord(data_); }
size_t Intset::size() const { return ReadWord(data_ + 4); }
size_t Intset::total_bytes() const { return kIntsetHeaderBytes + size() * width(); }
size_t Intset::heap_bytes() const { return base::AllocationSize(total_bytes()); }

std::string_view Intset::bytes() const {
  return {reinterpret_cast<const char*>(data_), total_bytes()};
}

int64_t Intset::At(size_t index) const {
  return Read(data_ + kIntsetHeaderBytes + index * width(), width());
}

void Intset::Put(size_t index, int64_t value) {
  std::memcpy(data_ + kIntsetHeaderBytes + index * width(), &value, width());
}

size_t Intset::LowerBound(int64_t value) const {
  size_t low = 0;
  size_t high = size();
  // Ascending insertion is the common load.
  if (high > 0 && At(high - 1) < value) return high;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (At(middle) < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

bool Intset::Contains(int64_t value) const {
  if (WidthOf(value) > width()) return false;
  const size_t index = LowerBound(value);
  return index < size() && At(index) == value;
}

void Intset::Resize(size_t new_width, size_t new_count) {
  const size_t old_width = width();
  const size_t kept = std::min(size(), new_count);
  const size_t old_room = heap_bytes();
  const size_t new_room = base::AllocationSize(kIntsetHeaderBytes + new_width * new_count);
  if (new_room != old_room || new_width != old_width) {
    auto* const moved = static_cast<uint8_t*>(base::Allocate(new_room));
    for (size_t i = 0; new_width != old_width && i < kept; ++i) {
      const int64_t value = At(i);
      std::memcpy(moved + kIntsetHeaderBytes + i * new_width, &value, new_width);
    }
    if (new_width == old_width) std::memcpy(moved, data_, kIntsetHeaderBytes + kept * old_width);
    base::Free(data_, old_room);
    data_ = moved;
  }
  WriteHeader(data_, new_width, new_count);
}

bool Intset::Insert(int64_t value) {
  const size_t index = LowerBound(value);
  const size_t count = size();
  if (index < count && At(index) == value) return false;
  Resize(std::max(width(), WidthOf(value)), count + 1);
  uint8_t* const at = data_ + kIntsetHeaderBytes + index * width();
  std::memmove(at + width(), at, (count - index) * width());
  Put(index, value);
  return true;
}

bool Intset::Erase(int64_t value) {
  if (!Contains(value)) return false;
  EraseAt(LowerBound(value));
  return true;
}

void Intset::EraseAt(size_t index) {
  const size_t count = size();
  uint8_t* const at = data_ + kIntsetHeaderBytes + index * width();
  std::memmove(at, at + width(), (count - index - 1) * width());
  Resize(width(), count - 1);
}

}  // namespace terrace::keyspace
