#pragma once

// Stream: an append-only log of field-value entries with ascending ids, and its consumer groups.
// Nodes of some tens of entries lie in id order in one vector; a lookup is a binary search over it.
//
// Promises:  nodes fill, empty and are trimmed exactly as in Redis, so that XTRIM ~ removes the
//            same entries there and here. Counters (entries added, greatest deleted id, lag) too.
// Ownership: fields and values are copied in; what a StreamReader (stream_reader.h) shows dies with
// the next change. Units:     ms since the epoch.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/object.h"
#include "keyspace/types/encoding_limits.h"
#include "keyspace/types/stream_group.h"
#include "keyspace/types/stream_id.h"
#include "keyspace/types/stream_node.h"

namespace terrace::keyspace {

// Which id a new entry gets.
struct StreamNewId {
  enum class Kind : uint8_t { kAuto, kAutoSequence, kGiven };
  Kind kind = Kind::kAuto;
  StreamId id = {};    // kGiven: all of it; kAutoSequence: its ms
  int64_t now_ms = 0;  // kAuto
};

// kIdTooSmall: not greater than the last id. kTooLarge: more than a node can hold.
enum class StreamAddStatus : uint8_t { kAdded, kIdTooSmall, kTooLarge };

struct StreamTrim {
  enum class By : uint8_t { kLength, kMinId };
  enum class Precision : uint8_t { kExact, kWholeNodes };
  By by = By::kLength;
  Precision precision = Precision::kExact;
  uint64_t length_max = 0;
  StreamId min_id = {};
  uint64_t removed_max = 0;  // 0: no limit
};

// The counters beside the entries, as XSETID and dumps set them.
struct StreamCounters {
  StreamId last_id;
  StreamId max_deleted_id;
  uint64_t entries_added = 0;
};

class Stream final : public Object {
 public:
  using Groups = StreamGroup::ByName<StreamGroup>;

  Stream();
  ~Stream() override;

  Type type() const override { return Type::kStream; }
  std::string_view encoding() const override { return "stream"; }
  size_t bytes() const override;
  size_t size() const override { return length_; }
  std::unique_ptr<Object> Clone() const override;
  size_t free_effort() const override;

  const StreamCounters& counters() const { return counters_; }
  void SetCounters(const StreamCounters& counters) { counters_ = counters; }
  StreamId first_id() const { return first_id_; }  // zero when empty
  // The greatest id that is an entry still; zero when empty.
  StreamId LastEntryId() const;

  // fields_and_values alternate and are not empty.
  [[nodiscard]] StreamAddStatus Add(const StreamNewId& new_id,
                                    std::span<const std::string_view> fields_and_values,
                                    const EncodingLimits& limits, StreamId* added);
  bool Contains(StreamId id) const;
  bool Delete(StreamId id);
  // Returns how many entries went.
  uint64_t Trim(const StreamTrim& trim);

  // Nodes, oldest first.
  size_t node_count() const { return nodes_.size() - head_; }
  const StreamNode& node(size_t index) const { return nodes_[head_ + index]; }
  // The last node that starts at id or before it; node_count() when none does.
  size_t NodeFor(StreamId id) const;
  // How many nodes Redis's radix tree has for these keys, for XINFO.
  size_t CountRadixNodes() const;

  const Groups& groups() const { return groups_; }
  StreamGroup* FindGroup(std::string_view name);
  const StreamGroup* FindGroup(std::string_view name) const;
  // nullptr when there is one already.
  StreamGroup* CreateGroup(std::string_view name, StreamId last_id, int64_t entries_read);
  bool RemoveGroup(std::string_view name);
  // Moves the group's mark over an entry that it was just given.
  void Advance(StreamGroup* group, StreamId id) const;
  // Entries the group has not read; nullopt when deletions make that unknown.
  std::optional<int64_t> Lag(const StreamGroup& group) const;
  // How many entries were added up to id; kEntriesReadUnknown when that cannot be told.
  int64_t EntriesAddedUpTo(StreamId id) const;

  // For loading: false unless the node starts behind all others. Length and first id follow from
  // the nodes when loading is finished; the counters are set apart.
  bool AppendNode(StreamNode loaded);
  void FinishLoading();

 private:
  StreamNode& MutableNode(size_t index) { return nodes_[head_ + index]; }
  void EraseNode(size_t index);
  bool FindEntry(StreamId id, size_t* node, StreamNode::Entry* entry) const;
  bool NeedsNewNode(std::span<const std::string_view> fields_and_values,
                    const EncodingLimits& limits) const;
  uint64_t TrimInsideFirstNode(const StreamTrim& trim);
  bool HasTombstonesFrom(StreamId id) const;
  void UpdateFirstId();

  size_t group_bytes_ = 0;  // counted by the allocators of groups_, hence before it
  // Slots before head_ are free: trimming takes nodes from the front.
  std::vector<StreamNode> nodes_;
  size_t head_ = 0;
  size_t node_bytes_ = 0;
  uint64_t length_ = 0;
  StreamId first_id_;
  StreamCounters counters_;
  Groups groups_;
};

}  // namespace terrace::keyspace
