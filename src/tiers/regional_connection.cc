#include "tiers/regional_connection.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace terrace::tiers {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
// hiredis moves the rest of its buffer to the front after each consumed kilobyte, so it is fed in
// small portions.
constexpr size_t kFeedBytes = 16 * 1024;
// Reads taken in one event, so that a server that sends without end does not own the loop.
constexpr int kReadsPerEvent = 8;
// A server of Redis's own limits cannot send a bulk larger than 512 MB; a reply of several is
// bounded by this.
constexpr size_t kReplyBytesMax = size_t{2} << 30;
// An output buffer larger than this is given back once it is empty.
constexpr size_t kOutputKeptBytes = 256 * 1024;

constexpr const char* kForeign = "a reply of a type RESP2 does not have";

// A reply on its way through hiredis's reader, filled by the functions below.
struct ReplyInProgress {
  ReplyForm form = ReplyForm::kBare;
  RegionalReply reply;
  const char* fault = nullptr;  // why it cannot be a reply of RESP2
};

ReplyInProgress* InProgress(const redisReadTask* task) {
  return static_cast<ReplyInProgress*>(task->privdata);
}

bool IsBare(const redisReadTask* task) {
  return task->parent == nullptr && InProgress(task)->form == ReplyForm::kBare;
}

void SetType(const redisReadTask* task, RegionalReply::Type type) {
  if (task->parent == nullptr) InProgress(task)->reply.type = type;
}

void* CreateString(const redisReadTask* task, char* bytes, size_t size) {
  ReplyInProgress* in_progress = InProgress(task);
  std::string* out = &in_progress->reply.bytes;
  if (task->type == REDIS_REPLY_STRING) {
    SetType(task, RegionalReply::Type::kBulk);
    if (!IsBare(task)) AppendHead(out, '$', static_cast<int64_t>(size));
  } else if (task->type == REDIS_REPLY_STATUS || task->type == REDIS_REPLY_ERROR) {
    const bool is_error = task->type == REDIS_REPLY_ERROR;
    SetType(task, is_error ? RegionalReply::Type::kError : RegionalReply::Type::kStatus);
    if (!IsBare(task)) out->push_back(is_error ? '-' : '+');
  } else {
    in_progress->fault = kForeign;
  }
  // The reader has the two bytes behind a bulk string and does not look at them.
  if (task->type == REDIS_REPLY_STRING && (bytes[size] != '\r' || bytes[size + 1] != '\n')) {
    in_progress->fault = "a string without its end";
  }
  out->append(bytes, size);
  if (!IsBare(task)) out->append("\r\n", 2);
  return in_progress;
}

// The count's type differs between the versions of hiredis.
template <typename Count>
void* CreateArray(const redisReadTask* task, Count elements) {
  SetType(task, RegionalReply::Type::kArray);
  if (task->type != REDIS_REPLY_ARRAY) InProgress(task)->fault = kForeign;
  AppendHead(&InProgress(task)->reply.bytes, '*', static_cast<int64_t>(elements));
  return InProgress(task);
}

void* CreateInteger(const redisReadTask* task, long long value) {
  SetType(task, RegionalReply::Type::kInteger);
  if (task->parent == nullptr) InProgress(task)->reply.integer = value;
  if (!IsBare(task)) AppendHead(&InProgress(task)->reply.bytes, ':', value);
  return InProgress(task);
}

// The task still says what was being read, so a nil array stays a nil array.
void* CreateNil(const redisReadTask* task) {
  SetType(task, RegionalReply::Type::kNil);
  if (!IsBare(task)) {
    AppendHead(&InProgress(task)->reply.bytes, task->type == REDIS_REPLY_ARRAY ? '*' : '$', -1);
  }
  return InProgress(task);
}

// Replies live in ReplyInProgress; hiredis has nothing to free.
void FreeObject(void*) {}

#if HIREDIS_MAJOR >= 1
void* CreateDouble(const redisReadTask* task, double, char*, size_t) {
  InProgress(task)->fault = kForeign;
  return InProgress(task);
}
void* CreateBool(const redisReadTask* task, int) {
  InProgress(task)->fault = kForeign;
  return InProgress(task);
}
#endif

redisReplyObjectFunctions ReplyFunctions() {
  redisReplyObjectFunctions functions;
  std::memset(&functions, 0, sizeof functions);
  functions.createString = CreateString;
  functions.createArray = CreateArray;
  functions.createInteger = CreateInteger;
  functions.createNil = CreateNil;
  functions.freeObject = FreeObject;
#if HIREDIS_MAJOR >= 1
  functions.createDouble = CreateDouble;
  functions.createBool = CreateBool;
#endif
  return functions;
}

}  // namespace

struct RegionalConnection::Hiredis {
  redisReplyObjectFunctions functions = ReplyFunctions();
  redisContext* context = nullptr;
  ReplyInProgress in_progress;

  ~Hiredis() {
    if (context != nullptr) redisFree(context);
  }
};

RegionalConnection::RegionalConnection(runtime::Loop* loop, RegionalConnectionHandler* handler)
    : loop_(loop), handler_(handler), hiredis_(std::make_unique<Hiredis>()) {}

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
  context->reader->fn = &hiredis_->functions;
  context->reader->privdata = &hiredis_->in_progress;
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
    if (ParseChunk(chunk, static_cast<size_t>(size)) == Parse::kStopped) return;
    if (static_cast<size_t>(size) < sizeof chunk) break;
  }
  in_read_ = false;
  // What the callbacks have asked for need not wait for the end of the turn.
  if (output_sent_ < output_.size()) Flush();
}

RegionalConnection::Parse RegionalConnection::ParseChunk(const char* bytes, size_t size) {
  redisReader* reader = hiredis_->context->reader;
  ReplyInProgress* in_progress = &hiredis_->in_progress;
  for (size_t fed = 0; fed < size; fed += kFeedBytes) {
    int status = redisReaderFeed(reader, bytes + fed, std::min(kFeedBytes, size - fed));
    while (status == REDIS_OK) {
      in_progress->form = handler_->NextReplyForm();
      void* complete = nullptr;
      status = redisReaderGetReply(reader, &complete);
      if (status != REDIS_OK || complete == nullptr) break;
      RegionalReply reply = std::exchange(in_progress->reply, {});
      if (in_progress->fault != nullptr) {
        Lose(Failure::kProtocol, in_progress->fault);
        return Parse::kStopped;
      }
      if (handler_->OnReply(std::move(reply)) == RegionalConnectionHandler::Next::kStop) {
        return Parse::kStopped;
      }
    }
    if (status != REDIS_OK) {
      Lose(Failure::kProtocol, std::string("bad reply: ") + reader->errstr);
      return Parse::kStopped;
    }
    if (reader->len - reader->pos + in_progress->reply.bytes.size() > kReplyBytesMax) {
      Lose(Failure::kProtocol, "a reply without end");
      return Parse::kStopped;
    }
  }
  return Parse::kNeedsMore;
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
