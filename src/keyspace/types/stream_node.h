#pragma once

// StreamNode: some tens of neighbouring stream entries in one listpack, in the layout that Redis
// keeps in memory and puts into dumps:
//
//   live | deleted | n | field 1 .. field n | 0                        the master fields
//   flags | ms - master | seq - master | value 1 .. value n | size     an entry with those fields
//   flags | ms - master | seq - master | n | field, value ... | size   any other entry
//
// size is the number of listpack elements before it in its entry, for walking backward. A deleted
// entry stays as a tombstone until its whole node goes.
//
// Ownership: owns its block. An Entry dies with the next change.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "keyspace/types/listpack.h"
#include "keyspace/types/stream_id.h"

namespace terrace::keyspace {

class StreamNode {
 public:
  struct Entry {
    StreamId id;
    Listpack::Position flags_at = Listpack::kNone;
    Listpack::Position body_at = Listpack::kNone;  // the first value, or field if they are its own
    size_t field_count = 0;
    bool has_master_fields = false;
    bool is_deleted = false;
  };

  // A node without entries whose master fields are those of the entry to come. fields_and_values
  // alternate.
  StreamNode(StreamId master, std::span<const std::string_view> fields_and_values);

  // Untrusted bytes: nullopt unless the whole layout holds, ids ascend, and an entry is alive.
  [[nodiscard]] static std::optional<StreamNode> FromPack(StreamId master, Listpack pack);

  StreamId master() const { return master_; }
  const Listpack& pack() const { return pack_; }
  size_t live_count() const;
  size_t deleted_count() const;

  void Append(StreamId id, std::span<const std::string_view> fields_and_values);

  // Walking all entries, tombstones included; false past either end.
  bool First(Entry* entry) const;
  bool Last(Entry* entry) const;
  bool Next(Entry* entry) const;
  bool Previous(Entry* entry) const;

  Listpack::Position master_fields_at() const;

  // Turns an entry into a tombstone; positions of other entries stay. The counts follow with
  // CountDeleted, once for any number of entries.
  // REQUIRES: !entry.is_deleted.
  void MarkDeleted(const Entry& entry);
  void CountDeleted(size_t count);

 private:
  StreamNode(StreamId master, Listpack pack) : master_(master), pack_(std::move(pack)) {}
  int64_t NumberAt(Listpack::Position at) const { return pack_.Get(at).number; }
  size_t master_field_count() const;
  Listpack::Position AfterMasterFields() const;
  bool HasFieldsOfMaster(std::span<const std::string_view> fields_and_values) const;
  void Read(Listpack::Position flags_at, Entry* entry) const;
  bool ReadEndingAt(Listpack::Position size_at, Entry* entry) const;

  StreamId master_;
  Listpack pack_;
};

}  // namespace terrace::keyspace
