#include "tiers/migration_target.h"

#include <utility>

#include "resp/command_writer.h"
#include "tiers/regional_address.h"
#include "tiers/regional_wire.h"

namespace terrace::tiers {
namespace {

using End = MigrationAnswer::End;

// No database has this index.
constexpr int64_t kUnknownDatabase = INT64_MIN;

}  // namespace

MigrationTarget::MigrationTarget(runtime::Loop* loop, std::string host, int port)
    : loop_(loop), host_(std::move(host)), port_(port), selected_(kUnknownDatabase) {}

MigrationTarget::~MigrationTarget() { loop_->Cancel(timer_); }

void MigrationTarget::Send(std::shared_ptr<const MigrationBatch> batch, Done done) {
  batch_ = std::move(batch);
  done_ = std::move(done);
  answer_ = {};
  SetTimer();
  state_ == State::kNew ? Connect() : Greet();
}

// ---- From connect to the last reply ------------------------------------------------------------

void MigrationTarget::Connect() {
  state_ = State::kConnecting;
  if (IsNumericAddress(host_)) {
    addresses_ = {host_};
    return ConnectNext();
  }
  // A resolver that hangs keeps its helper thread; who waits for it gives up in time.
  auto resolved = std::make_shared<ResolvedHost>();
  loop_->Offload([resolved, host = host_] { *resolved = ResolveHost(host); },
                 [this, resolved, alive = std::weak_ptr<bool>(alive_)] {
                   if (alive.expired() || state_ != State::kConnecting) return;
                   addresses_.assign(resolved->addresses.begin(), resolved->addresses.end());
                   ConnectNext();
                 });
}

void MigrationTarget::ConnectNext() {
  while (!addresses_.empty()) {
    const std::string address = std::move(addresses_.front());
    addresses_.pop_front();
    connection_ = std::make_unique<RegionalConnection>(loop_, this);
    if (connection_->ConnectTcp(address, port_).empty()) return;
  }
  Lose(End::kNotConnected);
}

void MigrationTarget::OnConnected() {
  state_ = State::kReady;
  SetTimer();
  Greet();
}

void MigrationTarget::Greet() {
  if (!batch_->login.empty()) {
    std::vector<std::string> auth = {"AUTH"};
    auth.insert(auth.end(), batch_->login.begin(), batch_->login.end());
    resp::AppendCommand(connection_->output(), auth);
    ++greetings_awaited_;
  }
  if (selected_ != batch_->database) {
    selected_ = kUnknownDatabase;
    resp::AppendCommand(connection_->output(), {"SELECT", std::to_string(batch_->database)});
    ++greetings_awaited_;
  }
  if (greetings_awaited_ == 0) return SendRestores();
  connection_->FlushSoon();
}

void MigrationTarget::SendRestores() {
  selected_ = batch_->database;
  restores_awaited_ = batch_->restore_count;
  connection_->output()->append(batch_->restores);
  SetTimer();  // from now on it counts what is left of this
  connection_->FlushSoon();
}

MigrationTarget::Next MigrationTarget::OnReply(RegionalReply reply) {
  if (greetings_awaited_ + restores_awaited_ == 0) {
    // It says what nobody has asked: nothing that comes behind it would be an answer.
    Lose(End::kReadFailed);
    return Next::kStop;
  }
  const bool is_error = reply.type == RegionalReply::Type::kError;
  if (is_error && answer_.error.empty()) answer_.error = std::move(reply.bytes);
  SetTimer();
  if (greetings_awaited_ > 0) {
    answer_.is_refused |= is_error;
    if (--greetings_awaited_ > 0) return Next::kGoOn;
    answer_.is_refused ? Finish(End::kAnswered) : SendRestores();
    return Next::kGoOn;
  }
  answer_.restored.push_back(!is_error);
  if (--restores_awaited_ == 0) Finish(End::kAnswered);
  return Next::kGoOn;
}

// ---- What goes wrong ---------------------------------------------------------------------------

void MigrationTarget::OnConnectionLost(Failure, std::string) {
  if (state_ == State::kConnecting && !addresses_.empty()) return ConnectNext();
  // Redis finds a refused connection when it writes, and says so.
  const bool writes = state_ == State::kConnecting || connection_->unsent_bytes() > 0;
  Lose(writes ? End::kWriteFailed : End::kReadFailed);
}

void MigrationTarget::SetTimer() {
  loop_->Cancel(timer_);
  unsent_at_timer_ = connection_ != nullptr ? connection_->unsent_bytes() : 0;
  timer_ = loop_->After(batch_->timeout_ms, [this] {
    timer_ = runtime::kNoTimer;
    OnTimeout();
  });
}

void MigrationTarget::OnTimeout() {
  const size_t unsent = connection_ != nullptr ? connection_->unsent_bytes() : 0;
  // What is large may take longer, as long as it moves.
  if (state_ == State::kReady && unsent < unsent_at_timer_) return SetTimer();
  answer_.timed_out = true;
  if (state_ != State::kReady) return Lose(End::kNotConnected);
  Lose(unsent > 0 ? End::kWriteFailed : End::kReadFailed);
}

void MigrationTarget::Lose(End end) {
  state_ = State::kLost;
  addresses_.clear();
  connection_.reset();
  if (batch_ != nullptr) Finish(end);
}

void MigrationTarget::Finish(End end) {
  loop_->Cancel(std::exchange(timer_, runtime::kNoTimer));
  batch_.reset();
  greetings_awaited_ = 0;
  restores_awaited_ = 0;
  answer_.end = end;
  loop_->Post([done = std::exchange(done_, nullptr),
               answer = std::exchange(answer_, {})]() mutable { done(std::move(answer)); });
}

}  // namespace terrace::tiers
