#pragma once

// MemberTable: the hash table under large hashes, sets and sorted sets. It holds pointers to
// records, one allocation a member, and finds them by key.
//
// Buckets are one cache line: seven slots and a link to an overflow bucket. A slot keeps 16 bits of
// the hash in the unused top of the pointer, so that a lookup touches one record. The table grows
// and shrinks one bucket at a time (linear hashing, Litwin 1980), so no insert ever stalls, and
// costs about 14 bytes a member besides the record.
//
// Record supplies `static std::string_view Key(const Record*)`.
//
// Promises:  Scan visits every member that is present from the first call to the last, whatever is
//            inserted or removed between the calls; some may be visited more than once. Random is
//            uniform.
// Ownership: the records belong to the owner of the table; the table frees only its buckets.
// Units:     bytes as the allocator rounds them.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/background.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/rng.h"

namespace terrace::keyspace {

// The order of Scan: the bits of a hash from the lowest up. Splitting a bucket then splits an
// interval of positions, and merging joins two, so a cursor never skips anything.
constexpr uint64_t ReverseBits(uint64_t x) {
  x = (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
  x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
  x = (x >> 4 & 0x0F0F0F0F0F0F0F0Fu) | (x & 0x0F0F0F0F0F0F0F0Fu) << 4;
  return __builtin_bswap64(x);
}

template <typename Record>
class MemberTable {
 public:
  // Where a record is kept; dies with the next insert or removal.
  class Slot {
   public:
    explicit operator bool() const { return word_ != nullptr; }
    Record* record() const { return RecordOf(*word_); }
    // Puts another record with the same key in place of this one.
    void Replace(Record* record) { *word_ = (*word_ & kTagMask) | AddressOf(record); }

   private:
    friend class MemberTable;
    explicit Slot(uint64_t* word) : word_(word) {}
    uint64_t* word_;
  };

  explicit MemberTable(uint64_t seed) : seed_(seed) { segments_.push_back(NewBuckets(1)); }
  ~MemberTable() {
    base::Turns turns(base::Turns::kSmallBlocks);
    for (size_t i = 0; i < bucket_count_; ++i) {
      FreeOverflow(BucketAt(i));
      turns.Step();
    }
    FreeBuckets(segments_[0], FirstSegmentRoom(bucket_count_));
    for (size_t i = 1; i < segments_.size(); ++i) {
      FreeBuckets(segments_[i], kSegmentBuckets);
      turns.Step();
    }
  }
  MemberTable(const MemberTable&) = delete;
  MemberTable& operator=(const MemberTable&) = delete;

  size_t size() const { return size_; }
  // Of the table itself, without the records.
  size_t heap_bytes() const {
    return bucket_bytes_ + base::AllocationSize(segments_.capacity() * sizeof(Bucket*));
  }
  uint64_t seed() const { return seed_; }
  uint64_t HashOf(std::string_view key) const { return base::HashBytes(key, seed_); }

  Slot Find(std::string_view key) const { return Find(key, HashOf(key)); }
  Slot Find(std::string_view key, uint64_t hash) const {
    return FindIf(hash, [key](const Record* record) { return Record::Key(record) == key; });
  }
  // The first record whose hash may be this one and which satisfies the predicate.
  template <typename Predicate>
  Slot FindIf(uint64_t hash, Predicate predicate) const {
    const uint64_t tag = hash & kTagMask;
    for (Bucket* bucket = &BucketAt(IndexOf(hash)); bucket != nullptr; bucket = bucket->overflow) {
      for (uint64_t& word : bucket->slots) {
        if ((word & kTagMask) == tag && word != 0 && predicate(RecordOf(word))) return Slot(&word);
      }
    }
    return Slot(nullptr);
  }

  // REQUIRES: no record with this key is present.
  void Insert(Record* record) { Insert(record, HashOf(Record::Key(record))); }
  void Insert(Record* record, uint64_t hash) {
    Append(BucketAt(IndexOf(hash)), (hash & kTagMask) | AddressOf(record));
    ++size_;
    if (size_ > bucket_count_ * kMembersPerBucketMax) Split();
  }

  // Takes the record out and gives it back; nullptr if there is none.
  Record* Remove(std::string_view key) {
    const uint64_t hash = HashOf(key);
    const Slot slot = Find(key, hash);
    if (!slot) return nullptr;
    Record* const record = slot.record();
    CloseGap(BucketAt(IndexOf(hash)), slot.word_);
    --size_;
    if (bucket_count_ > 1 && size_ < bucket_count_ * kMembersPerBucketMin) Merge();
    return record;
  }

  // Visits one bucket; returns the next cursor, 0 when the round is complete. The visitor must not
  // change the table.
  template <typename Visitor>
  uint64_t Scan(uint64_t cursor, Visitor visit) const {
    const size_t index = IndexOf(cursor);
    VisitChain(BucketAt(index), visit);
    const int bits = level_ + ((index < split_ || index >> level_ != 0) ? 1 : 0);
    if (bits == 0) return 0;
    const uint64_t span = ~uint64_t{0} >> bits;  // positions in this bucket, minus one
    return ReverseBits((ReverseBits(cursor) | span) + 1);
  }

  template <typename Visitor>
  void ForEach(Visitor visit) const {
    for (size_t i = 0; i < bucket_count_; ++i) VisitChain(BucketAt(i), visit);
  }

  // A uniformly random record: a random place among more than enough places per bucket, again until
  // it is taken. REQUIRES: not empty.
  Record* Random(base::Rng& rng) const {
    TERRACE_CHECK(size_ > 0);
    while (true) {
      const Bucket* bucket = &BucketAt(rng.Below(bucket_count_));
      size_t place = rng.Below(chain_max_);
      for (; place >= kSlots && bucket != nullptr; place -= kSlots) bucket = bucket->overflow;
      if (bucket != nullptr && bucket->slots[place] != 0) return RecordOf(bucket->slots[place]);
    }
  }

 private:
  static constexpr size_t kSlots = 7;
  static constexpr size_t kSegmentBuckets = 64;  // one page
  // Six of seven: a few overflow buckets cost less than many half-empty ones.
  static constexpr size_t kMembersPerBucketMax = 6;
  static constexpr size_t kMembersPerBucketMin = 3;
  static constexpr uint64_t kTagMask = uint64_t{0xFFFF} << 48;

  // Slots are filled from the front, and only the last bucket of a chain may have room.
  struct Bucket {
    uint64_t slots[kSlots];
    Bucket* overflow;
  };

  static Record* RecordOf(uint64_t word) {
    return reinterpret_cast<Record*>(static_cast<uintptr_t>(word & ~kTagMask));
  }
  static uint64_t AddressOf(Record* record) {
    const auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(record));
    TERRACE_CHECK((address & kTagMask) == 0);
    return address;
  }

  // The first segment doubles up to a page; the others come whole.
  static size_t FirstSegmentRoom(size_t bucket_count) {
    size_t room = 1;
    while (room < bucket_count && room < kSegmentBuckets) room *= 2;
    return room;
  }

  Bucket* NewBuckets(size_t count) {
    const size_t bytes = count * sizeof(Bucket);
    auto* const buckets = static_cast<Bucket*>(base::Allocate(bytes));
    std::memset(static_cast<void*>(buckets), 0, bytes);
    bucket_bytes_ += base::AllocationSize(bytes);
    return buckets;
  }
  void FreeBuckets(Bucket* buckets, size_t count) {
    const size_t bytes = count * sizeof(Bucket);
    bucket_bytes_ -= base::AllocationSize(bytes);
    base::Free(buckets, bytes);
  }
  void FreeOverflow(Bucket& bucket) {
    for (Bucket* extra = std::exchange(bucket.overflow, nullptr); extra != nullptr;) {
      FreeBuckets(std::exchange(extra, extra->overflow), 1);
    }
  }

  Bucket& BucketAt(size_t index) const {
    return segments_[index / kSegmentBuckets][index % kSegmentBuckets];
  }
  // Buckets below split_ have been split in this round, so they use one bit more.
  size_t IndexOf(uint64_t hash) const {
    const size_t index = hash & ((size_t{2} << level_) - 1);
    return index < bucket_count_ ? index : index & ((size_t{1} << level_) - 1);
  }

  template <typename Visitor>
  static void VisitChain(const Bucket& head, Visitor& visit) {
    for (const Bucket* bucket = &head; bucket != nullptr; bucket = bucket->overflow) {
      for (const uint64_t word : bucket->slots) {
        if (word == 0) return;
        visit(RecordOf(word));
      }
    }
  }

  void Append(Bucket& head, uint64_t word) {
    size_t places = kSlots;
    Bucket* bucket = &head;
    for (; bucket->overflow != nullptr; bucket = bucket->overflow) places += kSlots;
    size_t used = 0;
    while (used < kSlots && bucket->slots[used] != 0) ++used;
    if (used == kSlots) {
      bucket->overflow = NewBuckets(1);
      bucket->overflow->slots[0] = word;
      places += 1;
    } else {
      bucket->slots[used] = word;
      places = places - kSlots + used + 1;
    }
    if (places > chain_max_) chain_max_ = places;
  }

  // The last word of the chain moves into the gap.
  void CloseGap(Bucket& head, uint64_t* gap) {
    Bucket* before = nullptr;
    Bucket* last = &head;
    for (; last->overflow != nullptr; last = last->overflow) before = last;
    size_t used = kSlots;
    while (last->slots[used - 1] == 0) --used;
    *gap = last->slots[used - 1];
    last->slots[used - 1] = 0;
    if (used == 1 && before != nullptr) {
      before->overflow = nullptr;
      FreeBuckets(last, 1);
    }
  }

  void Split() {
    const size_t target = bucket_count_;
    if (target < kSegmentBuckets) {
      ResizeFirstSegment(target + 1);
    } else if (target % kSegmentBuckets == 0) {
      segments_.push_back(NewBuckets(kSegmentBuckets));
    }
    ++bucket_count_;
    // Repack the old chain in place: what stays is written at or before where it was read.
    Bucket* write_bucket = &BucketAt(split_);
    size_t write_slot = 0;
    Bucket& high = BucketAt(target);
    const uint64_t high_bit = uint64_t{1} << level_;
    for (Bucket* read = write_bucket; read != nullptr; read = read->overflow) {
      for (uint64_t& slot : read->slots) {
        const uint64_t word = std::exchange(slot, 0);
        if (word == 0) break;
        if ((HashOf(Record::Key(RecordOf(word))) & high_bit) != 0) {
          Append(high, word);
          continue;
        }
        if (write_slot == kSlots) {
          write_bucket = write_bucket->overflow;
          write_slot = 0;
        }
        write_bucket->slots[write_slot++] = word;
      }
    }
    FreeOverflow(*write_bucket);
    if (++split_ == high_bit) {
      ++level_;
      split_ = 0;
    }
  }

  void Merge() {
    if (split_ == 0) {
      --level_;
      split_ = size_t{1} << level_;
    }
    --split_;
    const size_t last = bucket_count_ - 1;
    Bucket& from = BucketAt(last);
    Bucket& into = BucketAt(split_);
    for (Bucket* bucket = &from; bucket != nullptr; bucket = bucket->overflow) {
      for (uint64_t& word : bucket->slots) {
        if (word == 0) break;
        Append(into, std::exchange(word, 0));
      }
    }
    FreeOverflow(from);
    if (last < kSegmentBuckets) {
      ResizeFirstSegment(last);
    } else if (last % kSegmentBuckets == 0) {
      FreeBuckets(segments_.back(), kSegmentBuckets);
      segments_.pop_back();
    }
    bucket_count_ = last;
  }

  void ResizeFirstSegment(size_t bucket_count) {
    const size_t old_room = FirstSegmentRoom(bucket_count_);
    const size_t new_room = FirstSegmentRoom(bucket_count);
    if (new_room == old_room) return;
    Bucket* const moved = NewBuckets(new_room);
    std::memcpy(static_cast<void*>(moved), segments_[0],
                (old_room < new_room ? old_room : new_room) * sizeof(Bucket));
    FreeBuckets(std::exchange(segments_[0], moved), old_room);
  }

  std::vector<Bucket*> segments_;
  size_t bucket_count_ = 1;  // 2^level_ + split_
  size_t split_ = 0;         // the next bucket to split
  size_t size_ = 0;
  size_t bucket_bytes_ = 0;
  uint64_t seed_;
  size_t chain_max_ = 1;  // the longest chain there ever was
  int level_ = 0;
};

}  // namespace terrace::keyspace
