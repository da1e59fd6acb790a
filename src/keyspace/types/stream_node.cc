#include "keyspace/types/stream_node.h"

#include <bit>
#include <cstring>

namespace terrace::keyspace {
namespace {

constexpr int64_t kDeletedFlag = 1;
constexpr int64_t kMasterFieldsFlag = 2;
constexpr int64_t kHeadElements = 3;       // flags and the two id differences
constexpr uint8_t kSmallNumberEnd = 0x80;  // numbers below are their own byte in a listpack

uint64_t BigEndian(uint64_t value) { return __builtin_bswap64(value); }
static_assert(std::endian::native == std::endian::little, "BigEndian swaps");

// Walks a listpack that is sound but may hold anything; every step says whether it could be made.
class Checker {
 public:
  explicit Checker(const Listpack& pack) : pack_(pack), at_(pack.First()) {}

  bool at_end() const { return at_ == Listpack::kNone; }
  bool Number(int64_t* number) {
    if (at_end()) return false;
    const Listpack::Value value = pack_.Get(at_);
    *number = value.number;
    at_ = pack_.Next(at_);
    return value.is_number;
  }
  // A small number in the one byte that MarkDeleted writes over it.
  bool Flags(int64_t* flags) {
    return !at_end() && static_cast<uint8_t>(pack_.bytes()[at_]) < kSmallNumberEnd && Number(flags);
  }
  bool Skip(int64_t count) {
    if (count < 0) return false;
    for (; count > 0; --count) {
      if (at_end()) return false;
      at_ = pack_.Next(at_);
    }
    return true;
  }

