#pragma once

// SnapshotLoader: puts the keys and functions of a snapshot into the keyspace, through the write
// door and without events.
//
// Promises:  what has the same name is replaced or refused, as asked. Keys of routes with lower
//            tiers are left out: another tier has the last word on them.
// Ownership: everything outlives it.
// Threads:   takes the lock of each key's shard; the caller may hold them all.

#include <functional>
#include <string>
#include <string_view>

#include "keyspace/database.h"
#include "replication/snapshot_reader.h"

namespace terrace::server {

class SnapshotLoader : public replication::SnapshotSink {
 public:
  enum class Existing : uint8_t { kRefuse, kReplace };
  // Whether others may be evicted where memory is short. kMay: the caller holds no lock.
  enum class Eviction : uint8_t { kMay, kMayNot };
  // Whether what has expired is left out, or kept for changes that follow the snapshot.
  enum class Expired : uint8_t { kLeftOut, kKept };
  struct Into {
    keyspace::Keyspace* keyspace = nullptr;
    std::function<bool(std::string_view key)> wants;  // empty: all
    std::function<std::string(std::string_view code)> load_functions;
    Existing existing = Existing::kRefuse;
    Eviction eviction = Eviction::kMayNot;
    Expired expired = Expired::kLeftOut;
    int64_t now_ms = 0;   // NowMs time
    int64_t wall_ms = 0;  // the same moment in Unix time
  };

  explicit SnapshotLoader(Into into) : into_(std::move(into)) {}

  bool Wants(int database, std::string_view key) override;
  std::string OnKey(replication::SnapshotKey key) override;
  std::string OnFunctions(std::string_view code) override;

 private:
  const Into into_;
};

}  // namespace terrace::server
