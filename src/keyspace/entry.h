#pragma once

// Entry: one key with its value, in one allocation for everything small.
//
//   offset 0   type (high 4 bits) | form (low 4 bits)
//          1   flags
//          2   key size, or 255: a 4-byte size follows below
//          3   inline value size, or 255: a 4-byte size follows below
//          4   the eviction policy's word (32 bits)
//          8   [ 6 bytes: deadline, ms, NowMs time ]              if kHasDeadline
//              [ 2 bytes: its upper end ]                         if kFarDeadline
//              [ sizeof(TierBlock) bytes ]                         if kHasTier
//              [ 4 bytes: key size ]                               if the key is 255 bytes or more
//              [ 4 bytes: value size ]                             if the inline value is
//              key bytes
//              value: inline bytes, or an 8-byte pointer (unaligned) to a heap string or an Object
//
// A 16-byte key with a 32-byte value takes 56 bytes, and 62 with a deadline: the same 64-byte size
// class of the allocator either way. See docs/keyspace.md for the budget.
//
// Ownership: the keyspace owns every entry; a pointer is valid while the shard's lock is held and
//            nothing was written. Only the write door (database.h) creates, changes or frees them.
// Threads:   under the lock of the entry's shard.

#include <cstdint>
#include <cstring>
#include <string_view>

#include "keyspace/object.h"
#include "keyspace/type.h"

namespace terrace::keyspace {

inline constexpr int64_t kNoDeadline = -1;

// Where a copy came from and how long it may be used, for keys that lower tiers have too.
struct TierBlock {
  int64_t fresh_until_ms = kNoDeadline;  // NowMs time; beyond it the copy is no longer used
  uint32_t generation = 0;               // of the regional connection it was fetched over
  uint32_t fetched_at_s = 0;             // NowMs time in seconds
  uint16_t route = 0;                    // index in the route table
  bool regional_copy = false;            // the regional tier is known to hold this same value
};

// A string too large, or changed too often in place, to live inside its entry.
struct HeapString {
  uint32_t size;
  uint32_t capacity;
  char bytes[1];  // capacity of them

  static HeapString* New(std::string_view value, size_t capacity);
  static void Free(HeapString* string);
  size_t allocated_bytes() const;
};

struct EntrySpec {
  std::string_view key;
  Type type = Type::kString;
  std::string_view string;     // the value, for an inline string
  HeapString* heap = nullptr;  // the value, for a heap string; taken over
  Object* object = nullptr;    // the value, for every other type; taken over
  int64_t deadline_ms = kNoDeadline;
  const TierBlock* tier = nullptr;
  bool raw = false;   // OBJECT ENCODING says raw: the string was changed in place
  bool text = false;  // OBJECT ENCODING does not say int, even where it looks like one
};

class Entry {
 public:
  // Strings up to this size live in the entry; longer ones on the heap, so that a change of the
  // key's deadline does not copy them.
  static constexpr size_t kInlineValueMax = 4096;

  static Entry* New(const EntrySpec& spec);
  // Frees the entry and the value it owns.
  static void Free(Entry* entry);
  // Frees the entry and hands out its heap value, which the caller now owns.
  static void FreeKeepingValue(Entry* entry);

  Type type() const { return static_cast<Type>(kind_ >> 4); }
  bool is_string() const { return type() == Type::kString; }
  bool is_raw_string() const { return (flags_ & kRaw) != 0; }
  bool is_text_string() const { return (flags_ & kText) != 0; }
  // These last until the string is overwritten.
  void mark_raw() { flags_ |= kRaw; }
  void mark_text() { flags_ |= kText; }
  bool is_inline() const { return form() == Form::kInline; }

  std::string_view key() const { return {bytes() + KeyOffset(), key_size()}; }
  size_t key_size() const {
    return key_size_ != kLong ? key_size_ : Load32(KeyOffset() - 4 * (value_size_ == kLong) - 4);
  }
  bool KeyEquals(std::string_view other) const {
    return key_size() == other.size() &&
           std::memcmp(bytes() + KeyOffset(), other.data(), other.size()) == 0;
  }

  // REQUIRES: is_string().
  std::string_view string() const {
    if (is_inline()) return {bytes() + KeyOffset() + key_size(), inline_size()};
    const HeapString* heap = heap_string();
    return {heap->bytes, heap->size};
  }
  // REQUIRES: is_string() and not is_inline().
  HeapString* heap_string() const { return static_cast<HeapString*>(pointer()); }
  void set_heap_string(HeapString* heap) { set_pointer(heap); }
  // REQUIRES: not is_string().
  Object* object() const { return static_cast<Object*>(pointer()); }
  void set_object(Object* object) { set_pointer(object); }

  bool has_deadline() const { return (flags_ & kHasDeadline) != 0; }
  int64_t deadline_ms() const { return has_deadline() ? LoadDeadline() : kNoDeadline; }
  // Sets the deadline where the entry has room for it: an entry without one has none, nor has one
  // with a deadline before the year 10889 for one after it, and the other way round.
  bool TrySetDeadline(int64_t deadline_ms);

