#pragma once

// SlotQueue: a FIFO of keys at a little over four bytes a key, for policies that keep an order.
//
// A slot is the key's 32-bit hash. Push numbers the slots 0, 1, 2, …; the policy keeps the low bits
// of that number in the key's word, and (hash, number) leads from the slot to the key by
// Residents::Find and from the key to its slot by Erase. So no entry carries links, and a deleted
// key frees its slot at once: every slot belongs to a live key.
//
// Slots live in chunks of 256. A chunk that empties is freed, one that thins out is packed, so the
// memory follows the live keys under any churn (see memory_bytes) and no operation costs more than
// one chunk's work.
//
// Threads: as the policy that owns it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"

namespace terrace::eviction {

class SlotQueue {
 public:
  struct Slot {
    uint64_t number = 0;
    uint32_t hash = 0;
  };

  // number_bits: how many low bits of a slot's number the caller keeps.
  explicit SlotQueue(uint32_t number_bits) : number_bits_(number_bits) {}

  // Appends a key and returns the number of its slot.
  uint64_t Push(uint32_t hash);

  // Frees the slot of this hash whose number ends in low_number. False when there is none.
  bool Erase(uint32_t hash, uint32_t low_number);

  // The first slot whose number is at least from, in order. False when there is none.
  bool Next(uint64_t from, Slot* slot) const;

  // Packs the chunk of the slot number from together with the one behind it when both fit in three
  // quarters of one, in order and not before the chunk's own first number. Calls
  // relocate(hash, old_number, new_number) for each key, and returns whether it did. For callers
  // that remove from the middle.
  template <typename Relocate>
  bool MergeThinChunks(uint64_t from, const Relocate& relocate) {
    std::vector<Slot> moved;
    uint64_t number = 0;
    if (!TakeThinPair(from, &moved, &number)) return false;
    for (Slot& slot : moved) {
      relocate(slot.hash, slot.number, number);
      slot.number = number++;
    }
    PutMerged(moved);
    return true;
  }

  // Which chunk a slot belongs to: slots of equal ChunkOf are packed together.
  static uint64_t ChunkOf(uint64_t number) { return number >> kChunkBits; }
  static uint64_t FirstOf(uint64_t chunk) { return chunk << kChunkBits; }

  size_t size() const { return size_; }
  size_t memory_bytes() const { return chunk_bytes_ + chunks_.capacity() * sizeof(ChunkRef); }

 private:
  static constexpr uint32_t kChunkBits = 8;
  static constexpr uint32_t kChunkSlots = 1u << kChunkBits;
  static constexpr uint32_t kBitmapWords = kChunkSlots / 64;
  static constexpr uint32_t kMergedSlotsMax = kChunkSlots * 3 / 4;

  // One chunk: which positions have a stored hash, which of those are live, and the hashes packed
  // in order of position.
  struct Chunk {
    uint64_t stored[kBitmapWords] = {};
    uint64_t live[kBitmapWords] = {};
    uint32_t live_count = 0;
    uint32_t stored_count = 0;
    uint32_t capacity = 0;
    std::unique_ptr<uint32_t[]> hashes;
  };
  struct ChunkRef {
    uint64_t index = 0;            // slot number >> kChunkBits
    std::unique_ptr<Chunk> chunk;  // null once it emptied, until the directory is tidied
  };

  // The position in chunks_ of the first chunk whose index is at least index.
  size_t LowerBound(uint64_t index) const;
  bool EraseExact(uint32_t hash, uint64_t number);
  void AppendChunk(uint64_t index);
  void FreeChunk(size_t at);
  void TidyDirectory();
  void Pack(Chunk& chunk);
  bool TakeThinPair(uint64_t from, std::vector<Slot>* moved, uint64_t* first_number);
  void PutMerged(const std::vector<Slot>& moved);
  void CollectLive(const ChunkRef& ref, std::vector<Slot>* out) const;
  static uint32_t RankOf(const Chunk& chunk, uint32_t position);
  static size_t BytesOf(const Chunk& chunk);

  const uint32_t number_bits_;
  std::vector<ChunkRef> chunks_;  // by index, ascending; the first first_ are freed
  size_t first_ = 0;
  size_t empty_refs_ = 0;  // freed chunks still in the directory
  uint64_t next_number_ = 0;
  size_t size_ = 0;
  size_t chunk_bytes_ = 0;
};

}  // namespace terrace::eviction
