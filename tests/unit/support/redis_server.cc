#include "unit/support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/check.h"

namespace terrace::test {
namespace {

constexpr int kConnectAttempts = 500;
constexpr useconds_t kConnectPauseUs = 10'000;

[[noreturn]] void ExecRedis(const std::vector<std::string>& args) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int null = open("/dev/null", O_RDWR);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

// A port of the loopback interface that is free now.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  TERRACE_CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  TERRACE_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

}  // namespace

std::string RedisReply::Print() const {
  if (is_null) return "(nil)";
  if (kind == '$') return '"' + text + '"';
  if (kind != '*') return kind + text;
  std::string line = "[";
  for (const RedisReply& element : elements) {
    if (line.size() > 1) line += ' ';
    line += element.Print();
  }
  return line + ']';
}

std::unique_ptr<RedisServer> RedisServer::Start(const std::vector<std::string>& extra_args) {
  std::string pattern = (std::filesystem::temp_directory_path() / "terrace-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return nullptr;
  std::unique_ptr<RedisServer> server(new RedisServer);
  server->directory_ = pattern;
  server->socket_path_ = pattern + "/redis.sock";
  server->port_ = FreePort();
  server->args_ = {"redis-server",
                   "--port",
                   std::to_string(server->port_),
                   "--bind",
                   "127.0.0.1",
                   "--save",
                   "",
                   "--appendonly",
                   "no",
                   "--unixsocket",
                   server->socket_path_,
                   "--dir",
                   pattern};
  server->args_.insert(server->args_.end(), extra_args.begin(), extra_args.end());
  if (!server->Restart()) return nullptr;
  return server;
}

bool RedisServer::Restart() {
  pid_ = fork();
  if (pid_ == 0) ExecRedis(args_);
  return pid_ > 0 && Connect();
}

void RedisServer::Kill() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  close(fd_);
  fd_ = -1;
  input_.clear();
  input_at_ = 0;
}

void RedisServer::Pause() { kill(pid_, SIGSTOP); }

void RedisServer::Resume() { kill(pid_, SIGCONT); }

RedisServer::~RedisServer() {
  if (fd_ >= 0) close(fd_);
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

bool RedisServer::Connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path_.c_str(), sizeof(address.sun_path) - 1);
  for (int attempt = 0; attempt < kConnectAttempts; ++attempt) {
    fd_ = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return true;
    close(fd_);
    fd_ = -1;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    usleep(kConnectPauseUs);
  }
  return false;
}

RedisReply RedisServer::Call(const std::vector<std::string>& args) {
  std::string request = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) {
    request += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  for (size_t sent = 0; sent < request.size();) {
    const ssize_t written = write(fd_, request.data() + sent, request.size() - sent);
    TERRACE_CHECK(written > 0);
    sent += static_cast<size_t>(written);
  }
  return ReadReply();
}

char RedisServer::ReadByte() {
  if (input_at_ == input_.size()) {
    input_.resize(size_t{1} << 16);
    const ssize_t size = read(fd_, input_.data(), input_.size());
    TERRACE_CHECK(size > 0);
    input_.resize(static_cast<size_t>(size));
    input_at_ = 0;
  }
  return input_[input_at_++];
}

std::string RedisServer::ReadLine() {
  std::string line;
  for (char byte = ReadByte(); byte != '\r'; byte = ReadByte()) line.push_back(byte);
  ReadByte();
  return line;
}

std::string RedisServer::ReadBytes(size_t size) {
  std::string bytes;
  bytes.reserve(size);
  while (bytes.size() < size) bytes.push_back(ReadByte());
  return bytes;
}

RedisReply RedisServer::ReadReply() {
  RedisReply reply;
  reply.kind = ReadByte();
  reply.text = ReadLine();
  if (reply.kind != '$' && reply.kind != '*') return reply;
  const int64_t size = std::stoll(reply.text);
  reply.text.clear();
  reply.is_null = size < 0;
  if (reply.is_null) return reply;
  if (reply.kind == '$') {
    reply.text = ReadBytes(static_cast<size_t>(size));
    ReadBytes(2);
    return reply;
  }
  for (int64_t i = 0; i < size; ++i) reply.elements.push_back(ReadReply());
  return reply;
}

}  // namespace terrace::test
