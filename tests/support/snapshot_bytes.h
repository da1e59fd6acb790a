#pragma once

// Snapshots in memory, for tests: bytes out of a keyspace, and a keyspace out of bytes.
//
// Threads: loop-confined.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keyspace/database.h"
#include "replication/snapshot_reader.h"
#include "replication/snapshot_writer.h"

namespace terrace::replication {

class MemoryOutput : public ByteOutput {
 public:
  explicit MemoryOutput(size_t bytes_max = SIZE_MAX) : bytes_max_(bytes_max) {}
  int Write(std::string_view bytes) override {
    if (bytes.size() > bytes_max_ - bytes_.size()) return ENOSPC;
    bytes_.append(bytes);
    return 0;
  }
  std::string bytes_;

 private:
  const size_t bytes_max_;
};

class MemoryInput : public ByteInput {
 public:
  // As a file that answers at most step bytes to each read.
  explicit MemoryInput(std::string_view bytes, size_t step = SIZE_MAX)
      : rest_(bytes), step_(step) {}
  int64_t Read(char* buffer, size_t size) override {
    const std::string_view part = rest_.substr(0, std::min(size, step_));
    std::memcpy(buffer, part.data(), part.size());
    rest_.remove_prefix(part.size());
    return static_cast<int64_t>(part.size());
  }

 private:
  std::string_view rest_;
  const size_t step_;
};

// Puts what it is given into a keyspace whose clocks agree.
class KeyspaceSink : public SnapshotSink {
 public:
  KeyspaceSink(keyspace::Keyspace* keyspace, int64_t now_ms)
      : keyspace_(keyspace), now_ms_(now_ms) {}

  bool Wants(int, std::string_view key) override { return !key.starts_with("unwanted"); }
  std::string OnKey(SnapshotKey saved) override {
    keyspace::Database database(keyspace_, saved.database, now_ms_);
    const keyspace::Key key = keyspace_->MakeKey(saved.key);
    if (saved.value.object != nullptr) {
      database.SetObject(key, std::move(saved.value.object), saved.deadline_wall_ms,
                         keyspace::events::kNone);
    } else {
      database.SetString(key, saved.value.string, saved.deadline_wall_ms, keyspace::events::kNone);
    }
    return refusal_;
  }
  std::string OnFunctions(std::string_view code) override {
    libraries_.emplace_back(code);
    return "";
  }

  std::vector<std::string> libraries_;
  std::string refusal_;  // of every key

 private:
  keyspace::Keyspace* const keyspace_;
  const int64_t now_ms_;
};

}  // namespace terrace::replication
