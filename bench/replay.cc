// replay: sends the requests of a trace to a server as GETs and learns from each reply whether the
// origin answered it: values from bench_http_origin begin with the time they were made, and one
// made after its request was sent came from the origin for this request. Other replies came from a
// cache.
//
// Each connection has one request in flight and takes the next of the trace when it is answered, so
// the order of requests is that of the trace but for the last few.
//
// usage: bench_replay --port N [--connections 16] [--prefix trace:] [--total 0] < TRACE
// TRACE has lines "key size"; the key sent is PREFIX key ":" size, the size being the first one the
// trace has for the key. Prints one JSON object; a progress bar on standard error if that is a
// terminal and --total says how many requests there are.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "arguments.h"
#include "latency_histogram.h"
#include "wire.h"

namespace terrace::bench {
namespace {

constexpr size_t kStampDigits = 20;

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The requests of a trace, as keys to ask for.
class Trace {
 public:
  explicit Trace(std::string prefix) : prefix_(std::move(prefix)) {}

  // False at the end.
  bool Next(std::string& key) {
    uint64_t id = 0;
    uint64_t size = 0;
    if (!(std::cin >> id >> size)) return false;
    size = sizes_.try_emplace(id, size).first->second;
    key = prefix_ + std::to_string(id) + ":" + std::to_string(size);
    return true;
  }

 private:
  std::string prefix_;
  std::unordered_map<uint64_t, uint64_t> sizes_;
};

class ProgressBar {
 public:
  explicit ProgressBar(uint64_t total) : total_(isatty(STDERR_FILENO) != 0 ? total : 0) {}

  void Show(uint64_t done, uint64_t from_origin) {
    const uint64_t percent = total_ == 0 ? 0 : done * 100 / total_;
    if (percent == shown_percent_) return;
    shown_percent_ = percent;
    const std::string bar(percent * 40 / 100, '#');
    std::fprintf(stderr, "\r[%-40s] %3llu %%  %llu requests, %.1f %% from the origin ", bar.c_str(),
                 static_cast<unsigned long long>(percent), static_cast<unsigned long long>(done),
                 100.0 * static_cast<double>(from_origin) / static_cast<double>(done));
    if (done == total_) std::fprintf(stderr, "\n");
  }

 private:
  uint64_t total_;
  uint64_t shown_percent_ = 0;
};

class Replay {
 public:
  Replay(int port, size_t connection_count, Trace* trace, ProgressBar* progress)
      : trace_(trace), progress_(progress), connections_(connection_count) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < connection_count; ++i) Connect(port, i);
  }

  void Run() {
    const int64_t began_ns = NowNs();
    for (Connection& connection : connections_) SendNext(connection);
    epoll_event events[256];
    while (in_flight_ > 0) {
      const int count = epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) Receive(connections_[events[i].data.u32]);
    }
    elapsed_ns_ = NowNs() - began_ns;
  }

  void Print() const {
    std::printf("{\"requests\": %llu, \"errors\": %llu, \"absent\": %llu, \"seconds\": %.3f,\n",
                static_cast<unsigned long long>(done_), static_cast<unsigned long long>(errors_),
                static_cast<unsigned long long>(absent_), static_cast<double>(elapsed_ns_) / 1e9);
    PrintHistogram("origin_us", origin_latency_);
    std::printf(",\n");
    PrintHistogram("cache_us", cache_latency_);
    std::printf("}\n");
  }

  bool HadErrors() const { return errors_ > 0; }

 private:
  struct Connection {
    int fd = -1;
    int64_t sent_ns = 0;
    std::string input;
  };

  [[noreturn]] static void Die(const char* what) {
    std::fprintf(stderr, "replay: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
  }

  void Connect(int port, size_t index) {
    Connection& connection = connections_[index];
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      Die("cannot connect");
    }
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(index);
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  void SendNext(Connection& connection) {
    if (!trace_->Next(key_)) return;
    request_ = "*2\r\n$3\r\nGET\r\n$" + std::to_string(key_.size()) + "\r\n" + key_ + "\r\n";
    connection.sent_ns = NowNs();
    // One request in flight always fits into the socket's buffer.
    if (send(connection.fd, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size())) {
      Die("cannot send");
    }
    ++in_flight_;
  }

  void Receive(Connection& connection) {
    const ssize_t count = recv(connection.fd, buffer_, sizeof(buffer_), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) Die("the server closed a connection");
    connection.input.append(buffer_, static_cast<size_t>(count));
    const Reply reply = ReadRespReply(connection.input);
    if (reply.kind == ReplyKind::kIncomplete) return;
    Record(connection, reply);
    connection.input.erase(0, reply.length);
    --in_flight_;
    SendNext(connection);
  }

  void Record(const Connection& connection, const Reply& reply) {
    ++done_;
    if (reply.kind == ReplyKind::kError && errors_++ == 0) {
      std::fprintf(stderr, "replay: error reply: %.*s", static_cast<int>(reply.length),
                   connection.input.data());
    }
    if (reply.kind == ReplyKind::kMiss) ++absent_;
    if (reply.kind == ReplyKind::kHit) {
      const int64_t took_ns = NowNs() - connection.sent_ns;
      (StampOf(reply.value) >= connection.sent_ns ? origin_latency_ : cache_latency_).Add(took_ns);
    }
    progress_->Show(done_, origin_latency_.count());
  }

  // When the origin made the value; 0 when it has no stamp.
  static int64_t StampOf(std::string_view value) {
    int64_t stamp = 0;
    if (value.size() >= kStampDigits) {
      std::from_chars(value.data(), value.data() + kStampDigits, stamp);
    }
    return stamp;
  }

  static void PrintHistogram(const char* name, const LatencyHistogram& histogram) {
    std::printf(" \"%s\": [", name);
    const char* separator = "";
    histogram.ForEach([&separator](double upper_us, uint64_t count) {
      std::printf("%s[%.2f, %llu]", separator, upper_us, static_cast<unsigned long long>(count));
      separator = ", ";
    });
    std::printf("]");
  }

  Trace* trace_;
  ProgressBar* progress_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::string key_;
  std::string request_;
  size_t in_flight_ = 0;
  uint64_t done_ = 0;
  uint64_t errors_ = 0;
  uint64_t absent_ = 0;
  int64_t elapsed_ns_ = 0;
  LatencyHistogram origin_latency_;
  LatencyHistogram cache_latency_;
  char buffer_[256 << 10];
};

}  // namespace
}  // namespace terrace::bench

int main(int argc, char** argv) {
  using namespace terrace::bench;
  std::ios::sync_with_stdio(false);
  Arguments arguments(argc, argv);
  const int port = static_cast<int>(arguments.Number("port", 6379));
  const size_t connection_count = arguments.Count("connections", 16);
  Trace trace(arguments.Text("prefix", "trace:"));
  ProgressBar progress(arguments.Count("total", 0));
  arguments.RejectUnknown();
  Replay replay(port, connection_count, &trace, &progress);
  replay.Run();
  replay.Print();
  return replay.HadErrors() ? 1 : 0;
}
