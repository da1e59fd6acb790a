#include "keyspace/table.h"

#include <sys/mman.h>

#include "base/background.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"

namespace terrace::keyspace {
namespace {

// Keys per bucket at which the table grows, and at which it gives a bucket back. Between the two
// lies the room that keeps an insert-delete pattern from splitting and merging in turn.
constexpr double kGrowLoad = 6.75;
constexpr double kShrinkLoad = 4.0;

// Segments from this size on come from the kernel, which hands out their pages as buckets are
// first used: a large segment costs only what has been split into it.
constexpr size_t kMapBytesMin = 256 * 1024;

uint32_t ReverseBits(uint32_t x) {
  x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
  x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
  x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
  return __builtin_bswap32(x);
}

}  // namespace

Table::~Table() { Clear(); }

uint32_t Table::HashOf(const Entry* entry) const {
  return static_cast<uint32_t>(base::HashBytes(entry->key(), hash_seed_));
}

// How many low bits of the hash decide whether a key lives in this bucket.
int Table::BitsOf(uint32_t index) const {
  const int narrow = 31 - __builtin_clz(wide_mask_ + 1) - 1;  // level
  const uint32_t level_size = (wide_mask_ + 1) >> 1;
  const uint32_t split = bucket_count_ - level_size;
  const bool was_split = (index & (level_size - 1)) < split;
  return was_split ? narrow + 1 : narrow;
}

void Table::AddSegment(int segment) {
  const uint32_t first = segment == 0 ? 0 : 1u << (segment + 1);
  const size_t buckets = segment == 0 ? kFirstSegmentBuckets : first;
  const size_t size = buckets * sizeof(Bucket);
  void* memory;
  if (size >= kMapBytesMin) {
    memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TERRACE_CHECK(memory != MAP_FAILED);
  } else {
    memory = std::aligned_alloc(sizeof(Bucket), size);
    TERRACE_CHECK(memory != nullptr);
  }
  // The bias may point outside the block; only biased + index * 64 is ever dereferenced.
  segments_[segment] = reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(memory) -
                                               uintptr_t{first} * sizeof(Bucket));
}

void Table::DropSegment(int segment) {
  const uint32_t first = segment == 0 ? 0 : 1u << (segment + 1);
  const size_t size = (segment == 0 ? kFirstSegmentBuckets : first) * sizeof(Bucket);
  auto* memory = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(segments_[segment]) +
                                         uintptr_t{first} * sizeof(Bucket));
  if (size >= kMapBytesMin) {
    munmap(memory, size);
  } else {
    base::Free(memory, size);
  }
  segments_[segment] = nullptr;
}

void Table::Append(Bucket* bucket, Entry* entry, uint32_t hash) {
  while (bucket->count() == bucket->capacity()) {
    if (!bucket->has_overflow()) {
      auto* overflow = static_cast<Bucket*>(std::aligned_alloc(sizeof(Bucket), sizeof(Bucket)));
      TERRACE_CHECK(overflow != nullptr);
      bytes_ += sizeof(Bucket);
      overflow->raw[63] = 0;
      // The last entry makes room for the link and moves on into the new bucket.
      overflow->set_pointer(0, bucket->pointer(Bucket::kSlots - 1));
      overflow->set_tag(0, bucket->tag(Bucket::kSlots - 1));
      overflow->set_count(1);
      bucket->set_pointer(Bucket::kSlots - 1, overflow);
      bucket->raw[63] = Bucket::kOverflow | (Bucket::kSlots - 1);
    }
    bucket = bucket->overflow();
  }
  const int slot = bucket->count();
  bucket->set_pointer(slot, entry);
  bucket->set_tag(slot, Bucket::TagOf(hash));
  bucket->set_count(slot + 1);
}

void Table::Insert(Entry* entry, uint32_t hash) {
  if (bucket_count_ == 0) {
    AddSegment(0);
    for (uint32_t i = 0; i < kFirstSegmentBuckets; ++i) BucketAt(i)->raw[63] = 0;
    bucket_count_ = kFirstSegmentBuckets;
    wide_mask_ = 2 * kFirstSegmentBuckets - 1;
    bytes_ += kFirstSegmentBuckets * sizeof(Bucket);
  }
  Append(BucketAt(IndexOf(hash)), entry, hash);
  ++size_;
  if (static_cast<double>(size_) > kGrowLoad * bucket_count_) GrowByOne();
}

void Table::Erase(Slot slot, uint32_t hash) {
  // The last entry of the chain takes the place, so that chains stay dense.
  Bucket* previous = nullptr;
  Bucket* last = slot.bucket;
  while (Bucket* next = last->overflow()) {
    previous = last;
    last = next;
  }
  const int tail = last->count() - 1;
  slot.bucket->set_pointer(slot.index, last->pointer(tail));
  slot.bucket->set_tag(slot.index, last->tag(tail));
  last->set_count(tail);
  // An overflow bucket that is empty goes; `previous` may be unknown when the slot was in it.
  if (tail == 0) {
    if (previous == nullptr) {
      Bucket* walk = BucketAt(IndexOf(hash));
      while (walk != last && walk->overflow() != last) walk = walk->overflow();
      previous = walk == last ? nullptr : walk;
    }
    if (previous != nullptr) {
      base::Free(last, sizeof(Bucket));
      bytes_ -= sizeof(Bucket);
      previous->raw[63] = static_cast<unsigned char>(previous->count());
    }
  }
  --size_;
  if (bucket_count_ > kFirstSegmentBuckets &&
      static_cast<double>(size_) < kShrinkLoad * bucket_count_) {
    ShrinkByOne();
  }
}

