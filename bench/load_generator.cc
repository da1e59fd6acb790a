// load_generator: loads one server over many connections, like redis-benchmark: each connection
// sends a batch of requests (the pipeline), waits for all replies, and sends the next. It speaks
// RESP and memcached's text protocol, so that servers of both kinds get the same load.
//
// usage: bench_load_generator --port N [--protocol resp|memcache] [--command get|set]
//          [--connections 50] [--pipeline 1] [--keys 1000000] [--value-bytes 64]
//          [--ttl-seconds 0] [--seconds 2] [--seed 1] [--order random|sequential]
// Sequential order sends each key once, and ends. Prints one JSON object.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "arguments.h"
#include "base/rng.h"
#include "latency_histogram.h"
#include "wire.h"

namespace terrace::bench {
namespace {

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Options {
  explicit Options(Arguments& arguments)
      : port(static_cast<int>(arguments.Number("port", 6379))),
        is_memcache(arguments.Text("protocol", "resp") == "memcache"),
        is_set(arguments.Text("command", "get") == "set"),
        is_sequential(arguments.Text("order", "random") == "sequential"),
        connection_count(arguments.Count("connections", 50)),
        pipeline(arguments.Count("pipeline", 1)),
        key_count(arguments.Count("keys", 1000000)),
        value_bytes(arguments.Count("value-bytes", 64)),
        ttl_seconds(arguments.Count("ttl-seconds", 0)),
        seed(arguments.Count("seed", 1)),
        seconds(arguments.Number("seconds", 2)) {
    arguments.RejectUnknown();
  }

  int port;
  bool is_memcache;
  bool is_set;
  bool is_sequential;
  size_t connection_count;
  size_t pipeline;
  size_t key_count;
  size_t value_bytes;
  size_t ttl_seconds;
  uint64_t seed;
  double seconds;
};

constexpr size_t kDigits = 12;  // "key:" and these are the 16 bytes of a key

// One request with a key of zeros; where its digits begin is found by the caller.
std::string RequestTemplate(const Options& options) {
  const std::string key = "key:" + std::string(kDigits, '0');
  const std::string value(options.value_bytes, 'x');
  const std::string ttl = std::to_string(options.ttl_seconds);
  if (options.is_memcache) {
    if (!options.is_set) return "get " + key + "\r\n";
    return "set " + key + " 0 " + ttl + " " + std::to_string(value.size()) + "\r\n" + value +
           "\r\n";
  }
  std::vector<std::string> words = {options.is_set ? "SET" : "GET", key};
  if (options.is_set) words.push_back(value);
  if (options.is_set && options.ttl_seconds > 0) words.insert(words.end(), {"EX", ttl});
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return request;
}

struct Counts {
  uint64_t sent = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t errors = 0;
  LatencyHistogram latency;
};

class Generator {
 public:
  explicit Generator(const Options& options)
      : options_(options), rng_(options.seed), request_(RequestTemplate(options)) {
    digits_at_ = request_.find("key:") + 4;
    for (size_t i = 0; i < options_.pipeline; ++i) batch_ += request_;
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < options_.connection_count; ++i) Connect();
  }

  void Run() {
    began_ns_ = NowNs();
    deadline_ns_ = began_ns_ + static_cast<int64_t>(options_.seconds * 1e9);
    for (Connection& connection : connections_) SendBatch(connection);
    epoll_event events[256];
    while (busy_ > 0) {
      const int count = epoll_wait(epoll_, events, 256, -1);
      for (int i = 0; i < count; ++i) {
        Connection& connection = connections_[events[i].data.u32];
        if (events[i].events & EPOLLOUT) Flush(connection);
        if (events[i].events & ~EPOLLOUT) Receive(connection);
      }
    }
    elapsed_ns_ = NowNs() - began_ns_;
  }

  void Print() const {
    const double seconds = static_cast<double>(elapsed_ns_) / 1e9;
    std::printf(
        "{\"operations\": %llu, \"seconds\": %.4f, \"operations_per_s\": %.0f, \"hits\": %llu, "
        "\"misses\": %llu, \"errors\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, "
        "\"p999_us\": %.1f}\n",
        static_cast<unsigned long long>(counts_.sent), seconds,
        static_cast<double>(counts_.sent) / seconds, static_cast<unsigned long long>(counts_.hits),
        static_cast<unsigned long long>(counts_.misses),
        static_cast<unsigned long long>(counts_.errors), counts_.latency.PercentileUs(0.5),
        counts_.latency.PercentileUs(0.99), counts_.latency.PercentileUs(0.999));
  }

  bool HadErrors() const { return counts_.errors > 0; }

