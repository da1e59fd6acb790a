#pragma once

// RedisServer: a real redis-server for the length of a test, to compare with or to depend on. It
// listens on a unix socket in a directory of its own and on a loopback port, keeps nothing unless
// told to, and dies with the test.
//
// Errors: Start gives nullptr when there is no redis-server on this machine; such tests skip.
//         Call aborts the test program when the connection breaks.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace terrace::test {

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
  int port() const { return port_; }

  // Kills it as a crash would, with what Call's connection had under way.
  void Kill();
  // Starts it again where it was, with the same arguments. False when it does not come up.
  [[nodiscard]] bool Restart();
  // Makes it hang with all its connections open, and go on. REQUIRES: no Call in between.
  void Pause();
  void Resume();

 private:
  RedisServer() = default;
  bool Connect();
  char ReadByte();
  std::string ReadLine();
  std::string ReadBytes(size_t size);
  RedisReply ReadReply();

  std::string directory_;
  std::string socket_path_;
  int port_ = 0;
  std::vector<std::string> args_;
  pid_t pid_ = -1;
  int fd_ = -1;
  std::string input_;
  size_t input_at_ = 0;
};

}  // namespace terrace::test
