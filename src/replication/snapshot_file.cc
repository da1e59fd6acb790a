#include "replication/snapshot_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/files.h"

namespace terrace::replication {
namespace {

class FileOutput : public ByteOutput {
 public:
  explicit FileOutput(int fd) : fd_(fd) {}
  int Write(std::string_view bytes) override { return base::WriteAll(fd_, bytes); }

 private:
  const int fd_;
};

std::string Failed(const char* what, const std::string& path, int error) {
  return std::string("cannot ") + what + " " + path + ": " + std::strerror(error);
}

}  // namespace

std::string TemporaryPath(const std::string& path, int64_t process_id) {
  return base::DirectoryOf(path) + "temp-" + std::to_string(process_id) + ".rdb";
}

SnapshotSaved SaveSnapshot(const std::string& path, keyspace::Keyspace& keyspace,
                           const SnapshotContent& content) {
  SnapshotSaved saved;
  const std::string temporary = TemporaryPath(path, ::getpid());
  // Other users have no business with the data.
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    saved.error = Failed("create", temporary, errno);
    return saved;
  }
  FileOutput output(fd);
  const SnapshotWritten written = WriteSnapshot(keyspace, content, &output);
  saved.bytes = written.bytes;
  saved.keys = written.keys;
  int error = written.error;
  if (error == 0 && ::fsync(fd) != 0) error = errno;
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error != 0) {
    saved.error = Failed("write", temporary, error);
  } else if (::rename(temporary.c_str(), path.c_str()) != 0) {
    saved.error = Failed("replace", path, errno);
  }
  if (!saved.error.empty()) {
    ::unlink(temporary.c_str());
  } else {
    base::SyncDirectory(base::DirectoryOf(path));
  }
  return saved;
}

FileInput::~FileInput() {
  if (fd_ >= 0) ::close(fd_);
}

FileInput::Opened FileInput::Open(const std::string& path) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ >= 0) return Opened::kYes;
  return errno == ENOENT ? Opened::kNotThere : Opened::kFailed;
}

bool FileInput::Seek(uint64_t offset) {
  return ::lseek(fd_, static_cast<off_t>(offset), SEEK_SET) >= 0;
}

int64_t FileInput::Read(char* buffer, size_t size) {
  ssize_t got;
  do {
    got = ::read(fd_, buffer, size);
  } while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace terrace::replication
