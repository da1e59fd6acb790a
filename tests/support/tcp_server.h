#pragma once

// Servers on a loopback port for tests of clients, each on a thread of its own.
//
// CannedServer: sends the same bytes to whoever connects, whatever is asked, and keeps the
//               connection open.
// HoldingProxy: passes bytes between clients and a server, and can hold back what clients have sent
//               over the connections of a moment, even after those clients are gone: a network that
//               delivers late.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"

namespace terrace::test {

inline sockaddr_in LoopbackAddress(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// A listening socket on a free port.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = LoopbackAddress(0);
    socklen_t size = sizeof address;
    TERRACE_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    TERRACE_CHECK(listen(fd_, 64) == 0);
    TERRACE_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(fd_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int fd() const { return fd_; }
  int port() const { return port_; }

 private:
  int fd_;
  int port_ = 0;
};

class CannedServer {
 public:
  explicit CannedServer(std::string bytes) : bytes_(std::move(bytes)), thread_([this] { Run(); }) {}
  ~CannedServer() {
    stop_ = true;
    thread_.join();
    for (int fd : clients_) close(fd);
  }

  int port() const { return listener_.port(); }
  int accepted() const { return accepted_; }

 private:
  void Run() {
    while (!stop_) {
      pollfd ready{listener_.fd(), POLLIN, 0};
      if (poll(&ready, 1, 10) <= 0) continue;
      const int client = accept(listener_.fd(), nullptr, nullptr);
      if (client < 0) continue;
      clients_.push_back(client);
      send(client, bytes_.data(), bytes_.size(), MSG_NOSIGNAL);
      ++accepted_;
    }
  }

  const std::string bytes_;
  Listener listener_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> accepted_ = 0;
  std::vector<int> clients_;
  std::thread thread_;
};

class HoldingProxy {
 public:
  explicit HoldingProxy(int server_port) : server_port_(server_port), thread_([this] { Run(); }) {}
  ~HoldingProxy() {
    stop_ = true;
    thread_.join();
    for (Pair& pair : pairs_) Close(&pair);
  }

  int port() const { return listener_.port(); }
  // Holds back what comes over the connections there are now; later ones pass.
  void Hold() { Ask(kHold); }
  // Delivers what was held, and passes again.
  void Release() { Ask(kRelease); }

 private:
  enum Order { kNone, kHold, kRelease };
  struct Pair {
    int client = -1;
    int server = -1;
    bool held = false;
    std::string pending;
  };

  void Ask(Order order) {
    order_ = order;
    while (order_ != kNone) usleep(1000);
  }

  static void Close(Pair* pair) {
    if (pair->client >= 0) close(pair->client);
    if (pair->server >= 0) close(pair->server);
    pair->client = pair->server = -1;
  }

  void Run() {
    while (!stop_) {
      for (Pair& pair : pairs_) {
        if (order_ == kHold) pair.held = true;
        if (order_ == kRelease) pair.held = false;
      }
      order_ = kNone;
      std::vector<pollfd> ready = {{listener_.fd(), POLLIN, 0}};
      for (const Pair& pair : pairs_) {
        ready.push_back({pair.client, POLLIN, 0});
        ready.push_back({pair.server, POLLIN, 0});
      }
      poll(ready.data(), ready.size(), 1);
      size_t at = 1;
      for (Pair& pair : pairs_) {
        const bool from_client = ready[at++].revents != 0;
        const bool from_server = ready[at++].revents != 0;
        Pass(&pair, from_client, from_server);
      }
      if (ready[0].revents != 0) Accept();
    }
  }

  void Accept() {
    Pair pair;
    pair.client = accept(listener_.fd(), nullptr, nullptr);
    pair.server = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = LoopbackAddress(server_port_);
    if (connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      Close(&pair);
      return;
    }
    pairs_.push_back(std::move(pair));
  }

  static void Pass(Pair* pair, bool from_client, bool from_server) {
    char bytes[16384];
    if (from_client) {
      const ssize_t size = recv(pair->client, bytes, sizeof bytes, 0);
      if (size > 0) {
        pair->pending.append(bytes, static_cast<size_t>(size));
      } else {
        close(pair->client);
        pair->client = -1;
      }
    }
    if (!pair->held && !pair->pending.empty()) {
      send(pair->server, pair->pending.data(), pair->pending.size(), MSG_NOSIGNAL);
      pair->pending.clear();
    }
    if (from_server) {
      const ssize_t size = recv(pair->server, bytes, sizeof bytes, 0);
      if (size <= 0) {
        Close(pair);
      } else if (pair->client >= 0) {
        send(pair->client, bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
      }
    }
    if (pair->client < 0 && !pair->held) Close(pair);
  }

  const int server_port_;
  Listener listener_;
  std::atomic<bool> stop_ = false;
  std::atomic<Order> order_ = kNone;
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace terrace::test
