#pragma once

// Snapshots in files: saving so that a crash leaves the old file or the new one, and opening.
//
// Threads: as WriteSnapshot; a forked process may save.
// Units:   bytes.

#include <cstdint>
#include <string>

#include "replication/snapshot_reader.h"
#include "replication/snapshot_writer.h"

namespace terrace::replication {

struct SnapshotSaved {
  std::string error;  // what failed and the system's word for it; "": done
  uint64_t bytes = 0;
  uint64_t keys = 0;
};

// Where a process with this id prepares the file of this path: in the same directory.
std::string TemporaryPath(const std::string& path, int64_t process_id);

// Writes beside it, brings that to the disk, and puts it in place. What is left of a failure is
// removed.
[[nodiscard]] SnapshotSaved SaveSnapshot(const std::string& path, keyspace::Keyspace& keyspace,
                                         const SnapshotContent& content);

// FileInput: the bytes of a file.
class FileInput : public ByteInput {
 public:
  FileInput() = default;
  ~FileInput() override;
  FileInput(const FileInput&) = delete;
  FileInput& operator=(const FileInput&) = delete;

  enum class Opened : uint8_t { kYes, kNotThere, kFailed };  // kFailed: see errno
  [[nodiscard]] Opened Open(const std::string& path);
  // The next byte read is this one; false: see errno.
  [[nodiscard]] bool Seek(uint64_t offset);
  int64_t Read(char* buffer, size_t size) override;

 private:
  int fd_ = -1;
};

}  // namespace terrace::replication
