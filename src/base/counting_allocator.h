#pragma once

// CountingAllocator: a standard allocator that keeps the sum of what it has handed out, as the real
// allocator rounds it, so that an object full of containers knows its size at any time.
//
// Ownership: the counter is the caller's and must outlive every container that uses it.
// Threads:   as the counter.

#include <cstddef>
#include <memory>
#include <type_traits>

#include "base/memory.h"

namespace terrace::base {

// What a std::string of this length allocates beside itself.
inline size_t StringHeapBytes(size_t length) {
  constexpr size_t kInlineMax = 15;
  return length <= kInlineMax ? 0 : AllocationSize(length + 1);
}

template <typename T>
class CountingAllocator {
 public:
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  explicit CountingAllocator(size_t* bytes) : bytes_(bytes) {}
  template <typename U>
  CountingAllocator(const CountingAllocator<U>& other) : bytes_(other.bytes()) {}

  T* allocate(size_t count) {
    *bytes_ += AllocationSize(count * sizeof(T));
    return std::allocator<T>().allocate(count);
  }
  void deallocate(T* block, size_t count) {
    *bytes_ -= AllocationSize(count * sizeof(T));
    std::allocator<T>().deallocate(block, count);
  }

  size_t* bytes() const { return bytes_; }
  template <typename U>
  bool operator==(const CountingAllocator<U>& other) const {
    return bytes_ == other.bytes();
  }

 private:
  size_t* bytes_;
};

}  // namespace terrace::base
