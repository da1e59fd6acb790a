#include "runtime/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "runtime/stream.h"

namespace terrace::runtime {
namespace {

struct Address {
  std::string text;
  bool is_unix = false;
  bool is_loopback = false;
};

Address Describe(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = {};
  if (storage.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(storage);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
    const bool loopback = (ntohl(in.sin_addr.s_addr) >> 24) == 127;
    return {std::string(text) + ":" + std::to_string(ntohs(in.sin_port)), false, loopback};
  }
  if (storage.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(storage);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof(text));
    return {"[" + std::string(text) + "]:" + std::to_string(ntohs(in.sin6_port)), false,
            IN6_IS_ADDR_LOOPBACK(&in.sin6_addr) != 0};
  }
  const auto& un = reinterpret_cast<const sockaddr_un&>(storage);
  return {storage.ss_family == AF_UNIX ? std::string(un.sun_path) + ":0" : "?:0", true, true};
}

class SocketStream : public Stream {
 public:
  SocketStream(Loop* loop, int fd, base::Function<void(int)> on_events)
      : fd_(fd), watcher_(loop->Watch(fd, std::move(on_events))) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(storage);
    getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
    local_ = Describe(storage);
    storage = {};
    size = sizeof(storage);
    getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size);
    peer_ = Describe(storage);
  }
  ~SocketStream() override {
    watcher_.reset();
    close(fd_);
  }

  ssize_t Read(char* buffer, size_t size) override {
    const ssize_t count = recv(fd_, buffer, size, 0);
    return count >= 0 ? count : FromErrno();
  }
  ssize_t Write(const char* bytes, size_t size) override {
    const ssize_t count = send(fd_, bytes, size, MSG_NOSIGNAL);
    return count >= 0 ? count : FromErrno();
  }
  void SetEvents(int events) override { watcher_->SetEvents(events); }
  int fd() const override { return fd_; }
  std::string peer_address() const override { return is_unix() ? local_.text : peer_.text; }
  std::string local_address() const override { return local_.text; }
  bool is_unix() const override { return local_.is_unix; }
  bool is_loopback() const override { return is_unix() || peer_.is_loopback; }

 private:
  static ssize_t FromErrno() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? kWouldBlock : kBroken;
  }

  const int fd_;
  std::unique_ptr<FdWatcher> watcher_;
  Address local_;
  Address peer_;
};

int BindAndListen(const addrinfo& address, int backlog) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (bind(fd, address.ai_addr, address.ai_addrlen) == 0 && listen(fd, backlog) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

}  // namespace

std::unique_ptr<Stream> NewSocketStream(Loop* loop, int fd, base::Function<void(int)> on_events) {
  return std::make_unique<SocketStream>(loop, fd, std::move(on_events));
}

int ListenTcp(const std::string& host, int port, int backlog, std::string* error) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const bool any = host == "*" || host == "::*";
  if (host == "*") hints.ai_family = AF_INET;
  if (host == "::*") hints.ai_family = AF_INET6;
  const int status =
      getaddrinfo(any ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (status != 0) {
    *error = gai_strerror(status);
    return -1;
  }
  const int fd = BindAndListen(*found, backlog);
  if (fd < 0) *error = std::strerror(errno);
  freeaddrinfo(found);
  return fd;
}

int ListenUnix(const std::string& path, int permissions, int backlog, std::string* error) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    *error = "the path is too long";
    return -1;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  unlink(path.c_str());  // a left-over of an earlier run
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      (permissions != 0 && chmod(path.c_str(), static_cast<mode_t>(permissions)) != 0) ||
      listen(fd, backlog) != 0) {
    *error = std::strerror(errno);
    if (fd >= 0) close(fd);
    return -1;
  }
  return fd;
}

AcceptResult Accept(int listener, int keepalive_s) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return {AcceptStatus::kExhausted, -1};
    }
    return {errno == ECONNABORTED || errno == EINTR ? AcceptStatus::kRetry : AcceptStatus::kNone,
            -1};
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // refused by Unix sockets, no matter
  if (keepalive_s > 0) {
    const int interval_s = keepalive_s / 3 > 0 ? keepalive_s / 3 : 1, probes = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_s, sizeof(keepalive_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
  }
  return {AcceptStatus::kAccepted, fd};
}

}  // namespace terrace::runtime
