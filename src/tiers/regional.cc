#include "tiers/regional.h"

#include <algorithm>
#include <deque>
#include <iterator>
#include <limits>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "runtime/loop.h"
#include "tiers/regional_address.h"
#include "tiers/regional_connection.h"
#include "tiers/regional_handshake.h"
#include "tiers/regional_operation.h"
#include "tiers/regional_wire.h"

namespace terrace::tiers {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// A connection lost sooner than this counts as a failed attempt: the delay keeps growing.
constexpr int64_t kWellMs = 1000;

// The life of the connection, from top to bottom, and round again:
//
//   kDown        waits for the next attempt (backoff)
//   kResolving   a helper thread asks for the addresses of the host's name
//   kConnecting  one address after the other
//   kHandshake   see regional_handshake.h
//   kReady       commands flow
//   kClosed      for good
//
// Two queues: sent_ holds what the server owes replies for, in the order of the replies; waiting_
// what has not been sent: no connection yet, or the database has to be selected first.
class RegionalClient final : public RegionalTier, public RegionalConnectionHandler {
 public:
  RegionalClient(RegionalOptions options, runtime::Loop* loop, uint64_t seed)
      : options_(std::move(options)), loop_(loop), rng_(seed) {
    StartAttempt();
  }

  ~RegionalClient() override {
    loop_->Cancel(attempt_timer_);
    loop_->Cancel(deadline_timer_);
  }

  std::string_view name() const override { return options_.name; }
  void Get(GetRequest request, GetDone done) override;
  void Put(PutRequest request, PutDone done) override;
  void Invalidate(int database, std::string key, int64_t deadline_us, PutDone done) override;
  void Relay(RelayRequest request, RelayDone done) override;
  uint64_t generation() const override { return generation_; }
  void OnNewGeneration(base::Function<void(uint64_t)> callback) override {
    on_new_generation_.push_back(std::move(callback));
  }
  Health health() const override;
  void Close(base::Task done) override;

 private:
  enum class State : uint8_t { kDown, kResolving, kConnecting, kHandshake, kReady, kClosed };

  // Connection, in the order of its life.
  void StartAttempt();
  void Resolve();
  void ConnectNext();
  void OnConnected() override;
  Next OnHandshakeReply(const RegionalReply& reply);
  void BecomeReady();
  void OnConnectionLost(Failure failure, std::string detail) override;
  void AttemptFailed(std::string detail);
  void RetryLater();
  void ConnectionFailed(Failure failure, std::string detail);

  // Queue.
  template <typename Encode>
  void Enqueue(RegionalOperation operation, size_t payload_bytes, Encode encode);
  void FailSoon(RegionalOperation operation, Failure failure, std::string detail);
  bool CanSend(const RegionalOperation& operation);
  void SendWaiting();
  void RefuseWaiting(int database, const std::string& detail);
  ReplyForm NextReplyForm() const override;
  Next OnReply(RegionalReply reply) override;
  Next OnSelectReply(const RegionalReply& reply, int database);
  void FailAll(std::deque<RegionalOperation>* operations, Failure failure,
               const std::string& detail);

  // Deadlines.
  void ArmDeadline(int64_t wake_us, int64_t now_us);
  void OnDeadlineTimer();
  void Expire(int64_t now_us);
  int64_t StallUs() const;

  const RegionalOptions options_;
  runtime::Loop* const loop_;
  base::Rng rng_;

  State state_ = State::kDown;
  std::unique_ptr<RegionalConnection> connection_;
  std::optional<RegionalHandshake> handshake_;
  runtime::TimerId attempt_timer_ = runtime::kNoTimer;  // an attempt's limit, or the next one
  std::deque<std::string> addresses_;                   // of this attempt, not yet tried
  bool resolver_busy_ = false;
  int failures_ = 0;      // attempts in a row without a connection that lasted
  int64_t ready_us_ = 0;  // when the connection became ready
  std::string last_error_;
  std::string note_;                      // what the connection cannot guarantee
  RegionalHandshake::Identity identity_;  // of the last connection that carried commands
  uint64_t generation_ = 0;
  std::vector<base::Function<void(uint64_t)>> on_new_generation_;

