#include "keyspace/rdb/object_reader.h"

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "base/numbers.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/old_packs.h"
#include "keyspace/types/intset.h"
#include "keyspace/types/list.h"
#include "keyspace/types/listpack.h"
#include "keyspace/types/set.h"
#include "keyspace/types/zset.h"

namespace terrace::keyspace::rdb {
namespace {

constexpr uint64_t kPlainNode = 1;  // the container of a quicklist node
constexpr uint64_t kPackedNode = 2;

std::unique_ptr<Object> OrNothingIfEmpty(std::unique_ptr<Object> object) {
  return object->size() > 0 ? std::move(object) : nullptr;
}

bool AppendZiplist(std::string_view bytes, const EncodingLimits& limits, List* list) {
  ZiplistReader ziplist(bytes);
  Listpack::Value value;
  base::Int64Text buffer;
  while (ziplist.Next(&value)) list->Push(ListEnd::kTail, value.Text(buffer), limits);
  return ziplist.ok();
}

bool AppendQuicklistNode(const EncodingLimits& limits, Reader* reader, List* list) {
  uint64_t container;
  std::string bytes;
  if (!reader->Length(&container) || !reader->String(&bytes)) return false;
  if (container == kPlainNode) {
    list->AppendPlainNode(bytes, limits);
    return true;
  }
  if (container != kPackedNode) return false;
  std::optional<Listpack> pack = Listpack::FromBytes(bytes);
  if (!pack.has_value()) return false;
  if (!pack->empty()) list->AppendNode(std::move(*pack), limits);
  return true;
}

std::unique_ptr<Object> ReadList(uint8_t tag, const EncodingLimits& limits, Reader* reader) {
  auto list = std::make_unique<List>();
  std::string bytes;
  uint64_t count = 1;
  if (tag != kListZiplistTag && !reader->Count(&count)) return nullptr;
  for (; count > 0; --count) {
    if (tag == kListQuicklist2Tag) {
      if (!AppendQuicklistNode(limits, reader, list.get())) return nullptr;
      continue;
    }
    if (!reader->String(&bytes)) return nullptr;
    if (tag == kListTag) {
      list->Push(ListEnd::kTail, bytes, limits);
    } else if (!AppendZiplist(bytes, limits, list.get())) {
      return nullptr;
    }
  }
  list->FinishLoading(limits);
  return OrNothingIfEmpty(std::move(list));
}

std::unique_ptr<Object> ReadPlainSet(const EncodingLimits& limits, Reader* reader) {
  uint64_t count;
  std::string member;
  if (!reader->Count(&count) || count == 0 || !reader->String(&member)) return nullptr;
  std::unique_ptr<Set> set = Set::For(member, count, limits);
  set->Add(member, limits);
  for (uint64_t i = 1; i < count; ++i) {
    if (!reader->String(&member) || !set->Add(member, limits)) return nullptr;
  }
  return set;
}

std::unique_ptr<Object> ReadPackedSet(uint8_t tag, const EncodingLimits& limits, Reader* reader) {
  std::string bytes;
  if (!reader->String(&bytes)) return nullptr;
  std::unique_ptr<Set> set;
  if (tag == kSetIntsetTag) {
    std::optional<Intset> intset = Intset::FromBytes(bytes);
    if (!intset.has_value()) return nullptr;
    set = std::make_unique<Set>(std::move(*intset));
  } else {
    std::optional<Listpack> pack = Listpack::FromBytes(bytes);
    if (!pack.has_value() || !Set::IsDistinct(*pack)) return nullptr;
    set = std::make_unique<Set>(std::move(*pack));
  }
  set->Reserve(set->size(), limits);
  return OrNothingIfEmpty(std::move(set));
}

bool AddScored(std::string_view member, double score, const EncodingLimits& limits, Zset* zset) {
  return !std::isnan(score) && zset->Set(member, score, limits) == Zset::SetResult::kAdded;
}

std::unique_ptr<Object> ReadPlainZset(uint8_t tag, const EncodingLimits& limits, Reader* reader) {
  uint64_t count;
  if (!reader->Count(&count)) return nullptr;
  auto zset = std::make_unique<Zset>();
  zset->Reserve(count, limits);
  std::string member;
  double score;
  for (; count > 0; --count) {
    if (!reader->String(&member)) return nullptr;
    if (!(tag == kZsetTag ? reader->Double(&score) : reader->TextDouble(&score))) return nullptr;
    if (!AddScored(member, score, limits, zset.get())) return nullptr;
  }
  return OrNothingIfEmpty(std::move(zset));
}

// The scores of packed sorted sets are numbers or texts.
std::optional<double> ScoreOf(const Listpack::Value& value) {
  return value.is_number ? static_cast<double>(value.number) : base::ParseDouble(value.text);
}

std::unique_ptr<Object> ReadZiplistZset(std::string_view bytes, const EncodingLimits& limits) {
  auto zset = std::make_unique<Zset>();
  ZiplistReader ziplist(bytes);
  Listpack::Value member;
  Listpack::Value score;
  base::Int64Text buffer;
  while (ziplist.Next(&member)) {
    if (!ziplist.Next(&score)) return nullptr;
    const std::optional<double> number = ScoreOf(score);
    if (!number || !AddScored(member.Text(buffer), *number, limits, zset.get())) return nullptr;
  }
  return ziplist.ok() ? OrNothingIfEmpty(std::move(zset)) : nullptr;
}

std::unique_ptr<Object> ReadListpackZset(std::string_view bytes, const EncodingLimits& limits) {
  std::optional<Listpack> pack = Listpack::FromBytes(bytes);
  if (!pack.has_value() || !Zset::IsOrdered(*pack)) return nullptr;
  auto zset = std::make_unique<Zset>(std::move(*pack));
  zset->Reserve(zset->size(), limits);
  return OrNothingIfEmpty(std::move(zset));
}

std::unique_ptr<Object> ReadPackedZset(uint8_t tag, const EncodingLimits& limits, Reader* reader) {
  std::string bytes;
  if (!reader->String(&bytes)) return nullptr;
  return tag == kZsetZiplistTag ? ReadZiplistZset(bytes, limits) : ReadListpackZset(bytes, limits);
}

}  // namespace

std::unique_ptr<Object> ReadObject(uint8_t tag, const EncodingLimits& limits, Reader* reader) {
  switch (tag) {
    case kListTag:
    case kListZiplistTag:
    case kListQuicklistTag:
    case kListQuicklist2Tag:
      return ReadList(tag, limits, reader);
    case kSetTag:
      return ReadPlainSet(limits, reader);
    case kSetIntsetTag:
    case kSetListpackTag:
      return ReadPackedSet(tag, limits, reader);
    case kZsetTextTag:
    case kZsetTag:
      return ReadPlainZset(tag, limits, reader);
    case kZsetZiplistTag:
    case kZsetListpackTag:
      return ReadPackedZset(tag, limits, reader);
    case kHashTag:
    case kHashZipmapTag:
    case kHashZiplistTag:
    case kHashListpackTag:
    case kHashFieldTtlRcTag:
    case kHashListpackTtlRcTag:
    case kHashFieldTtlTag:
    case kHashListpackTtlTag:
      return ReadHash(tag, limits, reader);
    case kStreamTag:
    case kStream2Tag:
    case kStream3Tag:
      return ReadStream(tag, reader);
    default:
      return nullptr;
  }
}

}  // namespace terrace::keyspace::rdb
