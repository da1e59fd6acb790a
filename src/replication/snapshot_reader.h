#pragma once

// ReadSnapshot: the keys and functions of an RDB file, one after the other.
//
// Promises:  reads what Redis 2.6 to 7.4 writes, believes nothing in it, and holds one value at a
//            time. Keys that have expired are counted and left out. What modules keep beside their
//            keys is skipped. The checksum is compared at the end, when the keys have been given.
// Ownership: input and sink are borrowed for the call. Views given to the sink end with its call.
// Threads:   runs on the caller's thread; takes no locks.
// Units:     Unix time in milliseconds; bytes.
// Errors:    SnapshotRead::error, with the offset in the file.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keyspace/dump.h"
#include "keyspace/entry.h"

namespace terrace::replication {

class ByteInput {
 public:
  virtual ~ByteInput() = default;
  // At most size bytes; their number, 0 at the end, -1 with errno set when it failed.
  virtual int64_t Read(char* buffer, size_t size) = 0;
};

struct SnapshotKey {
  int database = 0;
  std::string_view key;
  keyspace::DumpValue value;
  int64_t deadline_wall_ms = keyspace::kNoDeadline;
};

// SnapshotSink: takes what is read. Each may answer why reading cannot go on, or "".
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  // Is this key of use? Otherwise its value is not even decoded.
  virtual bool Wants(int database, std::string_view key) = 0;
  virtual std::string OnKey(SnapshotKey key) = 0;
  virtual std::string OnFunctions(std::string_view code) = 0;
};

struct SnapshotRules {
  keyspace::EncodingLimits encoding;
  int database_count = 16;
  int64_t wall_ms = 0;  // now: what has a deadline before it has expired
  bool checks_checksum = true;
};

struct SnapshotRead {
  std::string error;  // "": the whole file was read
  uint64_t bytes = 0;
  uint64_t keys = 0;      // given to the sink
  uint64_t expired = 0;   // left out
  uint64_t unwanted = 0;  // by the sink
};

[[nodiscard]] SnapshotRead ReadSnapshot(ByteInput* input, const SnapshotRules& rules,
                                        SnapshotSink* sink);

}  // namespace terrace::replication
