#include "eviction/ghost.h"

#include <algorithm>
#include <bit>

namespace terrace::eviction {
namespace {

constexpr uint32_t kTimeMask = 0xffff;
constexpr uint32_t kTimeBits = 16;
constexpr uint32_t kEmpty = 0;

// The store may have picked the shard and the bucket by the very bits used here, so mix them anew
// (the finalizer of MurmurHash3).
uint32_t Mix(uint32_t hash) {
  hash ^= hash >> 16;
  hash *= 0x85ebca6b;
  hash ^= hash >> 13;
  hash *= 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

// The low half of the mixed hash; never zero, so that no entry looks empty.
uint32_t FingerprintOf(uint32_t hash) { return std::max(Mix(hash) & 0xffff, 1u) << kTimeBits; }

}  // namespace

void Ghost::SetCapacity(size_t keys) {
  capacity_ = std::min(keys, kCapacityMax);
  const size_t wanted = std::bit_ceil(std::max<size_t>(capacity_, 1) * 9 / 8 / kWays + 1);
  const size_t have = entries_.size() / kWays;
  // Growing at once and shrinking late keeps a capacity that sways from resizing all the time.
  if (wanted > have || wanted * 4 <= have) Resize(wanted);
}

void Ghost::Add(uint32_t hash) {
  if (entries_.empty()) return;
  ++added_;
  const uint32_t fingerprint = FingerprintOf(hash);
  uint32_t* bucket = BucketOf(hash);
  uint32_t* oldest = bucket;
  for (size_t way = 0; way < kWays; ++way) {
    uint32_t& entry = bucket[way];
    if (entry == kEmpty || (entry & ~kTimeMask) == fingerprint) {
      oldest = &entry;
      break;
    }
    if (AgeOf(entry) > AgeOf(*oldest)) oldest = &entry;
  }
  *oldest = fingerprint | Time();
}

bool Ghost::Take(uint32_t hash) {
  if (entries_.empty()) return false;
  const uint32_t fingerprint = FingerprintOf(hash);
  uint32_t* bucket = BucketOf(hash);
  for (size_t way = 0; way < kWays; ++way) {
    if ((bucket[way] & ~kTimeMask) != fingerprint || bucket[way] == kEmpty) continue;
    const bool remembered = (uint64_t{AgeOf(bucket[way])} << time_shift_) <= capacity_;
    bucket[way] = kEmpty;
    return remembered;
  }
  return false;
}

uint32_t* Ghost::BucketOf(uint32_t hash) {
  const uint64_t bucket_count = entries_.size() / kWays;
  return &entries_[(Mix(hash) * bucket_count >> 32) * kWays];
}

uint32_t Ghost::AgeOf(uint32_t entry) const { return (Time() - entry) & kTimeMask; }

void Ghost::Resize(size_t bucket_count) {
  // A bucket is the top bits of the hash: on growth its keys may belong to any of the buckets it
  // splits into, and on shrinking several buckets fall together. Neither can be told from the
  // fingerprint, so growth copies and shrinking keeps what fits.
  const size_t old_count = entries_.size() / kWays;
  std::vector<uint32_t> resized(bucket_count * kWays, kEmpty);
  for (size_t bucket = 0; old_count > 0 && bucket < bucket_count; ++bucket) {
    const size_t from = bucket * old_count / bucket_count;
    std::copy_n(&entries_[from * kWays], kWays, &resized[bucket * kWays]);
  }
  entries_ = std::move(resized);
  // Stamps tick slowly enough that an entry is replaced or forgotten before the time wraps.
  const uint32_t shift = std::max<int>(std::bit_width(bucket_count * kWays) - 14, 0);
  if (shift != time_shift_) std::fill(entries_.begin(), entries_.end(), kEmpty);
  time_shift_ = shift;
}

}  // namespace terrace::eviction
