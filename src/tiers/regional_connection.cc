#include "tiers/regional_connection.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <cstring>
#include <utility>

namespace terrace::tiers {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
// Reads taken in one event, so that a server that sends without end does not own the loop.
constexpr int kReadsPerEvent = 8;
// A server of Redis's own limits cannot send a bulk larger than 512 MB; a reply of several is
// bounded by this.
constexpr size_t kReplyBytesMax = size_t{2} << 30;
// An output buffer larger than this is given back once it is empty.
constexpr size_t kOutputKeptBytes = 256 * 1024;

}  // namespace

struct RegionalConnection::Hiredis {
  redisContext* context = nullptr;

  ~Hiredis() {
    if (context != nullptr) redisFree(context);
  }
};

RegionalConnection::RegionalConnection(runtime::Loop* loop, RegionalConnectionHandler* handler)
    : loop_(loop),
      handler_(handler),
      hiredis_(std::make_unique<Hiredis>()),
      reader_(kReplyBytesMax) {}

RegionalConnection::~RegionalConnection() {
  loop_->Cancel(flush_timer_);
  watcher_.reset();  // before the descriptor is closed
}

std::string RegionalConnection::ConnectTcp(const std::string& numeric_host, int port) {
  hiredis_->context = redisConnectNonBlock(numeric_host.c_str(), port);
  return Watch();
}

std::string RegionalConnection::ConnectUnix(const std::string& path) {
  hiredis_->context = redisConnectUnixNonBlock(path.c_str());
  return Watch();
}

std::string RegionalConnection::Watch() {
  redisContext* context = hiredis_->context;
  if (context == nullptr) return "out of memory";
  if (context->err != 0) return context->errstr;
  watcher_ = loop_->Watch(context->fd, [this](int events) { OnEvents(events); });
  watcher_->SetEvents(runtime::kWritable);
  return {};
}

void RegionalConnection::OnEvents(int events) {
  if (!connected_) {
    FinishConnect();
    return;
  }
  // A read may lose the connection and with it this object, so only one of the two is done now;
  // readiness is level triggered and the other comes back.
  if (events & runtime::kReadable) {
    ReadSome();
  } else if (events & runtime::kWritable) {
    Flush();
  }
}

void RegionalConnection::FinishConnect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(hiredis_->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) {
    Lose(Failure::kUnreachable, std::string("connect: ") + std::strerror(error));
    return;
  }
  connected_ = true;
  // An idle connection whose peer has vanished is found by the kernel's probes.
  if (hiredis_->context->connection_type == REDIS_CONN_TCP) {
    redisEnableKeepAlive(hiredis_->context);
  }
  watcher_->SetEvents(runtime::kReadable);
  handler_->OnConnected();
}

void RegionalConnection::ReadSome() {
  char chunk[kReadBytes];
  in_read_ = true;
  for (int reads = 0; reads < kReadsPerEvent; ++reads) {
    const ssize_t size = recv(hiredis_->context->fd, chunk, sizeof chunk, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (size < 0) {
      Lose(Failure::kUnreachable, std::string("read: ") + std::strerror(errno));
      return;
    }
    if (size == 0) {
      Lose(Failure::kUnreachable, "the server closed the connection");
      return;
    }
    received_us_ = loop_->clock().MonoUs();
    if (ParseChunk({chunk, static_cast<size_t>(size)}) == Parse::kStopped) return;
    if (static_cast<size_t>(size) < sizeof chunk) break;
  }
  in_read_ = false;
  // What the callbacks have asked for need not wait for the end of the turn.
  if (output_sent_ < output_.size()) Flush();
}

RegionalConnection::Parse RegionalConnection::ParseChunk(std::string_view bytes) {
  reader_.Feed(bytes);
  while (true) {
    RegionalReply reply;
    switch (reader_.Next(handler_->NextReplyForm(), &reply)) {
      case ReplyReader::Status::kIncomplete:
        return Parse::kNeedsMore;
      case ReplyReader::Status::kError:
        Lose(Failure::kProtocol, "bad reply: " + reader_.error());
        return Parse::kStopped;
      case ReplyReader::Status::kComplete:
        break;
    }
    if (handler_->OnReply(std::move(reply)) == RegionalConnectionHandler::Next::kStop) {
      return Parse::kStopped;
    }
  }
}

void RegionalConnection::FlushSoon() {
  if (in_read_ || flush_timer_ != runtime::kNoTimer) return;
  // A timer of no delay fires after the callbacks of this turn and needs no system call, which a
  // posted task does.
  flush_timer_ = loop_->After(0, [this] {
    flush_timer_ = runtime::kNoTimer;
    Flush();
  });
}

void RegionalConnection::Flush() {
  while (output_sent_ < output_.size()) {
    const ssize_t size = send(hiredis_->context->fd, output_.data() + output_sent_,
                              output_.size() - output_sent_, MSG_NOSIGNAL);
    if (size >= 0) {
      output_sent_ += static_cast<size_t>(size);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      watcher_->SetEvents(runtime::kReadable | runtime::kWritable);
      return;
    }
    // Replies that came before the connection broke are still worth reading: the reader finds the
    // end of it behind them.
    break;
  }
  // Assigning an empty string would keep the memory.
  if (output_.capacity() > kOutputKeptBytes) std::string().swap(output_);
  output_.clear();
  output_sent_ = 0;
  watcher_->SetEvents(runtime::kReadable);
}

void RegionalConnection::Lose(Failure failure, std::string detail) {
  watcher_.reset();
  handler_->OnConnectionLost(failure, std::move(detail));
}

}  // namespace terrace::tiers
