#include "server/snapshot_loader.h"

#include <algorithm>
#include <utility>

#include "base/saturate.h"

namespace terrace::server {

bool SnapshotLoader::Wants(int database, std::string_view key) {
  return !into_.wants || into_.wants(key);
}

std::string SnapshotLoader::OnKey(replication::SnapshotKey saved) {
  keyspace::Keyspace& keyspace = *into_.keyspace;
  if (into_.eviction == Eviction::kMay && keyspace.IsOverLimit()) {
    // Where nothing may be evicted, what is on disk comes in all the same, as in Redis.
    static_cast<void>(keyspace.MakeRoom(into_.now_ms));
  }
  const keyspace::Key key = keyspace.MakeKey(saved.key);
  const keyspace::ShardLock lock(keyspace, keyspace.SetOf(key));
  keyspace::Database database(&keyspace, saved.database, into_.now_ms);
  if (into_.expired == Expired::kKept) database.RestTime();
  if (into_.existing == Existing::kRefuse && database.Peek(key) != nullptr) {
    return "the key '" + std::string(saved.key) + "' of database " +
           std::to_string(saved.database) + " is there already";
  }
  int64_t deadline_ms = keyspace::kNoDeadline;
  if (saved.deadline_wall_ms != keyspace::kNoDeadline) {
    deadline_ms = std::max<int64_t>(
        base::SaturatingSubtract(saved.deadline_wall_ms, into_.wall_ms - into_.now_ms), 0);
  }
  if (saved.value.object != nullptr) {
    database.SetObject(key, std::move(saved.value.object), deadline_ms, keyspace::events::kNone);
  } else {
    database.SetString(key, saved.value.string, deadline_ms, keyspace::events::kNone);
  }
  return "";
}

std::string SnapshotLoader::OnFunctions(std::string_view code) {
  return into_.load_functions(code);
}

}  // namespace terrace::server
