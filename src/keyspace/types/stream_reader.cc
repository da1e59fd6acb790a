#include "keyspace/types/stream_reader.h"

namespace terrace::keyspace {

StreamReader::StreamReader(const Stream& stream, StreamId from, StreamId to, Direction direction)
    : stream_(stream), from_(from), to_(to), is_forward_(direction == Direction::kForward) {
  node_ = stream.NodeFor(is_forward_ ? from : to);
  // Forward, the first node may begin behind `from`; backward, nothing lies before `to` then.
  if (node_ == stream.node_count() && is_forward_) node_ = 0;
}

bool StreamReader::Step() {
  while (node_ < stream_.node_count()) {
    const StreamNode& node = stream_.node(node_);
    const bool found = is_forward_ ? (in_node_ ? node.Next(&entry_) : node.First(&entry_))
                                   : (in_node_ ? node.Previous(&entry_) : node.Last(&entry_));
    in_node_ = found;
    if (found) return true;
    // Backward past the first node wraps to a number that is no node.
    node_ += is_forward_ ? 1 : static_cast<size_t>(-1);
  }
  return false;
}

bool StreamReader::Next() {
  while (Step()) {
    if (is_forward_ ? entry_.id > to_ : entry_.id < from_) break;
    if (entry_.is_deleted || (is_forward_ ? entry_.id < from_ : entry_.id > to_)) continue;
    value_at_ = entry_.body_at;
    if (entry_.has_master_fields) field_at_ = stream_.node(node_).master_fields_at();
    return true;
  }
  node_ = stream_.node_count();
  return false;
}

void StreamReader::NextField(std::string_view* field, std::string_view* value) {
  const Listpack& pack = stream_.node(node_).pack();
  Listpack::Position& field_at = entry_.has_master_fields ? field_at_ : value_at_;
  *field = pack.Get(field_at).Text(field_buffer_);
  field_at = pack.Next(field_at);
  *value = pack.Get(value_at_).Text(value_buffer_);
  value_at_ = pack.Next(value_at_);
}

}  // namespace terrace::keyspace
