#pragma once

// StreamReader: walks the live entries between two ids, both included, in either direction.
//
// Ownership: the stream must outlive the reader and not change under it.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keyspace/types/stream.h"

namespace terrace::keyspace {

class StreamReader {
 public:
  enum class Direction : uint8_t { kForward, kBackward };

  StreamReader(const Stream& stream, StreamId from, StreamId to,
               Direction direction = Direction::kForward);

  // The next entry, or false at the end.
  bool Next();
  StreamId id() const { return entry_.id; }
  size_t field_count() const { return entry_.field_count; }
  // Each of the entry's fields in turn; call field_count() times after Next. The views live until
  // the next call.
  void NextField(std::string_view* field, std::string_view* value);

 private:
  bool Step();

  const Stream& stream_;
  StreamId from_;
  StreamId to_;
  bool is_forward_;
  size_t node_;
  bool in_node_ = false;
  StreamNode::Entry entry_;
  Listpack::Position field_at_ = Listpack::kNone;  // among the master fields
  Listpack::Position value_at_ = Listpack::kNone;
  base::Int64Text field_buffer_;
  base::Int64Text value_buffer_;
};

}  // namespace terrace::keyspace
