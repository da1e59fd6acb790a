#pragma once

// Ghost: remembers which keys left lately, at two to three bytes a key, so that one that returns
// can be told from one never seen.
//
// A table of buckets of eight [fingerprint, 11 bits | time, 5 bits]; time counts the keys that were
// added. An addition replaces the oldest of its bucket, and what is older than the capacity counts
// as forgotten. About one stranger in 300 is mistaken for a key that left.
//
// Threads: as the policy that owns it.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace terrace::eviction {

class Ghost {
 public:
  // Bounds the table whatever it is told to hold.
  static constexpr size_t kCapacityMax = size_t{1} << 27;

  // How many keys to remember. The table itself follows with some slack.
  void SetCapacity(size_t keys);

  void Add(uint32_t hash);

  // Forgets the key; true when it was remembered.
  bool Take(uint32_t hash);

  size_t memory_bytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  using Entry = uint16_t;

  static constexpr size_t kWays = 8;

  Entry* BucketOf(uint32_t mixed);
  uint32_t AgeOf(Entry entry) const;
  uint32_t Time() const;
  void Resize(size_t bucket_count);

  std::vector<Entry> entries_;
  size_t capacity_ = 0;
  uint32_t time_shift_ = 0;
  uint64_t added_ = 0;
};

}  // namespace terrace::eviction
