#pragma once

// Histogram: counts of durations in log-linear buckets (16 to a doubling: 6 % precision), from
// which percentiles are read. As HdrHistogram, with fixed precision.
//
// Threads: Record and reads from any thread; a read during writes is a moment's approximation.
// Units:   whatever is recorded; microseconds everywhere in Terrace.

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace terrace::base {

class Histogram {
 public:
  void Record(uint64_t value) {
    counts_[IndexOf(value)].fetch_add(1, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_relaxed);
  }

  // The same without locked instructions. REQUIRES: nobody else records.
  void RecordAlone(uint64_t value) {
    Increment(counts_[IndexOf(value)]);
    Increment(count_);
  }

  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

  // Adds what another one has recorded.
  void Merge(const Histogram& other) {
    for (size_t index = 0; index < kBuckets; ++index) {
      counts_[index].fetch_add(other.counts_[index].load(std::memory_order_relaxed),
                               std::memory_order_relaxed);
    }
    count_.fetch_add(other.count(), std::memory_order_relaxed);
  }

  // The value that this part (0 to 1) of the records do not exceed; 0 when there are none.
  uint64_t Percentile(double part) const {
    const uint64_t total = count();
    if (total == 0) return 0;
    auto rank = static_cast<uint64_t>(part * static_cast<double>(total));
    if (rank >= total) rank = total - 1;
    uint64_t seen = 0;
    for (size_t index = 0; index < kBuckets; ++index) {
      seen += counts_[index].load(std::memory_order_relaxed);
      if (seen > rank) return UpperBound(index);
    }
    return UpperBound(kBuckets - 1);
  }

  // How many records are at most this value, to the precision of the buckets.
  uint64_t CountUpTo(uint64_t value) const {
    uint64_t seen = 0;
    for (size_t index = 0; index < kBuckets && UpperBound(index) <= value; ++index) {
      seen += counts_[index].load(std::memory_order_relaxed);
    }
    return seen;
  }

  void Reset() {
    for (auto& count : counts_) count.store(0, std::memory_order_relaxed);
    count_.store(0, std::memory_order_relaxed);
  }

 private:
  static constexpr int kSubBits = 4;
  static constexpr size_t kBuckets = (48 - kSubBits) << kSubBits;

  static void Increment(std::atomic<uint64_t>& count) {
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // Values below 16 have a bucket each; above, the top 5 bits choose it.
  static size_t IndexOf(uint64_t value) {
    if (value < (1u << kSubBits)) return value;
    const int shift = 63 - __builtin_clzll(value) - kSubBits;
    const size_t index =
        (static_cast<size_t>(shift) << kSubBits) + static_cast<size_t>(value >> shift);
    return index < kBuckets ? index : kBuckets - 1;
  }
  static uint64_t UpperBound(size_t index) {
    if (index < (2u << kSubBits)) return index;
    const size_t shift = (index >> kSubBits) - 1;
    const uint64_t base = (uint64_t{1} << kSubBits) + (index & ((1u << kSubBits) - 1));
    return ((base + 1) << shift) - 1;
  }

  std::atomic<uint64_t> counts_[kBuckets] = {};
  std::atomic<uint64_t> count_{0};
};

}  // namespace terrace::base
