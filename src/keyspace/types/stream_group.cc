#include "keyspace/types/stream_group.h"

#include "base/check.h"

namespace terrace::keyspace {
namespace {

// A consumer's name is in the map and in the consumer.
size_t NameBytes(std::string_view name) { return 2 * base::StringHeapBytes(name.size()); }

}  // namespace

StreamGroup::StreamGroup(StreamId last_delivered, int64_t entries_read_count, size_t* heap_bytes)
    : last_id(last_delivered),
      entries_read(entries_read_count),
      heap_bytes_(heap_bytes),
      consumers_(Consumers::allocator_type(heap_bytes)),
      pending_(Pending::allocator_type(heap_bytes)) {}

StreamGroup::~StreamGroup() {
  for (const auto& [name, consumer] : consumers_) *heap_bytes_ -= NameBytes(name);
}

StreamConsumer* StreamGroup::FindConsumer(std::string_view name) {
  const auto found = consumers_.find(name);
  return found == consumers_.end() ? nullptr : &found->second;
}

const StreamConsumer* StreamGroup::FindConsumer(std::string_view name) const {
  const auto found = consumers_.find(name);
  return found == consumers_.end() ? nullptr : &found->second;
}

StreamConsumer* StreamGroup::CreateConsumer(std::string_view name, int64_t now_ms) {
  const auto [at, is_new] = consumers_.try_emplace(std::string(name), name, heap_bytes_);
  if (!is_new) return nullptr;
  *heap_bytes_ += NameBytes(name);
  at->second.seen_at_ms = now_ms;
  return &at->second;
}

size_t StreamGroup::RemoveConsumer(std::string_view name) {
  const auto found = consumers_.find(name);
  TERRACE_CHECK(found != consumers_.end());
  const size_t count = found->second.pending.size();
  for (const StreamId id : found->second.pending) pending_.erase(id);
  *heap_bytes_ -= NameBytes(name);
  consumers_.erase(found);
  return count;
}

const StreamPending* StreamGroup::FindPending(StreamId id) const {
  const auto found = pending_.find(id);
  return found == pending_.end() ? nullptr : &found->second;
}

void StreamGroup::Assign(StreamId id, StreamConsumer* owner, int64_t delivered_at_ms,
                         uint64_t delivery_count) {
  StreamPending& entry = pending_[id];
  if (entry.owner != owner) {
    if (entry.owner != nullptr) entry.owner->pending.erase(id);
    owner->pending.insert(id);
  }
  entry = {delivered_at_ms, delivery_count, owner};
}

void StreamGroup::Redeliver(StreamId id, int64_t delivered_at_ms, uint64_t delivery_count) {
  const auto found = pending_.find(id);
  TERRACE_CHECK(found != pending_.end());
  found->second.delivered_at_ms = delivered_at_ms;
  found->second.delivery_count = delivery_count;
}

bool StreamGroup::Forget(StreamId id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return false;
  found->second.owner->pending.erase(id);
  pending_.erase(found);
  return true;
}

bool StreamGroup::AddUnowned(StreamId id, int64_t delivered_at_ms, uint64_t delivery_count) {
  return pending_.try_emplace(id, StreamPending{delivered_at_ms, delivery_count, nullptr}).second;
}

bool StreamGroup::Adopt(StreamId id, StreamConsumer* owner) {
  const auto found = pending_.find(id);
  if (found == pending_.end() || found->second.owner != nullptr) return false;
  found->second.owner = owner;
  return owner->pending.insert(id).second;
}

bool StreamGroup::AllOwned() const {
  for (const auto& [id, entry] : pending_) {
    if (entry.owner == nullptr) return false;
  }
  return true;
}

}  // namespace terrace::keyspace
