#include "base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace terrace::base {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

std::string NameOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

int WriteAll(int fd, std::string_view bytes, size_t* written) {
  size_t done = 0;
  int error = 0;
  while (done < bytes.size() && error == 0) {
    const ssize_t count = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (count >= 0) {
      done += static_cast<size_t>(count);
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  if (written != nullptr) *written = done;
  return error;
}

int ReadWholeFile(const std::string& path, size_t bytes_max, std::string* text) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  text->clear();
  int error = 0;
  while (error == 0) {
    char chunk[4096];
    const ssize_t count = ::read(fd, chunk, sizeof(chunk));
    if (count == 0) break;
    if (count > 0) {
      text->append(chunk, static_cast<size_t>(count));
      if (text->size() > bytes_max) error = EFBIG;
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  ::close(fd);
  return error;
}

int ReplaceFile(const std::string& path, std::string_view text) {
  const std::string new_path = path + ".new";
  const int fd = ::open(new_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  int error = WriteAll(fd, text);
  if (error == 0 && ::fsync(fd) != 0) error = errno;
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(new_path.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(new_path.c_str());
    return error;
  }
  SyncDirectory(DirectoryOf(path));
  return 0;
}

void SyncDirectory(const std::string& directory) {
  const char* const name = directory.empty() ? "." : directory.c_str();
  const int fd = ::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace terrace::base
