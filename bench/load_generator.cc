// load_generator: loads one server over many connections, like redis-benchmark: each connection
// sends a batch of requests (the pipeline), waits for all replies, and sends the next. It speaks
// RESP and memcached's text protocol, so that servers of both kinds get the same load.
//
// usage: bench_load_generator --port N [--protocol resp|memcache] [--command get|set]
//          [--connections 50] [--pipeline 1] [--keys 1000000] [--value-bytes 64]
//          [--ttl-seconds 0] [--seconds 2] [--seed 1] [--order random|sequential]
//          [--words "SADD set:{} a | SPOP set:{}"] [--odd-words ...]
//          [--listeners 0] [--listener-words "SUBSCRIBE news"]
// --words: any RESP commands instead of --command, in turn; {} is the number of a key, # that of
// the pair of connections. With --odd-words every other connection sends those: what the two of a
// pair send may wait for one another. Listeners send their words once and swallow what comes.
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
        command(arguments.Text("command", "get")),
        words(arguments.Text("words", "")),
        odd_words(arguments.Text("odd-words", "")),
        is_sequential(arguments.Text("order", "random") == "sequential"),
        connection_count(arguments.Count("connections", 50)),
        listener_count(arguments.Count("listeners", 0)),
        listener_words(arguments.Text("listener-words", "")),
        pipeline(arguments.Count("pipeline", 1)),
        key_count(arguments.Count("keys", 1000000)),
        value_bytes(arguments.Count("value-bytes", 64)),
        ttl_seconds(arguments.Count("ttl-seconds", 0)),
        seed(arguments.Count("seed", 1)),
        seconds(arguments.Number("seconds", 2)) {
    arguments.RejectUnknown();
    if (words.empty()) words = WordsOf(command);
    if (odd_words.empty()) odd_words = words;
  }

  // The words of GET or SET.
  std::string WordsOf(const std::string& name) const {
    if (name == "get") return "GET key:{}";
    const std::string ttl = ttl_seconds > 0 ? " EX " + std::to_string(ttl_seconds) : "";
    return "SET key:{} " + std::string(value_bytes, 'x') + ttl;
  }

  int port;
  bool is_memcache;
  std::string command;
  std::string words;
  std::string odd_words;
  bool is_sequential;
  size_t connection_count;
  size_t listener_count;
  std::string listener_words;
  size_t pipeline;
  size_t key_count;
  size_t value_bytes;
  size_t ttl_seconds;
  uint64_t seed;
  double seconds;
};

constexpr size_t kDigits = 12;  // "key:" and these are the 16 bytes of a key
// Connections that wait for one another are given up this long after the end.
constexpr int64_t kGraceNs = 300'000'000;

// The bytes of some requests, and where in them the numbers of keys go.
struct Batch {
  std::string bytes;
  std::vector<size_t> digits_at;
  std::vector<size_t> ends;  // of each request, for batches that are cut short

  // Appends text with {} replaced by digits.
  void Append(std::string_view text) {
    for (size_t hole; (hole = text.find("{}")) != text.npos; text.remove_prefix(hole + 2)) {
      bytes += text.substr(0, hole);
      digits_at.push_back(bytes.size());
      bytes.append(kDigits, '0');
    }
    bytes += text;
  }
};

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c != separator) {
      parts.back() += c;
    } else if (!parts.back().empty()) {
      parts.emplace_back();
    }
  }
  if (parts.back().empty()) parts.pop_back();
  return parts;
}

void AppendRespRequest(std::string_view command, const std::string& pair, Batch* batch) {
  std::vector<std::string> words = Split(command, ' ');
  batch->bytes += "*" + std::to_string(words.size()) + "\r\n";
  for (std::string& word : words) {
    size_t size = 0;
    for (size_t hole = 0; (hole = word.find('#')) != word.npos;) word.replace(hole, 1, pair);
    for (size_t at = 0; at < word.size(); ++at) {
      const bool is_hole = word.compare(at, 2, "{}") == 0;
      size += is_hole ? kDigits : 1;
      at += is_hole ? 1 : 0;
    }
    batch->Append("$" + std::to_string(size) + "\r\n" + word + "\r\n");
  }
}

void AppendMemcacheRequest(const Options& options, Batch* batch) {
  if (options.command == "get") return batch->Append("get key:{}\r\n");
  batch->Append("set key:{} 0 " + std::to_string(options.ttl_seconds) + " " +
                std::to_string(options.value_bytes) + "\r\n" +
                std::string(options.value_bytes, 'x') + "\r\n");
}

