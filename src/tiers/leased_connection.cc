#include "tiers/leased_connection.h"

#include <utility>

#include "resp/command_writer.h"
#include "tiers/regional_wire.h"

namespace terrace::tiers {

LeasedConnection::LeasedConnection(const RegionalOptions* options, runtime::Loop* loop,
                                   const std::string& address, std::string run_id, OnLost on_lost)
    : options_(options),
      loop_(loop),
      run_id_(std::move(run_id)),
      on_lost_(std::move(on_lost)),
      queue_(options, loop,
             [this](Failure failure, const std::string& detail) { Lose(failure, detail); }) {
  connect_timer_ = loop_->After(options_->connect_timeout_ms, [this] {
    connect_timer_ = runtime::kNoTimer;
    Lose(Failure::kUnreachable,
         "no connection within " + std::to_string(options_->connect_timeout_ms) + " ms");
  });
  connection_ = std::make_unique<RegionalConnection>(loop_, this);
  const std::string error = options_->unix_socket.empty()
                                ? connection_->ConnectTcp(address, options_->port)
                                : connection_->ConnectUnix(options_->unix_socket);
  if (!error.empty()) Lose(Failure::kUnreachable, error);
}

LeasedConnection::~LeasedConnection() { loop_->Cancel(connect_timer_); }

void LeasedConnection::Relay(const RelayRequest& request, RelayDone done) {
  if (request.args[0] == "UNWATCH") is_watching_ = false;
  std::string* const out =
      queue_.Add(RegionalOperation(request, std::move(done)), BytesOf(request.args));
  if (out == nullptr) return;
  is_watching_ |= request.args[0] == "WATCH";
  resp::AppendCommand(out, request.args);
}

void LeasedConnection::RelayTransaction(const TransactionRequest& request, RelayDone done) {
  std::string* const out =
      queue_.Add(RegionalOperation(request, std::move(done)), BytesOf(request.commands));
  if (out == nullptr) return;
  is_watching_ = false;
  AppendTransaction(out, request.commands);
}

// ---- From connect to loss ----------------------------------------------------------------------

void LeasedConnection::OnConnected() {
  state_ = State::kHandshake;
  handshake_.emplace(*options_, RegionalHandshake::Identity{}, connection_->output());
  connection_->FlushSoon();
}

LeasedConnection::Next LeasedConnection::OnReply(RegionalReply reply) {
  if (state_ == State::kHandshake) return OnHandshakeReply(reply);
  return queue_.TakeReply(std::move(reply));
}

LeasedConnection::Next LeasedConnection::OnHandshakeReply(const RegionalReply& reply) {
  switch (handshake_->OnReply(reply)) {
    case RegionalHandshake::Step::kMore:
      connection_->FlushSoon();
      return Next::kGoOn;
    case RegionalHandshake::Step::kFailed:
      Lose(Failure::kUnreachable, handshake_->error());
      return Next::kStop;
    case RegionalHandshake::Step::kDone:
      break;
  }
  // Behind one name there may be several servers, or a new one.
  if (!run_id_.empty() && handshake_->identity().run_id != run_id_) {
    Lose(Failure::kUnreachable, "it is not the server that the shared connection leads to");
    return Next::kStop;
  }
  loop_->Cancel(std::exchange(connect_timer_, runtime::kNoTimer));
  state_ = State::kReady;
  identity_ = handshake_->identity();
  handshake_.reset();
  queue_.Start(connection_.get());
  return Next::kGoOn;
}

void LeasedConnection::OnConnectionLost(Failure failure, std::string detail) {
  // What the server said last explains more than that it hung up.
  const bool was_told = state_ == State::kHandshake && !handshake_->error().empty();
  Lose(failure, was_told ? handshake_->error() : detail);
}

void LeasedConnection::Close() { Lose(Failure::kClosing, "it is being closed"); }

void LeasedConnection::Lose(Failure failure, const std::string& detail) {
  if (state_ == State::kLost) return;
  state_ = State::kLost;
  loop_->Cancel(std::exchange(connect_timer_, runtime::kNoTimer));
  connection_.reset();
  on_lost_(*this);
  if (failure == Failure::kClosing) {
    queue_.Close();
  } else {
    queue_.Lose(failure, detail);
  }
  queue_.Despair(detail);
}

}  // namespace terrace::tiers
