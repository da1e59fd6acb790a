#pragma once

// Table: the hash table of one database in one shard: key -> Entry.
//
// Linear hashing (Litwin 1980) over buckets of one cache line. A bucket holds nine 48-bit pointers
// and nine one-byte tags, so that a lookup touches one line of the table and, nearly always, one
// entry. The table grows and shrinks by one bucket at a time: no rehash pause, no moment with two
// tables, and the bytes per key stay the same at every size (about 11 with the load below).
//
//   bytes 0..53   nine pointers of 6 bytes     54..62  nine tags     63  count | overflow flag
//
// A full bucket turns its ninth pointer into a link to an overflow bucket.
//
// Only 32 bits of the hash are used here: the low ones choose the bucket, the high 8 are the tag.
// So 32 bits are enough to find a key again, which is what expiry and eviction queues store.
//
// Scan order is that of the bit-reversed hash, which a split or a merge does not change: a scan
// that goes on from its cursor meets every key that was there the whole time (as in Redis's dict).
//
// Ownership: the table owns its buckets, never the entries.
// Threads:   under the shard's lock.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/rng.h"
#include "keyspace/entry.h"

namespace terrace::keyspace {

class Table {
 public:
  explicit Table(uint64_t hash_seed) : hash_seed_(hash_seed) {}
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  struct Bucket;

  // A place in the table that holds an entry. Valid until the table changes.
  struct Slot {
    Bucket* bucket = nullptr;
    int index = 0;
    explicit operator bool() const { return bucket != nullptr; }
    Entry* entry() const;
    void set_entry(Entry* entry) const;
  };

  Slot FindSlot(std::string_view key, uint32_t hash) const;
  Entry* Find(std::string_view key, uint32_t hash) const {
    const Slot slot = FindSlot(key, hash);
    return slot ? slot.entry() : nullptr;
  }

  // REQUIRES: no entry with this key is in the table.
  void Insert(Entry* entry, uint32_t hash);
  void Erase(Slot slot, uint32_t hash);

  size_t size() const { return size_; }
  // Bytes the table itself takes.
  size_t bytes() const { return bytes_; }

  // Calls visit for every entry with this 32-bit hash, until it returns true; returns whether it
  // did.
  template <typename Visit>
  bool VisitHash(uint32_t hash, Visit&& visit) const;

  // Visits the entries of one bucket and returns the next cursor; 0 when the scan is complete.
  // visit must not change the table. Cursors are 32 bits.
  uint32_t Scan(uint32_t cursor, const std::function<void(Entry*)>& visit) const;

  // Every entry, in no order. visit must not change the table.
  void ForEach(const std::function<void(Entry*)>& visit) const;

  // A random entry; fair between buckets, and between the entries of a bucket. nullptr when empty.
  Entry* Random(base::Rng& rng) const;

  // Forgets every entry (without freeing them) and gives the buckets back.
  void Clear();

  // Hints for a batch of lookups: first the bucket lines, then the entries.
  // REQUIRES: the shard's lock, or that no other thread can change this table.
  void PrefetchBucket(uint32_t hash) const;
  void PrefetchEntry(uint32_t hash) const;

  // Walks everything and aborts if a count or a place is wrong. For tests.
  void SelfCheck() const;

 private:
  static constexpr int kSegmentCount = 31;
  static constexpr uint32_t kFirstSegmentBuckets = 4;

  // Segment 0 holds buckets [0, 4), segment s holds [2^(s+1), 2^(s+2)). Pointers are biased by the
  // first index, so that a bucket's address is one shift and one load away.
  static int SegmentOf(uint32_t index) { return 30 - __builtin_clz(index | 3); }
  Bucket* BucketAt(uint32_t index) const;
  uint32_t IndexOf(uint32_t hash) const {
    const uint32_t index = hash & wide_mask_;
    return index < bucket_count_ ? index : index & (wide_mask_ >> 1);
  }
  int BitsOf(uint32_t index) const;
  uint32_t HashOf(const Entry* entry) const;

  void Append(Bucket* bucket, Entry* entry, uint32_t hash);
  void GrowByOne();
  void ShrinkByOne();
  void FreeChain(Bucket* bucket);
  void AddSegment(int segment);
  void DropSegment(int segment);

  const uint64_t hash_seed_;
  size_t size_ = 0;
  size_t bytes_ = 0;
  uint32_t bucket_count_ = 0;  // 0, or at least kFirstSegmentBuckets
  uint32_t wide_mask_ = 0;     // 2^(level+1) - 1, with 2^level <= bucket_count_ < 2^(level+1)
  char* segments_[kSegmentCount] = {};
};

}  // namespace terrace::keyspace

#include "keyspace/table_inline.h"
