#include "tiers/confined_open.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace terrace::tiers {
namespace {

constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
// The kernel gives up with EAGAIN when the tree is renamed under a path with ".." in a link.
constexpr int kTriesMax = 8;

}  // namespace

int OpenConfined(int directory_fd, const std::string& relative_path) {
  open_how how{};
  how.flags = kReadFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int i = 0; i < kTriesMax; ++i) {
    const long fd = syscall(SYS_openat2, directory_fd, relative_path.c_str(), &how, sizeof(how));
    if (fd >= 0) return static_cast<int>(fd);
    // Old kernels do not know the call; sandboxes of some container engines forbid it.
    if (errno == ENOSYS || errno == EPERM) return OpenWithoutLinks(directory_fd, relative_path);
    if (errno != EAGAIN && errno != EINTR) return -errno;
  }
  return -EAGAIN;
}

int OpenWithoutLinks(int directory_fd, const std::string& relative_path) {
  int parent_fd = directory_fd;
  size_t begin = 0;
  while (true) {
    const size_t end = relative_path.find('/', begin);
    const std::string component = relative_path.substr(begin, end - begin);
    const bool last = end == std::string::npos;
    int fd = -1;
    if (component.empty() || component == "." || component == "..") {
      errno = ENOENT;
    } else {
      const int flags = last ? kReadFlags : O_PATH | O_DIRECTORY | O_CLOEXEC;
      do {
        fd = openat(parent_fd, component.c_str(), flags | O_NOFOLLOW);
      } while (fd < 0 && errno == EINTR);
    }
    const int error = errno;
    if (parent_fd != directory_fd) close(parent_fd);
    if (fd < 0) return -error;
    if (last) return fd;
    parent_fd = fd;
    begin = end + 1;
  }
}

}  // namespace terrace::tiers
