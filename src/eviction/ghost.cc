#include "eviction/ghost.h"

#include <algorithm>
#include <bit>

namespace terrace::eviction {
namespace {

constexpr uint32_t kTimeBits = 5;
constexpr uint32_t kTimeMask = (1u << kTimeBits) - 1;
constexpr uint32_t kFingerprintMask = 0xffffu & ~kTimeMask;

// The store may have picked the shard and the bucket by the very bits used here, so mix them anew
// (the finalizer of MurmurHash3).
uint32_t Mix(uint32_t hash) {
  hash ^= hash >> 16;
  hash *= 0x85ebca6b;
  hash ^= hash >> 13;
  hash *= 0xc2b2ae35;
  return hash ^ (hash >> 16);
}

// From the low bits, since the high ones choose the bucket. Never zero: zero is an empty entry.
uint32_t FingerprintOf(uint32_t mixed) {
  const uint32_t fingerprint = (mixed << kTimeBits) & kFingerprintMask;
  return fingerprint != 0 ? fingerprint : 1u << kTimeBits;
}

}  // namespace

void Ghost::SetCapacity(size_t keys) {
  capacity_ = std::min(keys, kCapacityMax);
  const size_t wanted = capacity_ * 17 / 16 / kWays + 1;
  const size_t have = entries_.size() / kWays;
  // Growing by steps and shrinking late keeps a capacity that sways from resizing all the time.
  if (wanted > have) Resize(wanted + wanted / 8);
  if (wanted * 4 < have) Resize(wanted);
}

void Ghost::Add(uint32_t hash) {
  if (entries_.empty()) return;
  ++added_;
  const uint32_t mixed = Mix(hash);
  const uint32_t fingerprint = FingerprintOf(mixed);
  Entry* bucket = BucketOf(mixed);
  Entry* chosen = bucket;
  for (size_t way = 0; way < kWays; ++way) {
    Entry& entry = bucket[way];
    if (entry == 0 || (entry & kFingerprintMask) == fingerprint) {
      chosen = &entry;
      break;
    }
    if (AgeOf(entry) > AgeOf(*chosen)) chosen = &entry;
  }
  *chosen = static_cast<Entry>(fingerprint | Time());
}

bool Ghost::Take(uint32_t hash) {
  if (entries_.empty()) return false;
  const uint32_t mixed = Mix(hash);
  const uint32_t fingerprint = FingerprintOf(mixed);
  Entry* bucket = BucketOf(mixed);
  for (size_t way = 0; way < kWays; ++way) {
    if ((bucket[way] & kFingerprintMask) != fingerprint) continue;
    const bool remembered = (size_t{AgeOf(bucket[way])} << time_shift_) <= capacity_;
    bucket[way] = 0;
    return remembered;
  }
  return false;
}

Ghost::Entry* Ghost::BucketOf(uint32_t mixed) {
  const uint64_t bucket_count = entries_.size() / kWays;
  return &entries_[(mixed * bucket_count >> 32) * kWays];
}

uint32_t Ghost::Time() const { return static_cast<uint32_t>(added_ >> time_shift_) & kTimeMask; }

uint32_t Ghost::AgeOf(Entry entry) const { return (Time() - entry) & kTimeMask; }

void Ghost::Resize(size_t bucket_count) {
  // A bucket holds a range of hashes, so each new bucket takes over the old one its range begins
  // in. Ranges are cut elsewhere now, so up to half is forgotten. That is rare: at the first
  // eviction the table is made for the keys there are, and grows only when later ones are much
  // smaller.
  const size_t old_count = entries_.size() / kWays;
  std::vector<Entry> resized(bucket_count * kWays, 0);
  for (size_t bucket = 0; old_count > 0 && bucket < bucket_count; ++bucket) {
    const size_t from = bucket * old_count / bucket_count;
    std::copy_n(&entries_[from * kWays], kWays, &resized[bucket * kWays]);
  }
  entries_ = std::move(resized);
  // A tick is about a twelfth of the capacity: fine enough to forget by, slow enough that an entry
  // is replaced before the time wraps. A new length of tick makes the old times meaningless.
  const auto shift = static_cast<uint32_t>(
      std::max(static_cast<int>(std::bit_width(bucket_count * kWays)) - 4, 0));
  if (shift != time_shift_) {
    for (Entry& entry : entries_) {
      if (entry != 0) {
        entry = static_cast<Entry>((entry & kFingerprintMask) | ((added_ >> shift) & kTimeMask));
      }
    }
  }
  time_shift_ = shift;
}

}  // namespace terrace::eviction
