#pragma once

// RedisServer: a real redis-server for the length of a test, to compare with. It listens on a unix
// socket in a directory of its own, keeps nothing, and dies with the test.
//
// Errors: Start gives nullptr when there is no redis-server on this machine; such tests skip.
//         Call aborts the test program when the connection breaks.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace terrace::testing {

struct RedisReply {
  char kind = '$';  // the first byte of the RESP2 reply
  bool is_null = false;
  std::string text;  // of '+', '-', ':' and '$'
  std::vector<RedisReply> elements;

  // One line, for comparing and printing: strings quoted, arrays bracketed.
  std::string Print() const;
};

class RedisServer {
 public:
  static std::unique_ptr<RedisServer> Start(const std::vector<std::string>& extra_args = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  RedisReply Call(const std::vector<std::string>& args);
  const std::string& socket_path() const { return socket_path_; }

 private:
  RedisServer() = default;
  bool Connect();
  char ReadByte();
  std::string ReadLine();
  std::string ReadBytes(size_t size);
  RedisReply ReadReply();

  std::string directory_;
  std::string socket_path_;
  pid_t pid_ = -1;
  int fd_ = -1;
  std::string input_;
  size_t input_at_ = 0;
};

}  // namespace terrace::testing