// What a connection sends: its batches, in turn. There are as many as commands, each beginning with
// another one, so that the commands alternate at every depth of pipeline.
std::vector<Batch> BatchesOf(const Options& options, size_t connection) {
  const std::vector<std::string> commands =
      Split(connection % 2 == 0 ? options.words : options.odd_words, '|');
  std::vector<Batch> batches(commands.size());
  for (size_t first = 0; first < commands.size(); ++first) {
    Batch& batch = batches[first];
    for (size_t i = 0; i < options.pipeline; ++i) {
      if (options.is_memcache) {
        AppendMemcacheRequest(options, &batch);
      } else {
        AppendRespRequest(commands[(first + i) % commands.size()], std::to_string(connection / 2),
                          &batch);
      }
      batch.ends.push_back(batch.bytes.size());
    }
  }
  return batches;
}

struct Counts {
  uint64_t answered = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t errors = 0;
  LatencyHistogram latency;
};

class Generator {
 public:
  explicit Generator(const Options& options) : options_(options), rng_(options.seed) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < options_.connection_count; ++i) {
      Connect().batches = BatchesOf(options_, i);
    }
    for (size_t i = 0; i < options_.listener_count; ++i) {
      Batch request;
      AppendRespRequest(options_.listener_words, std::to_string(i), &request);
      Connection& listener = Connect();
      listener.listens = true;
      if (send(listener.fd, request.bytes.data(), request.bytes.size(), MSG_NOSIGNAL) < 0) {
        Die("cannot send");
      }
    }
  }

  void Run() {
    began_ns_ = NowNs();
    deadline_ns_ = began_ns_ + static_cast<int64_t>(options_.seconds * 1e9);
    for (Connection& connection : connections_) {
      if (!connection.listens) SendBatch(connection);
    }
    epoll_event events[256];
    while (busy_ > 0 && (options_.is_sequential || NowNs() < deadline_ns_ + kGraceNs)) {
      const int count = epoll_wait(epoll_, events, 256, 100);
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
        static_cast<unsigned long long>(counts_.answered), seconds,
        static_cast<double>(counts_.answered) / seconds,
        static_cast<unsigned long long>(counts_.hits),
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
    bool listens = false;
    std::vector<Batch> batches;
    size_t next_batch = 0;
    std::string output;  // the part of the batch the socket did not take
    std::string rest;    // the beginning of a reply
  };

  [[noreturn]] static void Die(const char* what) {
    std::fprintf(stderr, "load_generator: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
  }

  Connection& Connect() {
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
    return connections_.back();
  }

  void Watch(int operation, size_t index, uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.u32 = static_cast<uint32_t>(index);
    epoll_ctl(epoll_, operation, connections_[index].fd, &event);
  }

  static void WriteKey(uint64_t key, char* digits) {
    for (size_t i = kDigits; i-- > 0; key /= 10) digits[i] = static_cast<char>('0' + key % 10);
  }

  // Writes the keys into the first requests of a batch.
  void WriteKeys(Batch& batch, size_t size) {
    size_t request = 0;
    for (const size_t at : batch.digits_at) {
      while (request < size && at >= batch.ends[request]) ++request;
      if (request == size) break;
      const uint64_t key =
          options_.is_sequential ? next_key_ + request : rng_.Below(options_.key_count);
      WriteKey(key, &batch.bytes[at]);
    }
    next_key_ += size;
  }

  size_t NextBatchSize(int64_t now_ns) const {
    if (options_.is_sequential) return std::min(options_.pipeline, options_.key_count - next_key_);
    return now_ns < deadline_ns_ ? options_.pipeline : 0;
  }

  void SendBatch(Connection& connection) {
    connection.sent_ns = NowNs();
    const size_t size = NextBatchSize(connection.sent_ns);
    if (size == 0) return;
    Batch& batch = connection.batches[connection.next_batch];
    connection.next_batch = (connection.next_batch + size) % connection.batches.size();
    WriteKeys(batch, size);
    connection.batch_size = connection.awaited = size;
    ++busy_;
    const size_t bytes = batch.ends[size - 1];
    const ssize_t written =
        send(connection.fd, batch.bytes.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN) Die("cannot send");
    const size_t taken = written < 0 ? 0 : static_cast<size_t>(written);
    if (taken < bytes) {
      connection.output.assign(batch.bytes, taken, bytes - taken);
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
    if (connection.listens) return;
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
      ++counts_.answered;
      --connection.awaited;
    }
    return used;
  }

  Options options_;
  base::Rng rng_;
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
