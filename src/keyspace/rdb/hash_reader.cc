#include <optional>
#include <string>
#include <utility>

#include "keyspace/rdb/format.h"
#include "keyspace/rdb/object_reader.h"
#include "keyspace/rdb/old_packs.h"
#include "keyspace/types/hash.h"
#include "keyspace/types/listpack.h"

namespace terrace::keyspace::rdb {
namespace {

// Deadlines beyond this are refused, so that sums with them cannot overflow.
constexpr uint64_t kDeadlineMsMax = uint64_t{1} << 48;

// Fields in the order of their arrival; false when one comes twice.
class Builder {
 public:
  explicit Builder(const EncodingLimits& limits)
      : limits_(limits), hash_(std::make_unique<Hash>()) {}

  void Reserve(uint64_t count) { hash_->Reserve(count, limits_); }

  // deadline_ms 0: none.
  bool Add(std::string_view field, std::string_view value, uint64_t deadline_ms = 0) {
    if (deadline_ms > kDeadlineMsMax) return false;
    if (!hash_->Set(field, value, limits_)) return false;
    return deadline_ms == 0 || hash_->SetDeadline(field, static_cast<int64_t>(deadline_ms));
  }

  std::unique_ptr<Object> Finish() { return hash_->size() > 0 ? std::move(hash_) : nullptr; }

 private:
  const EncodingLimits& limits_;
  std::unique_ptr<Hash> hash_;
};

std::unique_ptr<Object> ReadPlain(Builder builder, Reader* reader) {
  uint64_t count;
  if (!reader->Count(&count)) return nullptr;
  builder.Reserve(count);
  std::string field;
  std::string value;
  for (; count > 0; --count) {
    if (!reader->String(&field) || !reader->String(&value)) return nullptr;
    if (!builder.Add(field, value)) return nullptr;
  }
  return builder.Finish();
}

std::unique_ptr<Object> ReadPlainWithDeadlines(uint8_t tag, Builder builder, Reader* reader) {
  int64_t first_deadline_ms = 1;
  if (tag == kHashFieldTtlTag && !reader->Milliseconds(&first_deadline_ms)) return nullptr;
  if (first_deadline_ms < 0) return nullptr;
  uint64_t count;
  if (!reader->Count(&count)) return nullptr;
  builder.Reserve(count);
  std::string field;
  std::string value;
  uint64_t offset;
  for (; count > 0; --count) {
    if (!reader->Length(&offset) || offset > kDeadlineMsMax) return nullptr;
    if (!reader->String(&field) || !reader->String(&value)) return nullptr;
    // Offset 1 is the first deadline; without one, the offset is the deadline itself.
    const uint64_t deadline_ms =
        offset == 0 ? 0 : static_cast<uint64_t>(first_deadline_ms) + offset - 1;
    if (!builder.Add(field, value, deadline_ms)) return nullptr;
  }
  return builder.Finish();
}

std::unique_ptr<Object> ReadTriples(Builder builder, const Listpack& pack) {
  base::Int64Text field_buffer;
  base::Int64Text value_buffer;
  for (auto at = pack.First(); at != Listpack::kNone;) {
    const auto value_at = pack.Next(at);
    const auto deadline_at = value_at == Listpack::kNone ? Listpack::kNone : pack.Next(value_at);
    if (deadline_at == Listpack::kNone) return nullptr;
    const Listpack::Value deadline = pack.Get(deadline_at);
    if (!deadline.is_number || deadline.number < 0) return nullptr;
    if (!builder.Add(pack.Get(at).Text(field_buffer), pack.Get(value_at).Text(value_buffer),
                     static_cast<uint64_t>(deadline.number))) {
      return nullptr;
    }
    at = pack.Next(deadline_at);
  }
  return builder.Finish();
}

std::unique_ptr<Object> ReadZipmap(Builder builder, std::string_view bytes) {
  ZipmapReader zipmap(bytes);
  std::string_view field;
  std::string_view value;
  while (zipmap.Next(&field, &value)) {
    if (!builder.Add(field, value)) return nullptr;
  }
  return zipmap.ok() ? builder.Finish() : nullptr;
}

std::unique_ptr<Object> ReadZiplist(Builder builder, std::string_view bytes) {
  ZiplistReader ziplist(bytes);
  Listpack::Value field;
  Listpack::Value value;
  base::Int64Text field_buffer;
  base::Int64Text value_buffer;
  while (ziplist.Next(&field)) {
    if (!ziplist.Next(&value)) return nullptr;
    if (!builder.Add(field.Text(field_buffer), value.Text(value_buffer))) return nullptr;
  }
  return ziplist.ok() ? builder.Finish() : nullptr;
}

std::unique_ptr<Object> ReadPairs(Listpack pack, const EncodingLimits& limits) {
  if (!Hash::IsDistinct(pack) || pack.empty()) return nullptr;
  auto hash = std::make_unique<Hash>(std::move(pack));
  hash->Reserve(hash->size(), limits);
  return hash;
}

}  // namespace

std::unique_ptr<Object> ReadHash(uint8_t tag, const EncodingLimits& limits, Reader* reader) {
  Builder builder(limits);
  if (tag == kHashTag) return ReadPlain(std::move(builder), reader);
  if (tag == kHashFieldTtlTag || tag == kHashFieldTtlRcTag) {
    return ReadPlainWithDeadlines(tag, std::move(builder), reader);
  }
  // The listpack carries whole deadlines; the first one stands in front of it for other readers.
  int64_t first_deadline_ms;
  if (tag == kHashListpackTtlTag && !reader->Milliseconds(&first_deadline_ms)) return nullptr;
  std::string bytes;
  if (!reader->String(&bytes)) return nullptr;
  if (tag == kHashZipmapTag) return ReadZipmap(std::move(builder), bytes);
  if (tag == kHashZiplistTag) return ReadZiplist(std::move(builder), bytes);
  std::optional<Listpack> pack = Listpack::FromBytes(bytes);
  if (!pack.has_value()) return nullptr;
  if (tag == kHashListpackTag) return ReadPairs(std::move(*pack), limits);
  return ReadTriples(std::move(builder), *pack);
}

}  // namespace terrace::keyspace::rdb
