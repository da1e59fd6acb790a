#pragma once

// WriteSnapshot: a keyspace at one moment as the bytes of an RDB file.
//
// Promises: the file has the oldest version that can carry what is in it: 9 (Redis 5), 10 with
//           functions (7.0), 11 with streams (7.2), 12 with deadlines of hash fields (7.4). What
//           has expired is not in it. Memory is bounded by the buffer and the largest value.
// Threads:  REQUIRES the locks of all shards, or a process of its own that was forked under them.
// It
//           takes no other lock and logs nothing, so that such a process may run it.
// Units:    milliseconds; bytes.
// Errors:   errno of the output's first failure.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keyspace/keyspace.h"

namespace terrace::replication {

class ByteOutput {
 public:
  virtual ~ByteOutput() = default;
  // Writes everything; 0 or errno.
  [[nodiscard]] virtual int Write(std::string_view bytes) = 0;
};

// Is this key written?
using KeyFilter = std::function<bool(int database, std::string_view key, const keyspace::Entry&)>;

struct SnapshotContent {
  KeyFilter keeps;                                       // empty: every key
  std::vector<std::string> libraries;                    // the code of each library of functions
  std::vector<std::pair<std::string, std::string>> aux;  // names and texts about the file
  int64_t now_ms = 0;                                    // NowMs time
  int64_t wall_ms = 0;                                   // the same moment in Unix time
  bool has_checksum = true;
  int64_t key_delay_us = 0;  // sleep after each key: for tests that want a save to take long
};

struct SnapshotWritten {
  int error = 0;  // errno
  uint64_t bytes = 0;
  uint64_t keys = 0;
};

[[nodiscard]] SnapshotWritten WriteSnapshot(keyspace::Keyspace& keyspace,
                                            const SnapshotContent& content, ByteOutput* output);

}  // namespace terrace::replication
