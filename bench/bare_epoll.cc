// bare_epoll: the bare limit of a RESP server on one thread. It finds the borders of commands,
// since it must know how many replies to send, and answers each with a constant by its number of
// arguments: a value for two (GET key), +OK for all others. No key is looked at.
//
// usage: bench_bare_epoll PORT [VALUE_BYTES]

#include <cstdlib>
#include <string>
#include <string_view>

#include "epoll_server.h"

namespace {

// Reads "<kind><number>\r\n" at position and moves it behind; -1 when it is not all there.
long ReadHeader(std::string_view input, size_t& position) {
  long number = 0;
  for (size_t i = position + 1; i + 1 < input.size(); ++i) {
    if (input[i] == '\r') {
      position = i + 2;
      return number;
    }
    number = number * 10 + (input[i] - '0');
  }
  return -1;
}

// Returns the number of arguments of the command at position and moves it behind, or -1.
long SkipCommand(std::string_view input, size_t& position) {
  size_t at = position;
  if (at >= input.size()) return -1;
  const long argument_count = ReadHeader(input, at);
  for (long i = 0; i < argument_count; ++i) {
    if (at >= input.size()) return -1;
    const long length = ReadHeader(input, at);
    if (length < 0 || at + static_cast<size_t>(length) + 2 > input.size()) return -1;
    at += static_cast<size_t>(length) + 2;
  }
  if (argument_count >= 0) position = at;
  return argument_count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s PORT [VALUE_BYTES]\n", argv[0]);
    return 2;
  }
  const size_t value_bytes = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 64;
  const std::string value =
      "$" + std::to_string(value_bytes) + "\r\n" + std::string(value_bytes, 'x') + "\r\n";
  terrace::bench::EpollServer server(
      std::atoi(argv[1]), [&value](std::string_view input, std::string& output) {
        size_t position = 0;
        for (long count = 0; (count = SkipCommand(input, position)) >= 0;) {
          if (count == 2) {
            output += value;
          } else {
            output += "+OK\r\n";
          }
        }
        return position;
      });
  server.Run();
}
