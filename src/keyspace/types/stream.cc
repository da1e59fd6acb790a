#include "keyspace/types/stream.h"

#include <algorithm>
#include <utility>

#include "base/background.h"
#include "base/check.h"
#include "base/memory.h"
#include "keyspace/types/stream_reader.h"

namespace terrace::keyspace {
namespace {

constexpr size_t kNodeBytesMax = size_t{1} << 30;

// Keys [first, last) agree in their first `depth` bytes. Counts the nodes of a radix tree with
// compressed paths, as Redis builds it over the 16-byte keys.
size_t CountRadix(std::span<const std::string> keys, size_t depth) {
  if (depth == kStreamIdBytes) return 1;
  size_t common = depth;
  while (common < kStreamIdBytes && keys.front()[common] == keys.back()[common]) ++common;
  if (common > depth) return 1 + CountRadix(keys, common);
  size_t count = 1;
  for (size_t begin = 0; begin < keys.size();) {
    size_t end = begin + 1;
    while (end < keys.size() && keys[end][depth] == keys[begin][depth]) ++end;
    count += CountRadix(keys.subspan(begin, end - begin), depth + 1);
    begin = end;
  }
  return count;
}

}  // namespace

Stream::Stream() : groups_(Groups::allocator_type(&group_bytes_)) {}
Stream::~Stream() {
  base::Turns turns(base::Turns::kLargeBlocks);
  for (; !nodes_.empty(); nodes_.pop_back()) turns.Step();
}

size_t Stream::bytes() const {
  return base::AllocationSize(sizeof(Stream)) +
         base::AllocationSize(nodes_.capacity() * sizeof(StreamNode)) + node_bytes_ + group_bytes_;
}

size_t Stream::free_effort() const {
  size_t effort = node_count();
  for (const auto& [name, group] : groups_) {
    effort += 1 + group.pending().size() + group.consumers().size();
  }
  return effort;
}

std::unique_ptr<Object> Stream::Clone() const {
  auto copy = std::make_unique<Stream>();
  copy->nodes_.reserve(node_count());
  for (size_t i = 0; i < node_count(); ++i) copy->nodes_.push_back(node(i));
  copy->node_bytes_ = node_bytes_;
  copy->length_ = length_;
  copy->first_id_ = first_id_;
  copy->counters_ = counters_;
  for (const auto& [name, group] : groups_) {
    StreamGroup* to = copy->CreateGroup(name, group.last_id, group.entries_read);
    for (const auto& [consumer_name, consumer] : group.consumers()) {
      StreamConsumer* owner = to->CreateConsumer(consumer_name, consumer.seen_at_ms);
      owner->active_at_ms = consumer.active_at_ms;
    }
    for (const auto& [id, entry] : group.pending()) {
      to->Assign(id, to->FindConsumer(entry.owner->name), entry.delivered_at_ms,
                 entry.delivery_count);
    }
  }
  return copy;
}

size_t Stream::NodeFor(StreamId id) const {
  const auto begin = nodes_.begin() + static_cast<ptrdiff_t>(head_);
  const auto after = std::upper_bound(
      begin, nodes_.end(), id, [](StreamId wanted, const auto& n) { return wanted < n.master(); });
  return after == begin ? node_count() : static_cast<size_t>(after - begin) - 1;
}

void Stream::EraseNode(size_t index) {
  node_bytes_ -= node(index).pack().heap_bytes();
  if (index == 0) {
    // The block goes now, the slot when as many are free as are in use.
    { const StreamNode gone = std::move(MutableNode(0)); }
    ++head_;
    if (head_ > node_count()) {
      nodes_.erase(nodes_.begin(), nodes_.begin() + static_cast<ptrdiff_t>(head_));
      head_ = 0;
    }
  } else {
    nodes_.erase(nodes_.begin() + static_cast<ptrdiff_t>(head_ + index));
  }
  if (nodes_.size() * 4 < nodes_.capacity()) nodes_.shrink_to_fit();
}

bool Stream::NeedsNewNode(std::span<const std::string_view> fields_and_values,
                          const EncodingLimits& limits) const {
  if (node_count() == 0) return true;
  const StreamNode& last = node(node_count() - 1);
  size_t bytes = last.pack().total_bytes();
  for (const std::string_view text : fields_and_values) bytes += text.size();
  const size_t bytes_max = limits.stream_node_max_bytes == 0
                               ? kNodeBytesMax
                               : std::min(limits.stream_node_max_bytes, kNodeBytesMax);
  if (bytes >= bytes_max) return true;
  return limits.stream_node_max_entries != 0 &&
         last.live_count() + last.deleted_count() >= limits.stream_node_max_entries;
}

StreamAddStatus Stream::Add(const StreamNewId& new_id,
                            std::span<const std::string_view> fields_and_values,
                            const EncodingLimits& limits, StreamId* added) {
  const StreamId last = counters_.last_id;
  StreamId id = new_id.id;
  const bool is_auto = new_id.kind == StreamNewId::Kind::kAuto;
  if (is_auto) id = {static_cast<uint64_t>(new_id.now_ms), 0};
  const bool continues = is_auto
                             ? id.ms <= last.ms
                             : new_id.kind == StreamNewId::Kind::kAutoSequence && id.ms == last.ms;
  if (continues) {
    const std::optional<StreamId> next = last.Next();
    // A given millisecond has no more ids when its sequence is used up.
    if (!next.has_value() || (!is_auto && next->ms != id.ms)) return StreamAddStatus::kIdTooSmall;
    id = *next;
  }
  if (id <= last) return StreamAddStatus::kIdTooSmall;
  size_t text_bytes = 0;
  for (const std::string_view text : fields_and_values) text_bytes += text.size();
  // Half, because the first entry of a node carries its fields twice.
  if (text_bytes > kNodeBytesMax / 2) return StreamAddStatus::kTooLarge;

  if (NeedsNewNode(fields_and_values, limits)) {
    nodes_.emplace_back(id, fields_and_values);
    node_bytes_ += nodes_.back().pack().heap_bytes();
  }
  StreamNode& target = nodes_.back();
  const size_t bytes_before = target.pack().heap_bytes();
  target.Append(id, fields_and_values);
  node_bytes_ += target.pack().heap_bytes() - bytes_before;
  counters_.entries_added = std::min(counters_.entries_added, uint64_t{kEntriesMax} - 1) + 1;
  counters_.last_id = id;
  if (++length_ == 1) first_id_ = id;
  *added = id;
  return StreamAddStatus::kAdded;
}

bool Stream::FindEntry(StreamId id, size_t* node_index, StreamNode::Entry* entry) const {
  *node_index = NodeFor(id);
  if (*node_index == node_count()) return false;
  const StreamNode& where = node(*node_index);
  bool found = where.First(entry);
  while (found && entry->id < id) found = where.Next(entry);
  return found && entry->id == id && !entry->is_deleted;
}

bool Stream::Contains(StreamId id) const {
  size_t index;
  StreamNode::Entry entry;
  return FindEntry(id, &index, &entry);
}

bool Stream::Delete(StreamId id) {
  size_t index;
  StreamNode::Entry entry;
  if (!FindEntry(id, &index, &entry)) return false;
  StreamNode& where = MutableNode(index);
  if (where.live_count() == 1) {
    EraseNode(index);
  } else {
    const size_t bytes_before = where.pack().heap_bytes();
    where.MarkDeleted(entry);
    where.CountDeleted(1);
    node_bytes_ += where.pack().heap_bytes() - bytes_before;
  }
  --length_;
  counters_.max_deleted_id = std::max(counters_.max_deleted_id, id);
  if (id == first_id_ || length_ == 0) UpdateFirstId();
  return true;
}

uint64_t Stream::TrimInsideFirstNode(const StreamTrim& trim) {
  StreamNode& where = MutableNode(0);
  StreamNode::Entry entry;
  uint64_t removed = 0;
  for (bool found = where.First(&entry); found; found = where.Next(&entry)) {
    const bool stops =
        trim.by == StreamTrim::By::kLength ? length_ <= trim.length_max : entry.id >= trim.min_id;
    if (stops) break;
    if (entry.is_deleted) continue;
    where.MarkDeleted(entry);
    --length_;
    ++removed;
  }
  const size_t bytes_before = where.pack().heap_bytes();
  where.CountDeleted(removed);
  node_bytes_ += where.pack().heap_bytes() - bytes_before;
  return removed;
}

uint64_t Stream::Trim(const StreamTrim& trim) {
  uint64_t removed = 0;
  while (node_count() > 0) {
    if (trim.by == StreamTrim::By::kLength && length_ <= trim.length_max) break;
    const uint64_t live = node(0).live_count();
    if (trim.removed_max != 0 && removed + live > trim.removed_max) break;
    bool whole;
    if (trim.by == StreamTrim::By::kLength) {
      whole = length_ - live >= trim.length_max;
    } else {
      StreamNode::Entry last;
      whole = !node(0).Last(&last) || last.id < trim.min_id;
    }
    if (whole) {
      EraseNode(0);
      length_ -= live;
      removed += live;
      continue;
    }
    if (trim.precision == StreamTrim::Precision::kExact) removed += TrimInsideFirstNode(trim);
    break;
  }
  if (removed > 0 || length_ == 0) UpdateFirstId();
  return removed;
}

void Stream::UpdateFirstId() {
  StreamReader reader(*this, StreamId{}, StreamId::Max());
  first_id_ = reader.Next() ? reader.id() : StreamId{};
}

StreamId Stream::LastEntryId() const {
  StreamReader reader(*this, StreamId{}, StreamId::Max(), StreamReader::Direction::kBackward);
  return reader.Next() ? reader.id() : StreamId{};
}

size_t Stream::CountRadixNodes() const {
  std::vector<std::string> keys;
  for (size_t i = 0; i < node_count(); ++i) keys.push_back(EncodeStreamId(node(i).master()));
  return keys.empty() ? 1 : CountRadix(keys, 0);
}

StreamGroup* Stream::FindGroup(std::string_view name) {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : &found->second;
}

const StreamGroup* Stream::FindGroup(std::string_view name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : &found->second;
}

StreamGroup* Stream::CreateGroup(std::string_view name, StreamId last_id, int64_t entries_read) {
  const auto [at, is_new] =
      groups_.try_emplace(std::string(name), last_id, entries_read, &group_bytes_);
  if (!is_new) return nullptr;
  group_bytes_ += base::StringHeapBytes(name.size());
  return &at->second;
}

bool Stream::RemoveGroup(std::string_view name) {
  const auto found = groups_.find(name);
  if (found == groups_.end()) return false;
  group_bytes_ -= base::StringHeapBytes(name.size());
  groups_.erase(found);
  return true;
}

bool Stream::HasTombstonesFrom(StreamId id) const {
  if (length_ == 0 || counters_.max_deleted_id.IsZero()) return false;
  if (first_id_ > counters_.max_deleted_id) return false;
  return id <= counters_.max_deleted_id;
}

void Stream::Advance(StreamGroup* group, StreamId id) const {
  if (id <= group->last_id) return;
  if (group->entries_read != kEntriesReadUnknown && !HasTombstonesFrom(id)) {
    group->entries_read = std::min(group->entries_read, kEntriesMax - 1) + 1;
  } else if (counters_.entries_added > 0) {
    group->entries_read = EntriesAddedUpTo(id);
  }
  group->last_id = id;
}

std::optional<int64_t> Stream::Lag(const StreamGroup& group) const {
  if (counters_.entries_added == 0) return 0;
  const auto added = static_cast<int64_t>(counters_.entries_added);
  if (group.entries_read != kEntriesReadUnknown && !HasTombstonesFrom(group.last_id)) {
    return added - group.entries_read;
  }
  const int64_t read = EntriesAddedUpTo(group.last_id);
  if (read == kEntriesReadUnknown) return std::nullopt;
  return added - read;
}

int64_t Stream::EntriesAddedUpTo(StreamId id) const {
  const auto added = static_cast<int64_t>(counters_.entries_added);
  if (added == 0) return 0;
  if (length_ == 0 && id <= counters_.last_id) return added;
  if (id == counters_.last_id) return added;
  if (id > counters_.last_id) return kEntriesReadUnknown;
  const StreamId deleted = counters_.max_deleted_id;
  if (deleted.IsZero() || deleted < first_id_) {
    const int64_t before_first = added - static_cast<int64_t>(length_);
    if (id < first_id_) return before_first;
    if (id == first_id_) return before_first + 1;
  }
  return kEntriesReadUnknown;
}

bool Stream::AppendNode(StreamNode loaded) {
  StreamNode::Entry last;
  if (node_count() > 0 && node(node_count() - 1).Last(&last) && loaded.master() <= last.id) {
    return false;
  }
  node_bytes_ += loaded.pack().heap_bytes();
  length_ += loaded.live_count();
  nodes_.push_back(std::move(loaded));
  return true;
}

void Stream::FinishLoading() { UpdateFirstId(); }

}  // namespace terrace::keyspace
