// http_origin: an HTTP origin that costs little, for replays. GET /ANYTHING/SIZE answers SIZE
// bytes, at least 20 and at most a cap, which begin with the time of the answer: 20 digits,
// nanoseconds on the monotonic clock of the machine. A client on the same machine that finds a time
// after its own request knows that the origin answered it, and not a cache. GET /stats counts those
// requests.
//
// usage: bench_http_origin [--port 0] [--value-bytes-min 20] [--value-bytes-max 65536]
// It prints its port.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "arguments.h"
#include "epoll_server.h"

namespace terrace::bench {
namespace {

constexpr size_t kStampDigits = 20;

class Origin {
 public:
  Origin(size_t value_bytes_min, size_t value_bytes_max)
      : value_bytes_min_(std::max(kStampDigits, value_bytes_min)),
        value_bytes_max_(std::max(value_bytes_min_, value_bytes_max)) {}

  // Answers all whole requests at the front of input, see EpollServer::Handler.
  size_t Handle(std::string_view input, std::string& output) {
    size_t used = 0;
    while (true) {
      const std::string_view left = input.substr(used);
      const size_t end = left.find("\r\n\r\n");
      if (end == std::string_view::npos) return used;
      const std::string_view line = left.substr(0, left.find("\r\n"));
      if (line.substr(0, 5) != "GET /") return EpollServer::kClose;
      Answer(line.substr(4, line.rfind(' ') - 4), output);
      used += end + 4;
    }
  }

 private:
  void Answer(std::string_view path, std::string& output) {
    if (path == "/stats") {
      Append(output, "{\"requests\": " + std::to_string(request_count_) + "}");
      return;
    }
    ++request_count_;
    const std::string size(path.substr(path.rfind('/') + 1));
    const size_t value_bytes =
        std::clamp(static_cast<size_t>(std::strtoul(size.c_str(), nullptr, 10)), value_bytes_min_,
                   value_bytes_max_);
    char stamp[kStampDigits + 1];
    std::snprintf(stamp, sizeof(stamp), "%020lld",
                  static_cast<long long>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                             std::chrono::steady_clock::now().time_since_epoch())
                                             .count()));
    std::string value(stamp, kStampDigits);
    value.resize(value_bytes, 'x');
    Append(output, value);
  }

  static void Append(std::string& output, const std::string& body) {
    output += "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    output += body;
  }

  size_t value_bytes_min_;
  size_t value_bytes_max_;
  unsigned long request_count_ = 0;
};

}  // namespace
}  // namespace terrace::bench

int main(int argc, char** argv) {
  using terrace::bench::EpollServer;
  terrace::bench::Arguments arguments(argc, argv);
  const int port = static_cast<int>(arguments.Number("port", 0));
  const size_t value_bytes_min = arguments.Count("value-bytes-min", 0);
  terrace::bench::Origin origin(value_bytes_min, arguments.Count("value-bytes-max", 65536));
  arguments.RejectUnknown();
  EpollServer server(port, [&origin](std::string_view input, std::string& output) {
    return origin.Handle(input, output);
  });
  std::printf("http_origin: listening on port %d\n", server.port());
  std::fflush(stdout);
  server.Run();
}