void Table::FreeChain(Bucket* bucket) {
  while (bucket != nullptr) {
    Bucket* next = bucket->overflow();
    base::Free(bucket, sizeof(Bucket));
    bytes_ -= sizeof(Bucket);
    bucket = next;
  }
}

void Table::GrowByOne() {
  const uint32_t added = bucket_count_;
  if ((added & (added - 1)) == 0) AddSegment(SegmentOf(added));
  ++bucket_count_;
  bytes_ += sizeof(Bucket);
  if (bucket_count_ > wide_mask_) wide_mask_ = 2 * wide_mask_ + 1;
  Bucket* const target = BucketAt(added);
  target->raw[63] = 0;
  // The highest set bit of the new index is the bit that now tells the two buckets apart.
  const uint32_t bit = 1u << (31 - __builtin_clz(added));
  Bucket* const source = BucketAt(added & (bit - 1));
  const Bucket old = *source;
  source->raw[63] = 0;
  const auto move = [&](const Bucket& from) {
    for (int slot = 0; slot < from.count(); ++slot) __builtin_prefetch(from.entry(slot));
    for (int slot = 0; slot < from.count(); ++slot) {
      const uint32_t hash = HashOf(from.entry(slot));
      Append((hash & bit) != 0 ? target : source, from.entry(slot), hash);
    }
  };
  move(old);
  for (Bucket* chain = old.overflow(); chain != nullptr; chain = chain->overflow()) move(*chain);
  FreeChain(old.overflow());
}

void Table::ShrinkByOne() {
  const uint32_t removed = bucket_count_ - 1;
  Bucket* const source = BucketAt(removed);
  --bucket_count_;
  bytes_ -= sizeof(Bucket);
  if (bucket_count_ <= wide_mask_ >> 1) wide_mask_ >>= 1;
  const uint32_t bit = 1u << (31 - __builtin_clz(removed));
  Bucket* const target = BucketAt(removed & (bit - 1));
  for (Bucket* from = source; from != nullptr; from = from->overflow()) {
    for (int slot = 0; slot < from->count(); ++slot) {
      // Only the tag is needed here; it is the top byte of the hash.
      Append(target, from->entry(slot), uint32_t{from->tag(slot)} << 24);
    }
  }
  FreeChain(source->overflow());
  if ((removed & (removed - 1)) == 0) DropSegment(SegmentOf(removed));
}

uint32_t Table::Scan(uint32_t cursor, const std::function<void(Entry*)>& visit) const {
  if (bucket_count_ == 0) return 0;
  const uint32_t index = IndexOf(ReverseBits(cursor));
  for (Bucket* bucket = BucketAt(index); bucket != nullptr; bucket = bucket->overflow()) {
    for (int slot = 0; slot < bucket->count(); ++slot) visit(bucket->entry(slot));
  }
  // The bucket covers every reversed hash that begins with these bits: step to the first beyond.
  const int shift = 32 - BitsOf(index);
  const uint64_t next = ((uint64_t{cursor} >> shift) + 1) << shift;
  return next >> 32 != 0 ? 0 : static_cast<uint32_t>(next);
}

void Table::ForEach(const std::function<void(Entry*)>& visit) const {
  for (uint32_t index = 0; index < bucket_count_; ++index) {
    for (Bucket* bucket = BucketAt(index); bucket != nullptr; bucket = bucket->overflow()) {
      for (int slot = 0; slot < bucket->count(); ++slot) visit(bucket->entry(slot));
    }
  }
}

Entry* Table::Random(base::Rng& rng) const {
  if (size_ == 0) return nullptr;
  while (true) {
    Bucket* bucket = BucketAt(static_cast<uint32_t>(rng.Below(bucket_count_)));
    int chain = 0;
    for (Bucket* walk = bucket; walk != nullptr; walk = walk->overflow()) chain += walk->count();
    if (chain == 0) continue;
    int pick = static_cast<int>(rng.Below(static_cast<uint64_t>(chain)));
    while (pick >= bucket->count()) {
      pick -= bucket->count();
      bucket = bucket->overflow();
    }
    return bucket->entry(pick);
  }
}

void Table::Clear() {
  base::Turns turns(base::Turns::kSmallBlocks);
  for (uint32_t index = 0; index < bucket_count_; ++index) {
    FreeChain(BucketAt(index)->overflow());
    turns.Step();
  }
  for (int segment = 0; segment < kSegmentCount; ++segment) {
    if (segments_[segment] != nullptr) DropSegment(segment);
  }
  size_ = 0;
  bytes_ = 0;
  bucket_count_ = 0;
  wide_mask_ = 0;
}

void Table::SelfCheck() const {
  size_t found = 0;
  for (uint32_t index = 0; index < bucket_count_; ++index) {
    for (Bucket* bucket = BucketAt(index); bucket != nullptr; bucket = bucket->overflow()) {
      for (int slot = 0; slot < bucket->count(); ++slot) {
        const uint32_t hash = HashOf(bucket->entry(slot));
        TERRACE_CHECK(IndexOf(hash) == index);
        TERRACE_CHECK(Bucket::TagOf(hash) == bucket->tag(slot));
        ++found;
      }
      TERRACE_CHECK(bucket->overflow() == nullptr || bucket->count() == Bucket::kSlots - 1);
    }
  }
  TERRACE_CHECK(found == size_);
}

}  // namespace terrace::keyspace
