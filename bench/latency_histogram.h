#pragma once

// LatencyHistogram: counts of durations in buckets at most 1.6 % wide, for percentiles of a bench.
//
// Units: nanoseconds in, microseconds out.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace terrace::bench {

class LatencyHistogram {
 public:
  void Add(int64_t nanoseconds, uint64_t times = 1) {
    counts_[BucketOf(nanoseconds < 0 ? 0 : static_cast<uint64_t>(nanoseconds))] += times;
    total_ += times;
  }

  uint64_t count() const { return total_; }

  // The least duration that is not exceeded by the given part (0 to 1) of all; 0 when empty.
  double PercentileUs(double part) const {
    const double wanted = part * static_cast<double>(total_);
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen > 0 && static_cast<double>(seen) >= wanted) {
        return static_cast<double>(UpperEnd(bucket)) / 1000;
      }
    }
    return 0;
  }

  // Calls f(upper end in microseconds, count) for each bucket that is not empty, ascending.
  template <typename F>
  void ForEach(F f) const {
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      if (counts_[bucket] > 0) f(static_cast<double>(UpperEnd(bucket)) / 1000, counts_[bucket]);
    }
  }

 private:
  // Below 64 each value has a bucket; above, each power of two has 64.
  static constexpr int kSubBits = 6;

  static size_t BucketOf(uint64_t value) {
    if (value < (1u << kSubBits)) return value;
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return (static_cast<size_t>(shift) << kSubBits) + (value >> shift);
  }

  static uint64_t UpperEnd(size_t bucket) {
    if (bucket < (1u << kSubBits)) return bucket;
    const size_t shift = (bucket >> kSubBits) - 1;
    return (((bucket & ((1u << kSubBits) - 1)) + (1u << kSubBits) + 1) << shift) - 1;
  }

  std::array<uint64_t, (64 - kSubBits + 1) << kSubBits> counts_{};
  uint64_t total_ = 0;
};

}  // namespace terrace::bench
