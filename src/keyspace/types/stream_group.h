#pragma once

// StreamGroup: a consumer group of a stream: how far it has read, who its consumers are, and what
// was delivered but not acknowledged.
//
// Promises:  every pending entry has an owner, and is in its owner's pending set and no other.
// Ownership: a group owns its consumers; pointers to them stay until they are removed.
// Units:     times are ms since the epoch.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "base/btree.h"
#include "keyspace/types/stream_id.h"

namespace terrace::keyspace {

inline constexpr int64_t kEntriesReadUnknown = -1;
// Where counts of entries stop; clients may set them to anything below.
inline constexpr int64_t kEntriesMax = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kNeverActive = -1;

struct StreamConsumer {
  explicit StreamConsumer(std::string_view consumer_name, size_t* heap_bytes)
      : name(consumer_name), pending(base::BTreeSet<StreamId>::allocator_type(heap_bytes)) {}

  std::string name;
  int64_t seen_at_ms = 0;               // tried to read or claim
  int64_t active_at_ms = kNeverActive;  // got something
  base::BTreeSet<StreamId> pending;
};

struct StreamPending {
  int64_t delivered_at_ms = 0;
  uint64_t delivery_count = 0;
  StreamConsumer* owner = nullptr;
};

class StreamGroup {
 public:
  template <typename Value>
  using ByName = std::map<std::string, Value, std::less<>,
                          base::CountingAllocator<std::pair<const std::string, Value>>>;
  using Consumers = ByName<StreamConsumer>;
  using Pending = base::BTreeMap<StreamId, StreamPending>;

  // heap_bytes counts everything the group allocates and must outlive it.
  StreamGroup(StreamId last_delivered, int64_t entries_read_count, size_t* heap_bytes);
  ~StreamGroup();
  StreamGroup(const StreamGroup&) = delete;
  StreamGroup& operator=(const StreamGroup&) = delete;

  const Consumers& consumers() const { return consumers_; }
  const Pending& pending() const { return pending_; }

  // nullptr when there is none of that name.
  StreamConsumer* FindConsumer(std::string_view name);
  const StreamConsumer* FindConsumer(std::string_view name) const;
  // nullptr when there is one already.
  StreamConsumer* CreateConsumer(std::string_view name, int64_t now_ms);
  // Its pending entries go with it. Returns how many there were. REQUIRES: the consumer exists.
  size_t RemoveConsumer(std::string_view name);

  const StreamPending* FindPending(StreamId id) const;
  // Makes the entry pending, or moves it from its owner, with this state.
  void Assign(StreamId id, StreamConsumer* owner, int64_t delivered_at_ms, uint64_t delivery_count);
  // The times of delivery of a pending entry. REQUIRES: it is pending.
  void Redeliver(StreamId id, int64_t delivered_at_ms, uint64_t delivery_count);
  // Acknowledged, or gone: false when it was not pending.
  bool Forget(StreamId id);

  // For loading: an entry whose owner follows with Adopt.
  bool AddUnowned(StreamId id, int64_t delivered_at_ms, uint64_t delivery_count);
  bool Adopt(StreamId id, StreamConsumer* owner);
  bool AllOwned() const;

  StreamId last_id;      // the last one delivered
  int64_t entries_read;  // how many entries were, or kEntriesReadUnknown

 private:
  size_t* heap_bytes_;
  Consumers consumers_;
  Pending pending_;
};

}  // namespace terrace::keyspace