 private:
  const Listpack& pack_;
  Listpack::Position at_;
};

bool CheckEntry(Checker* checker, int64_t master_field_count, bool* is_deleted) {
  int64_t flags;
  int64_t difference;
  if (!checker->Flags(&flags) || !checker->Number(&difference) || !checker->Number(&difference)) {
    return false;
  }
  *is_deleted = (flags & kDeletedFlag) != 0;
  int64_t field_count = master_field_count;
  int64_t elements = kHeadElements + field_count;
  if ((flags & kMasterFieldsFlag) == 0) {
    // A listpack is below 4 GiB: a larger count could not be skipped, and would overflow the sum.
    if (!checker->Number(&field_count) || field_count < 0 || field_count > int64_t{1} << 32) {
      return false;
    }
    if (!checker->Skip(field_count)) return false;
    elements = kHeadElements + 1 + 2 * field_count;
  }
  int64_t size;
  return checker->Skip(field_count) && checker->Number(&size) && size == elements;
}

bool HasLayout(const Listpack& pack) {
  Checker checker(pack);
  int64_t live;
  int64_t deleted;
  int64_t field_count;
  int64_t zero;
  if (!checker.Number(&live) || !checker.Number(&deleted) || !checker.Number(&field_count)) {
    return false;
  }
  if (!checker.Skip(field_count) || !checker.Number(&zero) || zero != 0) return false;
  int64_t live_found = 0;
  int64_t deleted_found = 0;
  while (!checker.at_end()) {
    bool is_deleted;
    if (!CheckEntry(&checker, field_count, &is_deleted)) return false;
    ++(is_deleted ? deleted_found : live_found);
  }
  return live == live_found && deleted == deleted_found;
}

bool HasAscendingIds(const StreamNode& node) {
  StreamNode::Entry entry;
  if (!node.First(&entry) || entry.id < node.master()) return false;
  StreamId last = entry.id;
  while (node.Next(&entry)) {
    if (entry.id <= last) return false;
    last = entry.id;
  }
  return true;
}

}  // namespace

std::string EncodeStreamId(StreamId id) {
  const uint64_t words[2] = {BigEndian(id.ms), BigEndian(id.seq)};
  return std::string(reinterpret_cast<const char*>(words), kStreamIdBytes);
}

StreamId DecodeStreamId(std::string_view bytes) {
  uint64_t words[2];
  std::memcpy(words, bytes.data(), kStreamIdBytes);
  return {BigEndian(words[0]), BigEndian(words[1])};
}

StreamNode::StreamNode(StreamId master, std::span<const std::string_view> fields_and_values)
    : master_(master) {
  pack_.Append(int64_t{0});
  pack_.Append(int64_t{0});
  pack_.Append(static_cast<int64_t>(fields_and_values.size() / 2));
  for (size_t i = 0; i < fields_and_values.size(); i += 2) pack_.Append(fields_and_values[i]);
  pack_.Append(int64_t{0});
}

std::optional<StreamNode> StreamNode::FromPack(StreamId master, Listpack pack) {
  if (!HasLayout(pack)) return std::nullopt;
  StreamNode node(master, std::move(pack));
  if (node.live_count() == 0 || !HasAscendingIds(node)) return std::nullopt;
  return node;
}

size_t StreamNode::live_count() const { return static_cast<size_t>(NumberAt(pack_.First())); }

size_t StreamNode::deleted_count() const {
  return static_cast<size_t>(NumberAt(pack_.Next(pack_.First())));
}

size_t StreamNode::master_field_count() const {
  return static_cast<size_t>(NumberAt(pack_.Next(pack_.Next(pack_.First()))));
}

Listpack::Position StreamNode::master_fields_at() const {
  return pack_.Next(pack_.Next(pack_.Next(pack_.First())));
}

// The position of the terminating zero.
Listpack::Position StreamNode::AfterMasterFields() const {
  Listpack::Position at = master_fields_at();
  for (size_t left = master_field_count(); left > 0; --left) at = pack_.Next(at);
  return at;
}

bool StreamNode::HasFieldsOfMaster(std::span<const std::string_view> fields_and_values) const {
  if (fields_and_values.size() / 2 != master_field_count()) return false;
  Listpack::Position at = master_fields_at();
  for (size_t i = 0; i < fields_and_values.size(); i += 2) {
    if (!pack_.Equals(at, fields_and_values[i])) return false;
    at = pack_.Next(at);
  }
  return true;
}

void StreamNode::Append(StreamId id, std::span<const std::string_view> fields_and_values) {
  const bool has_master_fields = HasFieldsOfMaster(fields_and_values);
  pack_.Replace(pack_.First(), static_cast<int64_t>(live_count() + 1));
  pack_.Append(has_master_fields ? kMasterFieldsFlag : int64_t{0});
  pack_.Append(static_cast<int64_t>(id.ms - master_.ms));
  pack_.Append(static_cast<int64_t>(id.seq - master_.seq));
  const auto field_count = static_cast<int64_t>(fields_and_values.size() / 2);
  if (has_master_fields) {
    for (size_t i = 1; i < fields_and_values.size(); i += 2) pack_.Append(fields_and_values[i]);
    pack_.Append(kHeadElements + field_count);
  } else {
    pack_.Append(field_count);
    for (const std::string_view text : fields_and_values) pack_.Append(text);
    pack_.Append(kHeadElements + 1 + 2 * field_count);
  }
}

void StreamNode::Read(Listpack::Position flags_at, Entry* entry) const {
  Listpack::Position at = flags_at;
  const int64_t flags = NumberAt(at);
  at = pack_.Next(at);
  entry->id.ms = master_.ms + static_cast<uint64_t>(NumberAt(at));
  at = pack_.Next(at);
  entry->id.seq = master_.seq + static_cast<uint64_t>(NumberAt(at));
  at = pack_.Next(at);
  entry->flags_at = flags_at;
  entry->is_deleted = (flags & kDeletedFlag) != 0;
  entry->has_master_fields = (flags & kMasterFieldsFlag) != 0;
  if (entry->has_master_fields) {
    entry->field_count = master_field_count();
  } else {
    entry->field_count = static_cast<size_t>(NumberAt(at));
    at = pack_.Next(at);
  }
  entry->body_at = at;
}

bool StreamNode::First(Entry* entry) const {
  const Listpack::Position at = pack_.Next(AfterMasterFields());
  if (at == Listpack::kNone) return false;
  Read(at, entry);
  return true;
}

bool StreamNode::Next(Entry* entry) const {
  Listpack::Position at = entry->body_at;
  const size_t elements = entry->has_master_fields ? entry->field_count : 2 * entry->field_count;
  for (size_t left = elements + 1; left > 0; --left) at = pack_.Next(at);
  if (at == Listpack::kNone) return false;
  Read(at, entry);
  return true;
}

bool StreamNode::ReadEndingAt(Listpack::Position size_at, Entry* entry) const {
  const int64_t elements = NumberAt(size_at);
  if (elements == 0) return false;  // the zero behind the master fields
  Listpack::Position at = size_at;
  for (int64_t left = elements; left > 0; --left) at = pack_.Previous(at);
  Read(at, entry);
  return true;
}

bool StreamNode::Last(Entry* entry) const { return ReadEndingAt(pack_.Last(), entry); }

bool StreamNode::Previous(Entry* entry) const {
  return ReadEndingAt(pack_.Previous(entry->flags_at), entry);
}

void StreamNode::MarkDeleted(const Entry& entry) {
  // Flags are one byte whatever their value, so that nothing moves.
  pack_.Replace(entry.flags_at, NumberAt(entry.flags_at) | kDeletedFlag);
}

void StreamNode::CountDeleted(size_t count) {
  pack_.Replace(pack_.First(), static_cast<int64_t>(live_count() - count));
  pack_.Replace(pack_.Next(pack_.First()), static_cast<int64_t>(deleted_count() + count));
}

}  // namespace terrace::keyspace
