#include "keyspace/rdb/object_writer.h"

#include <limits>

#include "base/check.h"
#include "keyspace/object.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/writer.h"
#include "keyspace/types/hash.h"
#include "keyspace/types/list.h"
#include "keyspace/types/set.h"
#include "keyspace/types/stream.h"
#include "keyspace/types/zset.h"

namespace terrace::keyspace::rdb {
namespace {

// Hash fields past their deadline are still written: only the owner removes them, and it tells.
constexpr int64_t kNoFieldIsLate = std::numeric_limits<int64_t>::min();

uint16_t WriteList(const List& list, std::string* out) {
  Writer writer(out);
  writer.Byte(kListTag);
  writer.Length(list.size());
  base::Int64Text buffer;
  for (List::Cursor at = list.Seek(0); at.valid(); at = list.Next(at)) {
    writer.String(list.Get(at).Text(buffer));
  }
  return kVersionWritten;
}

uint16_t WriteSet(const Set& set, std::string* out) {
  Writer writer(out);
  if (const auto intset = set.intset_bytes()) {
    writer.Byte(kSetIntsetTag);
    writer.String(*intset);
    return kVersionWritten;
  }
  writer.Byte(kSetTag);
  writer.Length(set.size());
  set.ForEach([&](std::string_view member) { writer.String(member); });
  return kVersionWritten;
}

uint16_t WriteZset(const Zset& zset, std::string* out) {
  Writer writer(out);
  writer.Byte(kZsetTag);
  writer.Length(zset.size());
  if (zset.size() == 0) return kVersionWritten;
  // Highest first, which a reader inserts in constant time each at the head of its skip list.
  zset.VisitDown(zset.size() - 1, zset.size(), [&](const Zset::Entry& entry) {
    writer.String(entry.member);
    writer.Double(entry.score);
  });
  return kVersionWritten;
}

uint16_t WriteHash(const Hash& hash, std::string* out) {
  Writer writer(out);
  const int64_t first_deadline_ms = hash.NextDeadline();
  const bool has_deadlines = first_deadline_ms != Hash::kNoDeadline;
  writer.Byte(has_deadlines ? kHashFieldTtlTag : kHashTag);
  if (has_deadlines) writer.Milliseconds(first_deadline_ms);
  writer.Length(hash.size());
  hash.ForEach(kNoFieldIsLate, [&](const Hash::Entry& entry) {
    if (has_deadlines) {
      // 0 stands for none, 1 for the first deadline.
      writer.Length(entry.deadline_ms == Hash::kNoDeadline
                        ? 0
                        : static_cast<uint64_t>(entry.deadline_ms - first_deadline_ms) + 1);
    }
    writer.String(entry.field);
    writer.String(entry.value);
  });
  return has_deadlines ? kVersionOfFieldTtl : kVersionWritten;
}

}  // namespace

uint16_t WriteObject(const Object& object, uint16_t version_max, std::string* out) {
  switch (object.type()) {
    case Type::kList:
      return WriteList(static_cast<const List&>(object), out);
    case Type::kSet:
      return WriteSet(static_cast<const Set&>(object), out);
    case Type::kZset:
      return WriteZset(static_cast<const Zset&>(object), out);
    case Type::kHash:
      return WriteHash(static_cast<const Hash&>(object), out);
    case Type::kStream:
      return WriteStream(static_cast<const Stream&>(object), version_max, out);
    case Type::kString:
      break;
  }
  TERRACE_CHECK(object.type() != Type::kString);
  return kVersionWritten;
}

}  // namespace terrace::keyspace::rdb
