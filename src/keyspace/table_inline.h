#pragma once

// The parts of Table that stand on the path of every hit.

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/prefetch.h"
#include "keyspace/table.h"

namespace terrace::keyspace {

struct alignas(64) Table::Bucket {
  static constexpr int kSlots = 9;
  static constexpr int kTagsOffset = 54;
  static constexpr uint8_t kOverflow = 0x80;

  unsigned char raw[64];

  int count() const { return raw[63] & 0x0f; }
  void set_count(int count) { raw[63] = static_cast<unsigned char>((raw[63] & kOverflow) | count); }
  bool has_overflow() const { return (raw[63] & kOverflow) != 0; }
  int capacity() const { return has_overflow() ? kSlots - 1 : kSlots; }

  // Loads of 8 bytes stay within the line: the last one begins at byte 48.
  void* pointer(int slot) const {
    uint64_t value;
    std::memcpy(&value, raw + 6 * slot, 8);
    return reinterpret_cast<void*>(value & 0xffffffffffffu);
  }
  void set_pointer(int slot, void* pointer) {
    const auto value = reinterpret_cast<uint64_t>(pointer);
    std::memcpy(raw + 6 * slot, &value, 6);
  }
  Entry* entry(int slot) const { return static_cast<Entry*>(pointer(slot)); }
  Bucket* overflow() const {
    return has_overflow() ? static_cast<Bucket*>(pointer(kSlots - 1)) : nullptr;
  }
  uint8_t tag(int slot) const { return raw[kTagsOffset + slot]; }
  void set_tag(int slot, uint8_t tag) { raw[kTagsOffset + slot] = tag; }

  // One bit for each used slot whose tag is this one.
  uint32_t Match(uint8_t tag) const {
    const uint32_t used = (1u << count()) - 1;
#ifdef __SSE2__
    const __m128i tail = _mm_load_si128(reinterpret_cast<const __m128i*>(raw + 48));
    const __m128i same = _mm_cmpeq_epi8(tail, _mm_set1_epi8(static_cast<char>(tag)));
    return (static_cast<uint32_t>(_mm_movemask_epi8(same)) >> 6) & used;
#else
    uint32_t mask = 0;
    for (int slot = 0; slot < kSlots; ++slot)
      mask |= uint32_t{raw[kTagsOffset + slot] == tag} << slot;
    return mask & used;
#endif
  }

  static uint8_t TagOf(uint32_t hash) { return static_cast<uint8_t>(hash >> 24); }
};
static_assert(sizeof(Table::Bucket) == 64);

inline Entry* Table::Slot::entry() const { return bucket->entry(index); }
inline void Table::Slot::set_entry(Entry* entry) const { bucket->set_pointer(index, entry); }

inline Table::Bucket* Table::BucketAt(uint32_t index) const {
  return reinterpret_cast<Bucket*>(segments_[SegmentOf(index)] + size_t{index} * sizeof(Bucket));
}

inline Table::Slot Table::FindSlot(std::string_view key, uint32_t hash) const {
  if (bucket_count_ == 0) return {};
  Bucket* bucket = BucketAt(IndexOf(hash));
  const uint8_t tag = Bucket::TagOf(hash);
  do {
    for (uint32_t mask = bucket->Match(tag); mask != 0; mask &= mask - 1) {
      const int slot = __builtin_ctz(mask);
      if (bucket->entry(slot)->KeyEquals(key)) return {bucket, slot};
    }
    bucket = bucket->overflow();
  } while (bucket != nullptr);
  return {};
}

template <typename Visit>
bool Table::VisitHash(uint32_t hash, Visit&& visit) const {
  if (bucket_count_ == 0) return false;
  const uint8_t tag = Bucket::TagOf(hash);
  for (Bucket* bucket = BucketAt(IndexOf(hash)); bucket != nullptr; bucket = bucket->overflow()) {
    for (uint32_t mask = bucket->Match(tag); mask != 0; mask &= mask - 1) {
      Entry* entry = bucket->entry(__builtin_ctz(mask));
      if (HashOf(entry) == hash && visit(entry)) return true;
    }
  }
  return false;
}

inline void Table::PrefetchBucket(uint32_t hash) const {
  if (bucket_count_ != 0) base::Prefetch(BucketAt(IndexOf(hash)));
}

inline void Table::PrefetchEntry(uint32_t hash) const {
  if (bucket_count_ == 0) return;
  const Bucket* bucket = BucketAt(IndexOf(hash));
  for (uint32_t mask = bucket->Match(Bucket::TagOf(hash)); mask != 0; mask &= mask - 1) {
    const char* entry = reinterpret_cast<const char*>(bucket->entry(__builtin_ctz(mask)));
    base::Prefetch(entry);
    base::Prefetch(entry + 64);
  }
}

}  // namespace terrace::keyspace
