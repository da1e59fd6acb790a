#pragma once

// EpollServer: the least a TCP server on one thread can do: wait, read, answer, write. The benches
// use it where a server must cost as little as possible, as a bare limit or as an origin.
//
// Promises:  bytes of a connection reach the handler in order; what it does not consume is offered
//            again, with what came after it. A client that does not read stops being read.
// Threads:   all in the caller of Run().
// Errors:    cannot listen: a message and exit, for a bench has nothing better to do.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace terrace::bench {

class EpollServer {
 public:
  // Reads requests from the front of input, appends replies to output, and returns how many bytes
  // of input it has used; kClose ends the connection.
  using Handler = std::function<size_t(std::string_view input, std::string& output)>;
  static constexpr size_t kClose = static_cast<size_t>(-1);

  EpollServer(int port, Handler handler) : handler_(std::move(handler)) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(listener_, 1024) != 0) {
      std::fprintf(stderr, "cannot listen on port %d: %s\n", port, std::strerror(errno));
      std::exit(1);
    }
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    Watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
  }

  int port() const { return port_; }

  [[noreturn]] void Run() {
    epoll_event events[256];
    while (true) {
      const int count = epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) {
        if (events[i].data.fd == listener_) {
          Accept();
        } else {
          Serve(events[i].data.fd, events[i].events);
        }
      }
    }
  }

 private:
  struct Connection {
    std::string rest;    // read, and not used by the handler yet
    std::string output;  // not written yet
  };

  void Watch(int operation, int fd, uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.fd = fd;
    epoll_ctl(epoll_, operation, fd, &event);
  }

  void Accept() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      connections_[fd] = std::make_unique<Connection>();
      Watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
  }

  void Serve(int fd, uint32_t what) {
    Connection& connection = *connections_[fd];
    if ((what & EPOLLOUT) == 0 && !Read(fd, connection)) return Close(fd);
    if (!Write(fd, connection, (what & EPOLLOUT) != 0)) Close(fd);
  }

  // False when the connection is to be closed.
  bool Read(int fd, Connection& connection) {
    const ssize_t count = read(fd, buffer_, sizeof(buffer_));
    if (count <= 0) return count < 0 && errno == EAGAIN;
    std::string_view input(buffer_, static_cast<size_t>(count));
    if (!connection.rest.empty()) {
      connection.rest.append(input);
      input = connection.rest;
    }
    const size_t used = handler_(input, connection.output);
    if (used == kClose) return false;
    if (!connection.rest.empty()) {
      connection.rest.erase(0, used);
    } else if (used < input.size()) {
      connection.rest.assign(input.substr(used));
    }
    return true;
  }

  bool Write(int fd, Connection& connection, bool was_waiting) {
    size_t written = 0;
    while (written < connection.output.size()) {
      const ssize_t count =
          write(fd, connection.output.data() + written, connection.output.size() - written);
      if (count < 0 && errno != EAGAIN) return false;
      if (count < 0) break;
      written += static_cast<size_t>(count);
    }
    connection.output.erase(0, written);
    const bool waits = !connection.output.empty();
    if (waits != was_waiting) Watch(EPOLL_CTL_MOD, fd, waits ? EPOLLOUT : EPOLLIN);
    return true;
  }

  void Close(int fd) {
    connections_.erase(fd);
    close(fd);
  }

  Handler handler_;
  int epoll_ = -1;
  int listener_ = -1;
  int port_ = 0;
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  char buffer_[256 << 10];
};

}  // namespace terrace::bench
