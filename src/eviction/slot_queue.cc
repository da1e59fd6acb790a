#include "eviction/slot_queue.h"

#include <algorithm>
#include <bit>

namespace terrace::eviction {
namespace {

constexpr uint32_t kFirstCapacity = 16;
constexpr uint32_t kSlotsWorthPacking = 32;
constexpr size_t kRefsWorthTidying = 16;

uint64_t BitOf(uint32_t position) { return uint64_t{1} << (position % 64); }

}  // namespace

uint64_t SlotQueue::Push(uint32_t hash) {
  const uint64_t number = next_number_++;
  const uint64_t index = number >> kChunkBits;
  if (chunks_.empty() || chunks_.back().index != index) AppendChunk(index);
  Chunk& chunk = *chunks_.back().chunk;
  if (chunk.stored_count == chunk.capacity) {
    const uint32_t capacity = std::min(std::max(chunk.capacity * 2, kFirstCapacity), kChunkSlots);
    auto hashes = std::make_unique_for_overwrite<uint32_t[]>(capacity);
    std::copy_n(chunk.hashes.get(), chunk.stored_count, hashes.get());
    chunk.hashes = std::move(hashes);
    chunk_bytes_ += (capacity - chunk.capacity) * sizeof(uint32_t);
    chunk.capacity = capacity;
  }
  const uint32_t position = number % kChunkSlots;
  chunk.hashes[chunk.stored_count++] = hash;
  chunk.stored[position / 64] |= BitOf(position);
  chunk.live[position / 64] |= BitOf(position);
  ++chunk.live_count;
  ++size_;
  return number;
}

bool SlotQueue::Erase(uint32_t hash, uint32_t low_number) {
  if (size_ == 0) return false;
  const uint64_t span = uint64_t{1} << number_bits_;
  const uint64_t front = chunks_[first_].index << kChunkBits;
  uint64_t number = (front & ~(span - 1)) | low_number;
  if (number < front) number += span;
  // More than one turn only when the queue spans more numbers than the word can tell apart; the
  // hash decides then.
  for (; number < next_number_; number += span) {
    if (EraseExact(hash, number)) return true;
  }
  return false;
}

bool SlotQueue::EraseExact(uint32_t hash, uint64_t number) {
  const uint64_t index = number >> kChunkBits;
  const size_t at = LowerBound(index);
  if (at == chunks_.size() || chunks_[at].index != index || !chunks_[at].chunk) return false;
  Chunk& chunk = *chunks_[at].chunk;
  const uint32_t position = number % kChunkSlots;
  if ((chunk.live[position / 64] & BitOf(position)) == 0) return false;
  if (chunk.hashes[RankOf(chunk, position)] != hash) return false;
  chunk.live[position / 64] &= ~BitOf(position);
  --chunk.live_count;
  --size_;
  if (chunk.live_count == 0) {
    FreeChunk(at);
  } else if (chunk.stored_count >= kSlotsWorthPacking &&
             chunk.live_count * 4 < chunk.stored_count * 3) {
    Pack(chunk);
  }
  return true;
}

bool SlotQueue::Next(uint64_t from, Slot* slot) const {
  const uint64_t from_index = from >> kChunkBits;
  for (size_t at = LowerBound(from_index); at < chunks_.size(); ++at) {
    if (!chunks_[at].chunk) continue;
    const Chunk& chunk = *chunks_[at].chunk;
    const uint32_t start = chunks_[at].index == from_index ? from % kChunkSlots : 0;
    for (uint32_t word = start / 64; word < kBitmapWords; ++word) {
      uint64_t bits = chunk.live[word];
      if (word == start / 64) bits &= ~uint64_t{0} << (start % 64);
      if (bits == 0) continue;
      const uint32_t position = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
      slot->number = (chunks_[at].index << kChunkBits) | position;
      slot->hash = chunk.hashes[RankOf(chunk, position)];
      return true;
    }
  }
  return false;
}

size_t SlotQueue::LowerBound(uint64_t index) const {
  if (first_ == chunks_.size() || index <= chunks_[first_].index) return first_;
  // Indices are consecutive but for chunks that are gone, so the position can only be earlier than
  // the distance from the first says.
  const uint64_t distance = index - chunks_[first_].index;
  const size_t guess = distance < chunks_.size() - first_ ? first_ + distance : chunks_.size();
  if (guess < chunks_.size() && chunks_[guess].index == index) return guess;
  const auto begin = chunks_.begin();
  const auto found =
      std::lower_bound(begin + first_, begin + guess, index,
                       [](const ChunkRef& ref, uint64_t wanted) { return ref.index < wanted; });
  return static_cast<size_t>(found - begin);
}

void SlotQueue::AppendChunk(uint64_t index) {
  chunks_.push_back({index, std::make_unique<Chunk>()});
  chunk_bytes_ += BytesOf(*chunks_.back().chunk);
}

void SlotQueue::FreeChunk(size_t at) {
  chunk_bytes_ -= BytesOf(*chunks_[at].chunk);
  chunks_[at].chunk.reset();
  ++empty_refs_;
  // The next slot starts a chunk of its own, since a freed one must not be written again.
  if (at + 1 == chunks_.size()) next_number_ = (chunks_[at].index + 1) << kChunkBits;
  while (first_ < chunks_.size() && !chunks_[first_].chunk) ++first_;
  TidyDirectory();
}

void SlotQueue::TidyDirectory() {
  if (empty_refs_ < kRefsWorthTidying || empty_refs_ * 2 < chunks_.size()) return;
  std::erase_if(chunks_, [](const ChunkRef& ref) { return !ref.chunk; });
  if (chunks_.capacity() > 4 * chunks_.size() + kRefsWorthTidying) chunks_.shrink_to_fit();
  first_ = 0;
  empty_refs_ = 0;
}

void SlotQueue::Pack(Chunk& chunk) {
  auto hashes = std::make_unique_for_overwrite<uint32_t[]>(chunk.live_count);
  uint32_t kept = 0;
  uint32_t rank = 0;
  for (uint32_t word = 0; word < kBitmapWords; ++word) {
    for (uint64_t bits = chunk.stored[word]; bits != 0; bits &= bits - 1, ++rank) {
      if (chunk.live[word] & bits & -bits) hashes[kept++] = chunk.hashes[rank];
    }
    chunk.stored[word] = chunk.live[word];
  }
  TERRACE_CHECK(kept == chunk.live_count);
  chunk_bytes_ -= (chunk.capacity - kept) * sizeof(uint32_t);
  chunk.hashes = std::move(hashes);
  chunk.stored_count = chunk.capacity = kept;
}

bool SlotQueue::TakeThinPair(uint64_t from, std::vector<Slot>* moved, uint64_t* first_number) {
  const size_t at = LowerBound(from >> kChunkBits);
  size_t next = at + 1;
  while (next < chunks_.size() && !chunks_[next].chunk) ++next;
  // The last chunk is still being filled: it stays where it is.
  if (next + 1 >= chunks_.size() || !chunks_[at].chunk) return false;
  if (chunks_[at].index != from >> kChunkBits) return false;  // it is gone
  if (chunks_[at].chunk->live_count + chunks_[next].chunk->live_count > kMergedSlotsMax)
    return false;
  CollectLive(chunks_[at], moved);
  CollectLive(chunks_[next], moved);
  *first_number = chunks_[at].index << kChunkBits;
  size_ -= moved->size();
  chunk_bytes_ -= BytesOf(*chunks_[at].chunk);
  *chunks_[at].chunk = Chunk{};
  chunk_bytes_ += BytesOf(*chunks_[at].chunk);
  FreeChunk(next);
  return true;
}

void SlotQueue::PutMerged(const std::vector<Slot>& moved) {
  Chunk& chunk = *chunks_[LowerBound(moved.front().number >> kChunkBits)].chunk;
  const auto count = static_cast<uint32_t>(moved.size());
  chunk.hashes = std::make_unique_for_overwrite<uint32_t[]>(count);
  for (uint32_t position = 0; position < count; ++position) {
    chunk.hashes[position] = moved[position].hash;
    chunk.stored[position / 64] |= BitOf(position);
    chunk.live[position / 64] |= BitOf(position);
  }
  chunk.live_count = chunk.stored_count = chunk.capacity = count;
  chunk_bytes_ += count * sizeof(uint32_t);
  size_ += count;
}

void SlotQueue::CollectLive(const ChunkRef& ref, std::vector<Slot>* out) const {
  uint32_t rank = 0;
  for (uint32_t word = 0; word < kBitmapWords; ++word) {
    for (uint64_t bits = ref.chunk->stored[word]; bits != 0; bits &= bits - 1, ++rank) {
      if ((ref.chunk->live[word] & bits & -bits) == 0) continue;
      const uint64_t position = word * 64 + static_cast<uint64_t>(std::countr_zero(bits));
      out->push_back({(ref.index << kChunkBits) | position, ref.chunk->hashes[rank]});
    }
  }
}

uint32_t SlotQueue::RankOf(const Chunk& chunk, uint32_t position) {
  uint32_t rank = 0;
  for (uint32_t word = 0; word < position / 64; ++word) {
    rank += static_cast<uint32_t>(std::popcount(chunk.stored[word]));
  }
  const uint64_t below = chunk.stored[position / 64] & (BitOf(position) - 1);
  return rank + static_cast<uint32_t>(std::popcount(below));
}

size_t SlotQueue::BytesOf(const Chunk& chunk) {
  return sizeof(Chunk) + chunk.capacity * sizeof(uint32_t);
}

}  // namespace terrace::eviction
