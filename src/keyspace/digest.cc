#include "keyspace/digest.h"

#include <cinttypes>
#include <cstdio>

#include "base/hash.h"
#include "keyspace/dump.h"
#include "keyspace/types/hash.h"
#include "keyspace/types/list.h"
#include "keyspace/types/set.h"
#include "keyspace/types/zset.h"

namespace terrace::keyspace {
namespace {

constexpr uint64_t kHighSeed = 0x9e3779b97f4a7c15;
constexpr uint64_t kLowSeed = 0xc2b2ae3d27d4eb4f;

Digest Hashed(std::string_view bytes, const Digest& seed = {}) {
  return {base::HashBytes(bytes, kHighSeed ^ seed.high),
          base::HashBytes(bytes, kLowSeed ^ seed.low)};
}

// Elements whose order means nothing are added up: a sum does not know the order either, and unlike
// an exclusive or it tells two equal elements from none.
void Add(Digest* sum, const Digest& part) {
  sum->high += part.high;
  sum->low += part.low;
}

Digest DigestOfObject(const Object& object, int64_t now_ms) {
  Digest digest;
  switch (object.type()) {
    case Type::kHash:
      static_cast<const Hash&>(object).ForEach(now_ms, [&](const HashEntry& entry) {
        const std::string deadline =
            entry.deadline_ms == kNoDeadline ? "" : std::to_string(entry.deadline_ms);
        Add(&digest, Hashed(deadline, Hashed(entry.value, Hashed(entry.field))));
      });
      break;
    case Type::kSet:
      static_cast<const Set&>(object).ForEach(
          [&](std::string_view member) { Add(&digest, Hashed(member)); });
      break;
    case Type::kZset:
      static_cast<const Zset&>(object).ForEach([&](const Zset::Entry& entry) {
        // -0 equals 0, and becomes that where a value is written anew.
        const double score = entry.score == 0 ? 0 : entry.score;
        const std::string_view bytes(reinterpret_cast<const char*>(&score), sizeof score);
        Add(&digest, Hashed(bytes, Hashed(entry.member)));
      });
      break;
    case Type::kList: {
      const auto& list = static_cast<const List&>(object);
      base::Int64Text buffer;
      for (List::Cursor at = list.Seek(0); at.valid(); at = list.Next(at)) {
        digest = Hashed(list.Get(at).Text(buffer), digest);
      }
      break;
    }
    default:
      // A stream has an order of its own, so its payload is the same for the same content.
      digest = Hashed(EncodeDump(object, DumpReader::kRedis72));
  }
  return digest;
}

}  // namespace

Digest DigestOfValue(const Entry& entry, int64_t now_ms) {
  if (entry.is_string()) return Hashed(entry.string());
  const auto type = static_cast<char>(entry.type());
  return Hashed({&type, 1}, DigestOfObject(*entry.object(), now_ms));
}

Digest DigestOfKeyspace(Keyspace& keyspace, int64_t now_ms) {
  Digest digest;
  for (int index = 0; index < keyspace.database_count(); ++index) {
    Database database(&keyspace, index, now_ms);
    database.ForEach([&](Entry* entry) {
      const std::string about =
          std::to_string(index) + (entry->has_deadline() ? " expires " : " lasts ");
      Add(&digest, Hashed(about + std::string(entry->key()), DigestOfValue(*entry, now_ms)));
    });
  }
  return digest;
}

std::string ToHex(const Digest& digest) {
  char text[41];
  std::snprintf(text, sizeof text, "%016" PRIx64 "%016" PRIx64 "%08x", digest.high, digest.low,
                static_cast<unsigned>(digest.high ^ digest.low));
  return text;
}

}  // namespace terrace::keyspace
