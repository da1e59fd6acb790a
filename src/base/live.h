#pragma once

// Live: a number that may be set while other threads read it, such as a limit that an operator
// changes. Readers see the old or the new value; nothing is ordered with it.

#include <atomic>

namespace terrace::base {

template <typename T>
class Live {
 public:
  Live(T value) : value_(value) {}  // NOLINT(google-explicit-constructor): stands for its value
  Live(const Live& other) : value_(T{other}) {}
  Live& operator=(const Live& other) {
    value_.store(T{other}, std::memory_order_relaxed);
    return *this;
  }
  operator T() const { return value_.load(std::memory_order_relaxed); }  // NOLINT: as above

 private:
  std::atomic<T> value_;
};

}  // namespace terrace::base
