#include "keyspace/expiry_index.h"

#include <algorithm>
#include <utility>

#include "base/memory.h"
#include "base/release.h"

namespace terrace::keyspace {

ExpiryIndex::~ExpiryIndex() { Clear(); }

void ExpiryIndex::Push(Chunk*& head, uint32_t hash) {
  if (head == nullptr || head->count == std::size(head->slots)) {
    auto* chunk = static_cast<Chunk*>(base::Allocate(sizeof(Chunk)));
    chunk->next = head;
    chunk->count = 0;
    head = chunk;
    bytes_ += sizeof(Chunk);
  }
  head->slots[head->count++] = hash;
}

void ExpiryIndex::FreeChain(Chunk* head) {
  while (head != nullptr) {
    Chunk* next = head->next;
    base::Free(head, sizeof(Chunk));
    bytes_ -= sizeof(Chunk);
    head = next;
  }
}

// Level k has buckets of 32^k ticks. A tick goes to the finest level whose 32 buckets reach it.
ExpiryIndex::Chunk*& ExpiryIndex::BucketFor(int64_t tick) {
  int level = 0;
  while (level < kLevels - 1 &&
         (tick >> (kBits * level)) - (tick_ >> (kBits * level)) >= kBuckets) {
    ++level;
  }
  const int64_t reach = ((tick_ >> (kBits * level)) + kBuckets - 1) << (kBits * level);
  const int64_t placed = std::min(tick, reach);  // only beyond the last level: looked at again
  return buckets_[level][(placed >> (kBits * level)) & (kBuckets - 1)];
}

void ExpiryIndex::Add(uint32_t hash, int64_t deadline_ms) {
  Push(BucketFor(std::max(deadline_ms / kTickMs, tick_)), hash);
  ++slot_count_;
}

void ExpiryIndex::PushDue(Chunk* head) {
  for (Chunk* chunk = head; chunk != nullptr; chunk = chunk->next) {
    due_.insert(due_.end(), chunk->slots, chunk->slots + chunk->count);
  }
  FreeChain(head);
}

void ExpiryIndex::Cascade(int level) {
  if (level == kLevels) return;
  const int64_t index = tick_ >> (kBits * level);
  Chunk*& head = buckets_[level][index & (kBuckets - 1)];
  PushDue(std::exchange(head, nullptr));
  if ((index & (kBuckets - 1)) == 0) Cascade(level + 1);
}

size_t ExpiryIndex::TakeDue(int64_t now_ms, size_t limit, std::vector<uint32_t>* due) {
  const int64_t now_tick = now_ms / kTickMs;
  if (slot_count_ == 0) {
    tick_ = std::max(tick_, now_tick);
    return 0;
  }
  // A tick is opened only when it lies wholly in the past, so what it holds is due. The coarse
  // buckets that begin here are opened with it and handed out for a second look.
  while (tick_ < now_tick && due_.size() < limit) {
    PushDue(std::exchange(buckets_[0][tick_ & (kBuckets - 1)], nullptr));
    ++tick_;
    if ((tick_ & (kBuckets - 1)) == 0) Cascade(1);
  }
  const size_t taken = std::min(limit, due_.size());
  due->insert(due->end(), due_.end() - static_cast<ptrdiff_t>(taken), due_.end());
  due_.resize(due_.size() - taken);
  slot_count_ -= taken;
  return taken;
}

size_t ExpiryIndex::PeekSoonest(size_t limit, std::vector<uint32_t>* soonest) const {
  const size_t before = soonest->size();
  const auto room = [&] { return limit - (soonest->size() - before); };
  soonest->insert(soonest->end(), due_.begin(),
                  due_.begin() + static_cast<ptrdiff_t>(std::min(limit, due_.size())));
  for (int level = 0; level < kLevels; ++level) {
    const int64_t first = tick_ >> (kBits * level);
    for (int step = level == 0 ? 0 : 1; step <= kBuckets; ++step) {
      for (const Chunk* chunk = buckets_[level][(first + step) & (kBuckets - 1)]; chunk != nullptr;
           chunk = chunk->next) {
        const size_t take = std::min<size_t>(room(), chunk->count);
        soonest->insert(soonest->end(), chunk->slots, chunk->slots + take);
        if (room() == 0) return limit;
      }
    }
  }
  return soonest->size() - before;
}

bool ExpiryIndex::Random(uint64_t random, uint32_t* hash) const {
  if (slot_count_ == 0) return false;
  constexpr uint64_t kAll = kLevels * kBuckets;
  for (uint64_t step = 0; step < kAll; ++step) {
    const uint64_t bucket = (random + step) % kAll;
    const Chunk* chunk = buckets_[bucket / kBuckets][bucket % kBuckets];
    if (chunk == nullptr) continue;
    *hash = chunk->slots[(random >> 32) % chunk->count];
    return true;
  }
  if (due_.empty()) return false;
  *hash = due_[random % due_.size()];
  return true;
}

void ExpiryIndex::TakeAll(std::vector<uint32_t>* slots) {
  for (auto& level : buckets_) {
    for (Chunk*& head : level) PushDue(std::exchange(head, nullptr));
  }
  std::sort(due_.begin(), due_.end());
  due_.erase(std::unique(due_.begin(), due_.end()), due_.end());
  slots->insert(slots->end(), due_.begin(), due_.end());
  base::Release(&due_);
  slot_count_ = 0;
}

void ExpiryIndex::Clear() {
  for (auto& level : buckets_) {
    for (Chunk*& head : level) FreeChain(std::exchange(head, nullptr));
  }
  base::Release(&due_);
  slot_count_ = 0;
}

}  // namespace terrace::keyspace