 private:
  struct Connection {
    int fd = -1;
    size_t batch_size = 0;
    size_t awaited = 0;  // replies of the batch still to come
    int64_t sent_ns = 0;
    std::string output;  // the part of the batch the socket did not take
    std::string rest;    // the beginning of a reply
  };

  [[noreturn]] static void Die(const char* what) {
    std::fprintf(stderr, "load_generator: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
  }

  void Connect() {
    Connection connection;
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(options_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      Die("cannot connect");
    }
    const int on = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connections_.push_back(std::move(connection));
    Watch(EPOLL_CTL_ADD, connections_.size() - 1, EPOLLIN);
  }

  void Watch(int operation, size_t index, uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.u32 = static_cast<uint32_t>(index);
    epoll_ctl(epoll_, operation, connections_[index].fd, &event);
  }

  void WriteKey(char* digits) {
    uint64_t key = options_.is_sequential ? next_key_++ : rng_.Below(options_.key_count);
    for (size_t i = kDigits; i-- > 0; key /= 10) digits[i] = static_cast<char>('0' + key % 10);
  }

  size_t NextBatchSize(int64_t now_ns) const {
    if (options_.is_sequential) return std::min(options_.pipeline, options_.key_count - next_key_);
    return now_ns < deadline_ns_ ? options_.pipeline : 0;
  }

  void SendBatch(Connection& connection) {
    connection.sent_ns = NowNs();
    const size_t size = NextBatchSize(connection.sent_ns);
    if (size == 0) return;
    for (size_t i = 0; i < size; ++i) WriteKey(&batch_[i * request_.size() + digits_at_]);
    connection.batch_size = connection.awaited = size;
    counts_.sent += size;
    ++busy_;
    const size_t bytes = size * request_.size();
    const ssize_t written = send(connection.fd, batch_.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) Die("cannot send");
    const size_t taken = written < 0 ? 0 : static_cast<size_t>(written);
    if (taken < bytes) {
      connection.output.assign(batch_, taken, bytes - taken);
      Watch(EPOLL_CTL_MOD, IndexOf(connection), EPOLLIN | EPOLLOUT);
    }
  }

  void Flush(Connection& connection) {
    const ssize_t written = send(connection.fd, connection.output.data(), connection.output.size(),
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) Die("cannot send");
    if (written > 0) connection.output.erase(0, static_cast<size_t>(written));
    if (connection.output.empty()) Watch(EPOLL_CTL_MOD, IndexOf(connection), EPOLLIN);
  }

  size_t IndexOf(const Connection& connection) const {
    return static_cast<size_t>(&connection - connections_.data());
  }

  void Receive(Connection& connection) {
    const ssize_t count = recv(connection.fd, buffer_, sizeof(buffer_), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) Die("the server closed a connection");
    std::string_view input(buffer_, static_cast<size_t>(count));
    if (!connection.rest.empty()) {
      connection.rest.append(input);
      input = connection.rest;
    }
    const size_t used = CountReplies(connection, input);
    if (!connection.rest.empty()) {
      connection.rest.erase(0, used);
    } else if (used < input.size()) {
      connection.rest.assign(input.substr(used));
    }
    if (connection.awaited == 0) {
      counts_.latency.Add(NowNs() - connection.sent_ns, connection.batch_size);
      --busy_;
      SendBatch(connection);
    }
  }

  // Returns the bytes used.
  size_t CountReplies(Connection& connection, std::string_view input) {
    size_t used = 0;
    while (connection.awaited > 0) {
      const std::string_view left = input.substr(used);
      const Reply reply = options_.is_memcache ? ReadMemcacheReply(left) : ReadRespReply(left);
      if (reply.kind == ReplyKind::kIncomplete) break;
      if (reply.kind == ReplyKind::kError && counts_.errors++ == 0) {
        std::fprintf(stderr, "load_generator: error reply: %.*s", static_cast<int>(reply.length),
                     left.data());
      }
      counts_.hits += reply.kind == ReplyKind::kHit ? 1 : 0;
      counts_.misses += reply.kind == ReplyKind::kMiss ? 1 : 0;
      used += reply.length;
      --connection.awaited;
    }
    return used;
  }

  Options options_;
  base::Rng rng_;
  std::string request_;
  size_t digits_at_ = 0;
  std::string batch_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  size_t busy_ = 0;  // connections that wait for replies
  uint64_t next_key_ = 0;
  int64_t began_ns_ = 0;
  int64_t deadline_ns_ = 0;
  int64_t elapsed_ns_ = 0;
  Counts counts_;
  char buffer_[256 << 10];
};

}  // namespace
}  // namespace terrace::bench

int main(int argc, char** argv) {
  terrace::bench::Arguments arguments(argc, argv);
  terrace::bench::Generator generator{terrace::bench::Options(arguments)};
  generator.Run();
  generator.Print();
  return generator.HadErrors() ? 1 : 0;
}
