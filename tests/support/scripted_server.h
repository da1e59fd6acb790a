#pragma once

// ScriptedServer: a TCP server on a free loopback port whose every byte is the test's, so that
// truncated, trickled and nonsensical answers are exact. Each connection runs the script in a
// thread of its own; the connection is closed when the script returns.
//
// Promises: the destructor interrupts every wait of a script and joins all threads.
// Threads:  counters may be read from any thread; a Connection belongs to its script.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/check.h"

namespace terrace::test {

class ScriptedServer {
 public:
  class Connection {
   public:
    // Reads up to and with an end mark, by default a whole HTTP request without a body. What came
    // before the connection ended, without the mark, when it ends first.
    std::string ReadUntil(std::string_view mark = "\r\n\r\n") {
      while (true) {
        const size_t found = unread_.find(mark);
        if (found != std::string::npos) {
          std::string read = unread_.substr(0, found + mark.size());
          unread_.erase(0, read.size());
          ++server_->requests_;
          return read;
        }
        char bytes[4096];
        const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
        if (count <= 0) return std::exchange(unread_, "");
        unread_.append(bytes, static_cast<size_t>(count));
      }
    }

    // False when the peer has gone.
    bool Send(std::string_view bytes) {
      while (!bytes.empty()) {
        const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<size_t>(sent));
      }
      return true;
    }

    // Sends one byte at a time with a pause after each.
    bool Trickle(std::string_view bytes, int pause_ms) {
      for (const char c : bytes) {
        if (!Send(std::string_view(&c, 1)) || !Wait(pause_ms)) return false;
      }
      return true;
    }

    // False when the server is being stopped.
    bool Wait(int ms) {
      std::unique_lock lock(server_->mutex_);
      return !server_->stop_signal_.wait_for(lock, std::chrono::milliseconds(ms),
                                             [this] { return server_->stopping_; });
    }

    // Until the peer closes, or the server is stopped.
    void WaitForEnd() {
      char byte;
      while (recv(fd_, &byte, 1, 0) > 0) continue;
    }

    void EndSending() { shutdown(fd_, SHUT_WR); }

    // Makes the close a reset (RST).
    void ResetOnClose() {
      const linger abort{1, 0};
      setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
    }

    int index() const { return index_; }  // 0 for the first connection

   private:
    friend class ScriptedServer;
    Connection(ScriptedServer* server, int fd, int index)
        : server_(server), fd_(fd), index_(index) {}

    ScriptedServer* const server_;
    const int fd_;
    const int index_;
    std::string unread_;
  };

  using Script = std::function<void(Connection&)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    TERRACE_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    TERRACE_CHECK(listen(listener_, 1024) == 0);
    TERRACE_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }

  ~ScriptedServer() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
      stop_signal_.notify_all();
      for (const Running& running : running_) shutdown(running.fd, SHUT_RDWR);
    }
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (Running& running : running_) {
      running.thread.join();
      close(running.fd);
    }
    close(listener_);
  }

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  int requests() const { return requests_; }  // completed ReadUntil calls

 private:
  struct Running {
    int fd;  // closed by the destructor, so that its number is not reused before
    std::thread thread;
  };

  void Accept() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      std::lock_guard lock(mutex_);
      if (stopping_) {
        close(fd);
        return;
      }
      running_.push_back({fd, std::thread([this, fd, index = connections_++] {
                            Connection connection(this, fd, index);
                            script_(connection);
                            EndConnection(fd);
                          })});
    }
  }

  // Tells the peer without giving up the descriptor: dup2 of a closed socket keeps its number.
  static void EndConnection(int fd) {
    const int ended = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    dup3(ended, fd, O_CLOEXEC);
    close(ended);
  }

  const Script script_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<int> requests_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;
  std::condition_variable stop_signal_;
  bool stopping_ = false;       // guarded by mutex_
  std::list<Running> running_;  // guarded by mutex_ until the acceptor has ended
};

}  // namespace terrace::test