  std::deque<RegionalOperation> sent_;
  std::deque<RegionalOperation> waiting_;
  size_t queued_bytes_ = 0;             // of both
  int database_ = 0;                    // that the server will be in behind all we have sent
  std::optional<int> selecting_;        // tried for the first time: nothing is sent behind it
  std::unordered_set<int> selectable_;  // proved on this connection

  runtime::TimerId deadline_timer_ = runtime::kNoTimer;
  int64_t deadline_timer_us_ = kNever;

  // Gone with this object: whoever holds a weak pointer to it knows whether we still are.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// ---- connection ---------------------------------------------------------------------------------

void RegionalClient::StartAttempt() {
  attempt_timer_ = loop_->After(options_.connect_timeout_ms, [this] {
    attempt_timer_ = runtime::kNoTimer;
    const std::string_view doing = state_ == State::kResolving    ? "no answer of the resolver"
                                   : state_ == State::kConnecting ? "no connection"
                                                                  : "no answer to the handshake";
    connection_.reset();
    AttemptFailed(std::string(doing) + " within " + std::to_string(options_.connect_timeout_ms) +
                  " ms");
  });
  addresses_.clear();
  if (!options_.unix_socket.empty() || IsNumericAddress(options_.host)) {
    addresses_.push_back(options_.host);
    ConnectNext();
  } else {
    Resolve();
  }
}

void RegionalClient::Resolve() {
  state_ = State::kResolving;
  // A resolver that hangs occupies one helper thread, however many attempts pass meanwhile.
  if (resolver_busy_) return;
  resolver_busy_ = true;
  auto resolved = std::make_shared<ResolvedHost>();
  loop_->Offload([resolved, host = options_.host] { *resolved = ResolveHost(host); },
                 [this, resolved, alive = std::weak_ptr<bool>(alive_)] {
                   if (alive.expired()) return;
                   resolver_busy_ = false;
                   if (state_ != State::kResolving) return;
                   if (resolved->addresses.empty()) {
                     AttemptFailed("cannot resolve " + options_.host + ": " + resolved->error);
                     return;
                   }
                   addresses_.assign(resolved->addresses.begin(), resolved->addresses.end());
                   // An address that swallows whole attempts must not hide the others for ever.
                   const auto first = static_cast<size_t>(failures_) % addresses_.size();
                   std::rotate(addresses_.begin(), addresses_.begin() + static_cast<long>(first),
                               addresses_.end());
                   ConnectNext();
                 });
}

void RegionalClient::ConnectNext() {
  state_ = State::kConnecting;
  std::string error;
  while (!addresses_.empty()) {
    const std::string address = std::move(addresses_.front());
    addresses_.pop_front();
    connection_ = std::make_unique<RegionalConnection>(loop_, this);
    error = options_.unix_socket.empty() ? connection_->ConnectTcp(address, options_.port)
                                         : connection_->ConnectUnix(options_.unix_socket);
    if (error.empty()) return;
  }
  connection_.reset();
  AttemptFailed(std::move(error));
}

void RegionalClient::OnConnected() {
  state_ = State::kHandshake;
  handshake_.emplace(options_, identity_, connection_->output());
  connection_->FlushSoon();
}

RegionalClient::Next RegionalClient::OnHandshakeReply(const RegionalReply& reply) {
  switch (handshake_->OnReply(reply)) {
    case RegionalHandshake::Step::kMore:
      connection_->FlushSoon();
      return Next::kGoOn;
    case RegionalHandshake::Step::kDone:
      BecomeReady();
      return Next::kGoOn;
    case RegionalHandshake::Step::kFailed:
      connection_.reset();
      AttemptFailed(handshake_->error());
      return Next::kStop;
  }
  return Next::kGoOn;
}

void RegionalClient::BecomeReady() {
  loop_->Cancel(attempt_timer_);
  state_ = State::kReady;
  ready_us_ = loop_->clock().MonoUs();
  identity_ = handshake_->identity();
  note_ = handshake_->note();
  handshake_.reset();
  database_ = 0;
  selecting_.reset();
  selectable_ = {0};
  ++generation_;
  for (auto& callback : on_new_generation_) callback(generation_);
  SendWaiting();
}

void RegionalClient::OnConnectionLost(Failure failure, std::string detail) {
  connection_.reset();
  if (state_ == State::kReady) {
    ConnectionFailed(failure, std::move(detail));
    return;
  }
  if (state_ == State::kConnecting && !addresses_.empty()) {
    ConnectNext();
    return;
  }
  // What the server said last explains more than that it hung up.
  if (state_ == State::kHandshake && !handshake_->error().empty()) detail = handshake_->error();
  AttemptFailed(std::move(detail));
}

void RegionalClient::AttemptFailed(std::string detail) {
  ++failures_;
  last_error_ = std::move(detail);
  RetryLater();
  FailAll(&waiting_, Failure::kUnreachable, last_error_);
}

void RegionalClient::RetryLater() {
  state_ = State::kDown;
  handshake_.reset();
  loop_->Cancel(attempt_timer_);
  // After a connection that served well the first attempt comes within the least delay.
  int64_t delay_ms = options_.reconnect_delay_min_ms;
  for (int i = 1; i < failures_ && delay_ms < options_.reconnect_delay_max_ms; ++i) delay_ms *= 2;
  delay_ms = std::min(delay_ms, options_.reconnect_delay_max_ms);
  const double jitter = failures_ == 0 ? rng_.Unit() : 0.5 + rng_.Unit() / 2;
  attempt_timer_ =
      loop_->After(static_cast<int64_t>(static_cast<double>(delay_ms) * jitter), [this] {
        attempt_timer_ = runtime::kNoTimer;
        StartAttempt();
      });
}

// A connection that was ready has failed. What was sent is lost with it; what waits may hope for
// the next one, once.
void RegionalClient::ConnectionFailed(Failure failure, std::string detail) {
  connection_.reset();
  const bool was_well = loop_->clock().MonoUs() - ready_us_ >= kWellMs * 1000;
  failures_ = was_well ? 0 : failures_ + 1;
  last_error_ = std::move(detail);
  RetryLater();
  std::deque<RegionalOperation> lost = std::exchange(sent_, {});
  std::deque<RegionalOperation> hopeless;
  if (failures_ > 0) hopeless.swap(waiting_);
  const std::string reason = last_error_;
  // Only the reply that was due can have been the senseless one.
  if (!lost.empty()) {
    queued_bytes_ -= lost.front().wire_bytes;
    lost.front().Fail(failure, reason);
    lost.pop_front();
  }
  FailAll(&lost, Failure::kUnreachable, reason);
  FailAll(&hopeless, Failure::kUnreachable, reason);
}

// ---- queue --------------------------------------------------------------------------------------

template <typename Encode>
void RegionalClient::Enqueue(RegionalOperation operation, size_t payload_bytes, Encode encode) {
  const int64_t now_us = loop_->clock().MonoUs();
  if (operation.deadline_us() <= now_us) {
    FailSoon(std::move(operation), Failure::kTimeout, "the deadline has passed; nothing was sent");
  } else if (state_ != State::kReady && failures_ > 0) {
    FailSoon(std::move(operation), Failure::kUnreachable, last_error_);
  } else if (sent_.size() + waiting_.size() >= options_.in_flight_max) {
    FailSoon(std::move(operation), Failure::kOverloaded, "in_flight_max is reached");
  } else if (payload_bytes > options_.queue_bytes_max - queued_bytes_) {
    FailSoon(std::move(operation), Failure::kOverloaded, "queue_bytes_max is reached");
  } else {
    operation.wire_bytes = payload_bytes;
    queued_bytes_ += payload_bytes;
    ArmDeadline(operation.deadline_us(), now_us);
    if (waiting_.empty() && CanSend(operation)) {
      encode(connection_->output());
      operation.sent_us = now_us;
      sent_.push_back(std::move(operation));
      connection_->FlushSoon();
    } else {
      encode(&operation.wire);
      waiting_.push_back(std::move(operation));
    }
  }
}

void RegionalClient::FailSoon(RegionalOperation operation, Failure failure, std::string detail) {
  loop_->Post([operation = std::move(operation), failure, detail = std::move(detail)]() mutable {
    operation.Fail(failure, std::move(detail));
  });
}

// May this be sent behind what has been sent? Selects its database when need be. A database that is
// selected for the first time on this connection holds everything back until the server has agreed:
// what is sent behind a refused SELECT would run in the wrong database.
bool RegionalClient::CanSend(const RegionalOperation& operation) {
  if (state_ != State::kReady || selecting_) return false;
  const int database = operation.database();
  if (database == database_) return true;
  AppendCommand(connection_->output(), {"SELECT", std::to_string(database)});
  connection_->FlushSoon();
  sent_.emplace_back(database, operation.deadline_us());
  if (!selectable_.contains(database)) {
    selecting_ = database;
    return false;
  }
  database_ = database;
  return true;
}

void RegionalClient::SendWaiting() {
  if (waiting_.empty()) return;
  const int64_t now_us = loop_->clock().MonoUs();
  while (!waiting_.empty()) {
    const bool expired = waiting_.front().deadline_us() <= now_us;
    if (!expired && !CanSend(waiting_.front())) break;
    RegionalOperation operation = std::move(waiting_.front());
    waiting_.pop_front();
    if (expired) {
      queued_bytes_ -= operation.wire_bytes;
      operation.Fail(Failure::kTimeout, "waited for the connection; nothing was sent");
      continue;
    }
    connection_->output()->append(operation.wire);
    operation.wire = {};
    operation.sent_us = now_us;
    sent_.push_back(std::move(operation));
  }
  connection_->FlushSoon();
}

// Refuses what waits at the front for a database the server does not let us into.
void RegionalClient::RefuseWaiting(int database, const std::string& detail) {
  const auto other = std::find_if(
      waiting_.begin(), waiting_.end(),
      [database](const RegionalOperation& operation) { return operation.database() != database; });
  std::deque<RegionalOperation> refused(std::make_move_iterator(waiting_.begin()),
                                        std::make_move_iterator(other));
  waiting_.erase(waiting_.begin(), other);
  FailAll(&refused, Failure::kRefused, detail);
}

ReplyForm RegionalClient::NextReplyForm() const {
  return sent_.empty() ? ReplyForm::kBare : sent_.front().reply_form();
}

RegionalClient::Next RegionalClient::OnReply(RegionalReply reply) {
  if (state_ == State::kHandshake) return OnHandshakeReply(reply);
  if (sent_.empty()) {
    ConnectionFailed(Failure::kProtocol, "a reply that nobody had asked for");
    return Next::kStop;
  }
  RegionalOperation& front = sent_.front();
  if (front.is_select()) {
    const int database = front.database();
    sent_.pop_front();
    return OnSelectReply(reply, database);
  }
  // The operation leaves the queue before its caller is told, who may ask for more at once.
  if (front.replies_left() > 1) {
    front.TakeReply(std::move(reply), 0);
    return Next::kGoOn;
  }
  RegionalOperation operation = std::move(front);
  sent_.pop_front();
  queued_bytes_ -= operation.wire_bytes;
  operation.TakeReply(std::move(reply), connection_->received_us());
  return Next::kGoOn;
}

RegionalClient::Next RegionalClient::OnSelectReply(const RegionalReply& reply, int database) {
  if (selecting_ != database) {
    if (reply.type == RegionalReply::Type::kStatus) return Next::kGoOn;
    ConnectionFailed(Failure::kRefused, "SELECT " + std::to_string(database) +
                                            " is refused all of a sudden: " + reply.bytes);
    return Next::kStop;
  }
  selecting_.reset();
  if (reply.type == RegionalReply::Type::kStatus) {
    selectable_.insert(database);
    database_ = database;
  } else {
    RefuseWaiting(database, reply.bytes);
  }
  SendWaiting();
  return Next::kGoOn;
}

void RegionalClient::FailAll(std::deque<RegionalOperation>* operations, Failure failure,
                             const std::string& detail) {
  // Their callers may ask for more at once, which must not end up among the failed.
  std::deque<RegionalOperation> failed = std::exchange(*operations, {});
  for (const RegionalOperation& operation : failed) queued_bytes_ -= operation.wire_bytes;
  const std::string reason = detail;
  for (RegionalOperation& operation : failed) operation.Fail(failure, reason);
}

// ---- deadlines ----------------------------------------------------------------------------------

// One timer for all, set for the earliest deadline known. Most requests are answered long before
// theirs, so it is not moved when one leaves: when it fires too early it finds the next one by
// looking through the queues, about once per typical deadline.
void RegionalClient::ArmDeadline(int64_t wake_us, int64_t now_us) {
  if (wake_us >= deadline_timer_us_) return;
  loop_->Cancel(deadline_timer_);
  deadline_timer_us_ = wake_us;
  deadline_timer_ = loop_->After((wake_us - now_us) / 1000, [this] { OnDeadlineTimer(); });
}

void RegionalClient::OnDeadlineTimer() {
  deadline_timer_ = runtime::kNoTimer;
  deadline_timer_us_ = kNever;
  const int64_t now_us = loop_->clock().MonoUs();
  Expire(now_us);
  if (!sent_.empty() && StallUs() - now_us < 1000) {
    ConnectionFailed(Failure::kUnreachable,
                     "no answer for " + std::to_string(options_.stall_grace_ms) + " ms");
  }
  int64_t wake_us = sent_.empty() ? kNever : StallUs();
  for (const auto* queue : {&sent_, &waiting_}) {
    for (const RegionalOperation& operation : *queue) {
      if (!operation.answered()) wake_us = std::min(wake_us, operation.deadline_us());
    }
  }
  if (wake_us != kNever) ArmDeadline(wake_us, now_us);
}

// Timers count in milliseconds; what would end within the next one ends now rather than late.
void RegionalClient::Expire(int64_t now_us) {
  const auto is_due = [now_us](const RegionalOperation& operation) {
    return operation.deadline_us() - now_us < 1000 && !operation.answered();
  };
  // Those sent keep their places, for the replies that may still come.
  const size_t sent_count = sent_.size();
  const auto first_due =
      std::stable_partition(waiting_.begin(), waiting_.end(),
                            [&](const RegionalOperation& operation) { return !is_due(operation); });
  std::deque<RegionalOperation> never_sent(std::make_move_iterator(first_due),
                                           std::make_move_iterator(waiting_.end()));
  waiting_.erase(first_due, waiting_.end());
  for (size_t i = 0; i < sent_count; ++i) {
    if (is_due(sent_[i])) sent_[i].Fail(Failure::kTimeout, "no answer before the deadline");
  }
  FailAll(&never_sent, Failure::kTimeout, "waited for the connection; nothing was sent");
}

// When the connection is to be given up if nothing comes in until then.
int64_t RegionalClient::StallUs() const {
  const int64_t grace_us = options_.stall_grace_ms * 1000;
  const int64_t due_us = std::max(sent_.front().deadline_us(), connection_->received_us());
  return due_us < kNever - grace_us ? due_us + grace_us : kNever;
}

// ---- requests -----------------------------------------------------------------------------------

// Bytes a command takes beyond its longest argument, rounded up.
constexpr size_t kCommandBytes = 64;

void RegionalClient::Get(GetRequest request, GetDone done) {
  Enqueue(RegionalOperation(request, std::move(done)), 2 * (request.key.size() + kCommandBytes),
          [&](std::string* out) {
            // In this order: a write between the two is a write after the value was read, and
            // whoever watches the key hears of it.
            AppendCommand(out, {"DUMP", request.key});
            AppendCommand(out, {"PTTL", request.key});
          });
}

void RegionalClient::Put(PutRequest request, PutDone done) {
  const Value& value = request.value;
  // RESTORE takes 0 for "never expires", the opposite of what is meant.
  if (value.ttl_ms != kNoTtl && value.ttl_ms <= 0) {
    if (request.only_if_absent) {
      loop_->Post([done = std::move(done)]() mutable {
        PutResult result;
        result.stored = false;
        done(std::move(result));
      });
      return;
    }
    Invalidate(request.database, std::move(request.key), request.deadline_us, std::move(done));
    return;
  }
  Enqueue(RegionalOperation(request.database, request.deadline_us, std::move(done)),
          request.key.size() + value.bytes.size() + 2 * kCommandBytes, [&](std::string* out) {
            const std::string ttl = std::to_string(value.ttl_ms == kNoTtl ? 0 : value.ttl_ms);
            std::vector<std::string_view> args;
            if (value.form == Value::Form::kDump) {
              args = {"RESTORE", request.key, ttl, value.bytes};
              if (!request.only_if_absent) args.push_back("REPLACE");
            } else {
              args = {"SET", request.key, value.bytes};
              if (request.only_if_absent) args.push_back("NX");
              if (value.ttl_ms != kNoTtl) args.insert(args.end(), {"PX", ttl});
            }
            AppendCommand(out, args);
          });
}

void RegionalClient::Invalidate(int database, std::string key, int64_t deadline_us, PutDone done) {
  Enqueue(RegionalOperation(database, deadline_us, std::move(done)), key.size() + kCommandBytes,
          [&](std::string* out) {
            AppendCommand(out, {"UNLINK", key});
          });
}

void RegionalClient::Relay(RelayRequest request, RelayDone done) {
  TERRACE_CHECK(!request.args.empty());
  RegionalOperation operation(request, std::move(done));
  const std::string_view why_not = WhyNotRelayed(request.args);
  if (!why_not.empty()) {
    FailSoon(std::move(operation), Failure::kRefused,
             request.args[0] + " is not relayed: " + std::string(why_not));
    return;
  }
  size_t bytes = kCommandBytes;
  for (const std::string& arg : request.args) bytes += arg.size() + kCommandBytes / 4;
  Enqueue(std::move(operation), bytes, [&](std::string* out) { AppendCommand(out, request.args); });
}

Health RegionalClient::health() const {
  Health health;
  health.reachable = state_ == State::kReady;
  health.state = state_ == State::kReady    ? "connected"
                 : state_ == State::kClosed ? "closed"
                 : failures_ > 0            ? "down"
                                            : "connecting";
  health.detail = state_ == State::kReady ? note_ : last_error_;
  health.in_flight = sent_.size();
  health.queued = waiting_.size();
  return health;
}

void RegionalClient::Close(base::Task done) {
  loop_->Post([this, done = std::move(done)]() mutable {
    state_ = State::kClosed;
    loop_->Cancel(attempt_timer_);
    loop_->Cancel(deadline_timer_);
    connection_.reset();
    FailAll(&sent_, Failure::kClosing, "the tier is being closed");
    FailAll(&waiting_, Failure::kClosing, "the tier is being closed");
    std::move(done)();
  });
}

}  // namespace

std::unique_ptr<RegionalTier> NewRegionalTier(RegionalOptions options, runtime::Loop* loop,
                                              uint64_t seed) {
  return std::make_unique<RegionalClient>(std::move(options), loop, seed);
}

}  // namespace terrace::tiers