  // Is this a copy of what a lower tier has?
  bool has_tier() const { return (flags_ & (kHasTier | kTierVoid)) == kHasTier; }
  // REQUIRES: has_tier().
  TierBlock tier() const {
    TierBlock block;
    std::memcpy(&block, bytes() + TierOffset(), sizeof(block));
    return block;
  }
  void set_tier(const TierBlock& block) {
    std::memcpy(bytes() + TierOffset(), &block, sizeof(block));
  }
  // It is no copy any more. The block stays until the entry is laid out anew, and means nothing.
  void void_tier() { flags_ |= kTierVoid; }

  // Can this copy still be used at now_ms? False once expired or no longer fresh.
  bool IsLive(int64_t now_ms) const {
    if ((flags_ & (kHasDeadline | kHasTier)) == 0) return true;
    return IsLiveSlow(now_ms);
  }
  bool IsExpired(int64_t now_ms) const { return has_deadline() && LoadDeadline() <= now_ms; }
  // The first moment at which IsLive becomes false, or kNoDeadline.
  int64_t LiveUntilMs() const;

  uint32_t* word() { return &word_; }

  // What the allocator spends on the entry and the value it owns.
  size_t charge() const;

  // Overwrites with an inline string where the block it has is of the size the new content needs;
  // false (and nothing changed) where it is not.
  // REQUIRES: is_string() and is_inline(); value is no view of this entry.
  bool TryAssignInline(std::string_view value, int64_t deadline_ms);

  static size_t BytesFor(const EntrySpec& spec);

 private:
  enum class Form : uint8_t { kInline, kPointer };
  static constexpr uint8_t kHasDeadline = 1, kFarDeadline = 2, kHasTier = 4, kRaw = 8, kText = 16,
                           kTierVoid = 32;
  static constexpr uint8_t kLong = 255;
  static constexpr size_t kHeaderBytes = 8, kDeadlineBytes = 6, kFarDeadlineBytes = 2;

  Entry() = default;

  Form form() const { return static_cast<Form>(kind_ & 15); }
  const char* bytes() const { return reinterpret_cast<const char*>(this); }
  char* bytes() { return reinterpret_cast<char*>(this); }
  uint32_t Load32(size_t offset) const {
    uint32_t value;
    std::memcpy(&value, bytes() + offset, 4);
    return value;
  }
  int64_t LoadDeadline() const {
    int64_t deadline = 0;
    std::memcpy(&deadline, bytes() + kHeaderBytes, kDeadlineBytes);
    if ((flags_ & kFarDeadline) != 0) [[unlikely]]
      std::memcpy(&deadline, bytes() + kHeaderBytes, sizeof(deadline));
    return deadline;
  }
  static uint8_t DeadlineFlags(int64_t deadline_ms) {
    if (deadline_ms == kNoDeadline) return 0;
    const bool is_far = deadline_ms >> (8 * kDeadlineBytes) != 0;
    return is_far ? kHasDeadline | kFarDeadline : kHasDeadline;
  }
  uint8_t deadline_flags() const { return flags_ & (kHasDeadline | kFarDeadline); }
  static size_t DeadlineBytes(uint8_t flags) {
    static_assert(kFarDeadline == kFarDeadlineBytes);  // the flag is the number: this is a hot path
    return kDeadlineBytes * (flags & kHasDeadline) + (flags & kFarDeadline);
  }
  bool has_tier_block() const { return (flags_ & kHasTier) != 0; }
  size_t TierOffset() const { return kHeaderBytes + DeadlineBytes(flags_); }
  size_t KeyOffset() const {
    return TierOffset() + (has_tier_block() ? sizeof(TierBlock) : 0) + 4 * (key_size_ == kLong) +
           4 * (value_size_ == kLong);
  }
  void AssignInPlace(std::string_view value, int64_t deadline_ms);
  size_t inline_size() const {
    return value_size_ != kLong ? value_size_ : Load32(KeyOffset() - 4);
  }
  size_t total_bytes() const {
    return KeyOffset() + key_size() + (is_inline() ? inline_size() : sizeof(void*));
  }
  void* pointer() const {
    void* pointer;
    std::memcpy(&pointer, bytes() + KeyOffset() + key_size(), sizeof(pointer));
    return pointer;
  }
  void set_pointer(void* pointer) {
    std::memcpy(bytes() + KeyOffset() + key_size(), &pointer, sizeof(pointer));
  }
  bool IsLiveSlow(int64_t now_ms) const;
  void Write(const EntrySpec& spec);

  uint8_t kind_;
  uint8_t flags_;
  uint8_t key_size_;
  uint8_t value_size_;
  uint32_t word_;
};
static_assert(sizeof(Entry) == 8);

}  // namespace terrace::keyspace
