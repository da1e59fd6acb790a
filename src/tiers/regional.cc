#include "tiers/regional.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "keyspace/dump.h"
#include "resp/command_writer.h"
#include "runtime/loop.h"
#include "tiers/regional_address.h"
#include "tiers/regional_connection.h"
#include "tiers/regional_handshake.h"
#include "tiers/regional_operation.h"
#include "tiers/regional_pool.h"
#include "tiers/regional_queue.h"
#include "tiers/regional_wire.h"
#include "tiers/server_clock.h"

namespace terrace::tiers {
namespace {

// A connection lost sooner than this counts as a failed attempt: the delay keeps growing.
constexpr int64_t kWellMs = 1000;
// How often the server is asked for its time.
constexpr int64_t kClockMs = 10000;

// The life of the connection, from top to bottom, and round again:
//
//   kDown        waits for the next attempt (backoff)
//   kResolving   a helper thread asks for the addresses of the host's name
//   kConnecting  one address after the other
//   kHandshake   see regional_handshake.h
//   kReady       commands flow
//   kClosed      for good
class RegionalClient final : public RegionalTier,
                             public RegionalConnectionHandler,
                             private RegionalPool::Owner {
 public:
  RegionalClient(RegionalOptions options, runtime::Loop* loop, uint64_t seed)
      : options_(std::move(options)),
        loop_(loop),
        rng_(seed),
        queue_(&options_, loop,
               [this](Failure failure, std::string detail) {
                 ConnectionFailed(failure, std::move(detail));
               }),
        pool_(&options_, loop, this) {
    StartAttempt();
  }

  ~RegionalClient() override {
    loop_->Cancel(attempt_timer_);
    loop_->Cancel(clock_timer_);
  }

  std::string_view name() const override { return options_.name; }
  void Get(GetRequest request, GetDone done) override;
  void Put(PutRequest request, PutDone done) override;
  void Invalidate(int database, std::string key, int64_t deadline_us, PutDone done) override;
  void Relay(RelayRequest request, RelayDone done) override;
  void RelayTransaction(TransactionRequest request, RelayDone done) override;
  std::unique_ptr<RegionalLease> Lease(Failure* failure, std::string* detail) override;
  const LeaseStats* lease_stats() const override { return &pool_.stats(); }
  uint64_t generation() const override { return generation_; }
  void OnNewGeneration(base::Function<void(uint64_t)> callback) override {
    on_new_generation_.push_back(std::move(callback));
  }
  Health health() const override;
  void Close(base::Task done) override;

 private:
  void AppendPut(PutRequest request, int64_t now_ms, std::string* out);
  void PutExpired(PutRequest request, PutDone done);

  enum class State : uint8_t { kDown, kResolving, kConnecting, kHandshake, kReady, kClosed };

  // Connection, in the order of its life.
  void StartAttempt();
  void Resolve();
  void ConnectNext();
  void OnConnected() override;
  Next OnHandshakeReply(const RegionalReply& reply);
  void BecomeReady();
  void AskClockLater();
  void StopClock();
  void OnConnectionLost(Failure failure, std::string detail) override;
  void AttemptFailed(std::string detail);
  void NoteError(std::string detail);
  void RetryLater();
  void ConnectionFailed(Failure failure, std::string detail);

  void Fence(const RegionalHandshake::Identity& identity) override;
  void RelayShared(RelayRequest request, RelayDone done) override {
    Relay(std::move(request), std::move(done));
  }

  ReplyForm NextReplyForm() const override { return queue_.NextReplyForm(); }
  Next OnReply(RegionalReply reply) override;

  const RegionalOptions options_;
  runtime::Loop* const loop_;
  base::Rng rng_;

  State state_ = State::kDown;
  std::unique_ptr<RegionalConnection> connection_;
  std::optional<RegionalHandshake> handshake_;
  runtime::TimerId attempt_timer_ = runtime::kNoTimer;  // an attempt's limit, or the next one
  std::deque<std::string> addresses_;                   // of this attempt, not yet tried
  std::string address_;                                 // that it connects to, or is connected to
  bool resolver_busy_ = false;
  int failures_ = 0;      // attempts in a row without a connection that lasted
  int64_t ready_us_ = 0;  // when the connection became ready
  std::string last_error_;
  int64_t last_error_ms_ = 0;             // on WallMs
  std::string note_;                      // what the connection cannot guarantee
  RegionalHandshake::Identity identity_;  // of the last connection that carried commands
  // Client ids of leased connections of that run that the server has not yet said to have closed.
  std::set<std::string> fences_;
  uint64_t generation_ = 0;
  std::vector<base::Function<void(uint64_t)>> on_new_generation_;
  ServerClock server_clock_;    // of the present connection
  int64_t clock_asked_ms_ = 0;  // on NowMs
  runtime::TimerId clock_timer_ = runtime::kNoTimer;

  RegionalQueue queue_;
  RegionalPool pool_;

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
    address_ = std::move(addresses_.front());
    addresses_.pop_front();
    connection_ = std::make_unique<RegionalConnection>(loop_, this);
    error = options_.unix_socket.empty() ? connection_->ConnectTcp(address_, options_.port)
                                         : connection_->ConnectUnix(options_.unix_socket);
    if (error.empty()) return;
  }
  connection_.reset();
  AttemptFailed(std::move(error));
}

void RegionalClient::OnConnected() {
  state_ = State::kHandshake;
  handshake_.emplace(options_, identity_, connection_->output(),
                     std::vector<std::string>(fences_.begin(), fences_.end()));
  clock_asked_ms_ = loop_->clock().NowMs();
  connection_->FlushSoon();
}

RegionalClient::Next RegionalClient::OnHandshakeReply(const RegionalReply& reply) {
  const bool told_time = handshake_->server_ms().has_value();
  const RegionalHandshake::Step step = handshake_->OnReply(reply);
  if (!told_time && handshake_->server_ms()) {
    server_clock_.Learn(*handshake_->server_ms(), clock_asked_ms_, loop_->clock().NowMs());
  }
  switch (step) {
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
  // Of another run there is nothing left to be forgotten.
  if (identity_.run_id != handshake_->identity().run_id) fences_.clear();
  identity_ = handshake_->identity();
  note_ = handshake_->note();
  handshake_.reset();
  ++generation_;
  if (server_clock_.AtMost(0)) AskClockLater();
  // Nothing of this connection can be answered before this function returns to the loop, and the
  // callbacks may ask for more.
  queue_.Start(connection_.get());
  for (auto& callback : on_new_generation_) callback(generation_);
}

// Clocks drift, and get set.
void RegionalClient::AskClockLater() {
  clock_timer_ = loop_->After(kClockMs, [this] {
    clock_timer_ = runtime::kNoTimer;
    clock_asked_ms_ = loop_->clock().NowMs();
    Relay({0, {"TIME"}, loop_->clock().MonoUs() + kClockMs * 1000}, [this](RelayResult result) {
      if (state_ != State::kReady || result.failure != Failure::kNone) return;
      if (const std::optional<int64_t> server_ms = ReadTime(result.reply)) {
        server_clock_.Learn(*server_ms, clock_asked_ms_, loop_->clock().NowMs());
      }
      AskClockLater();
    });
  });
}

void RegionalClient::StopClock() {
  loop_->Cancel(clock_timer_);
  clock_timer_ = runtime::kNoTimer;
  server_clock_.Forget();
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
  NoteError(std::move(detail));
  RetryLater();
  queue_.Despair(last_error_);
}

void RegionalClient::NoteError(std::string detail) {
  last_error_ = std::move(detail);
  last_error_ms_ = loop_->clock().WallMs();
}

void RegionalClient::RetryLater() {
  state_ = State::kDown;
  StopClock();
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
  NoteError(std::move(detail));
  RetryLater();
  if (failures_ > 0) {
    const std::string reason = last_error_;
    queue_.Lose(failure, reason);
    queue_.Despair(reason);
  } else {
    queue_.Lose(failure, last_error_);
  }
}

RegionalClient::Next RegionalClient::OnReply(RegionalReply reply) {
  if (state_ == State::kHandshake) return OnHandshakeReply(reply);
  return queue_.TakeReply(std::move(reply));
}

// ---- requests -----------------------------------------------------------------------------------

void RegionalClient::Get(GetRequest request, GetDone done) {
  std::string* const out = queue_.Add(RegionalOperation(request, std::move(done)),
                                      2 * (request.key.size() + kCommandBytes));
  if (out == nullptr) return;
  // In this order: a write between the two is a write after the value was read, and whoever watches
  // the key hears of it.
  resp::AppendCommand(out, {"DUMP", request.key});
  resp::AppendCommand(out, {"PTTL", request.key});
}

void RegionalClient::Put(PutRequest request, PutDone done) {
  const int64_t now_ms = loop_->clock().NowMs();
  if (request.value.EndsBy(now_ms)) return PutExpired(std::move(request), std::move(done));
  std::string* const out =
      queue_.Add(RegionalOperation(request.database, request.deadline_us, std::move(done)),
                 request.key.size() + request.value.bytes.size() + 2 * kCommandBytes);
  if (out != nullptr) AppendPut(std::move(request), now_ms, out);
}

void RegionalClient::AppendPut(PutRequest request, int64_t now_ms, std::string* out) {
  Value& value = request.value;
  const bool has_deadline = value.deadline_ms != keyspace::kNoDeadline;
  if (value.form == Value::Form::kString && !has_deadline) {
    std::vector<std::string_view> args = {"SET", request.key, value.bytes};
    if (request.only_if_absent) args.push_back("NX");
    return resp::AppendCommand(out, args);
  }
  // SET takes a moment only since Redis 6.2, RESTORE since 5.
  if (value.form == Value::Form::kString) value.bytes = keyspace::EncodeStringDump(value.bytes);
  const std::optional<int64_t> until_ms = server_clock_.AtMost(value.deadline_ms);
  const bool is_moment = has_deadline && until_ms && *until_ms > 0;
  const std::string ttl = std::to_string(!has_deadline ? 0
                                         : is_moment   ? *until_ms
                                                       : value.deadline_ms - now_ms);
  std::vector<std::string_view> args = {"RESTORE", request.key, ttl, value.bytes};
  if (!request.only_if_absent) args.push_back("REPLACE");
  if (is_moment) args.push_back("ABSTTL");
  resp::AppendCommand(out, args);
}

// A value whose time is up is there as if it was not.
void RegionalClient::PutExpired(PutRequest request, PutDone done) {
  if (!request.only_if_absent) {
    return Invalidate(request.database, std::move(request.key), request.deadline_us,
                      std::move(done));
  }
  loop_->Post([done = std::move(done)]() mutable {
    PutResult result;
    result.stored = false;
    done(std::move(result));
  });
}

void RegionalClient::Invalidate(int database, std::string key, int64_t deadline_us, PutDone done) {
  std::string* const out = queue_.Add(RegionalOperation(database, deadline_us, std::move(done)),
                                      key.size() + kCommandBytes);
  if (out != nullptr) resp::AppendCommand(out, {"UNLINK", key});
}

void RegionalClient::Relay(RelayRequest request, RelayDone done) {
  TERRACE_CHECK(!request.args.empty());
  RegionalOperation operation(request, std::move(done));
  const std::string_view why_not = WhyNotRelayed(request.args);
  if (!why_not.empty()) {
    queue_.FailSoon(std::move(operation), Failure::kRefused,
                    request.args[0] + " is not relayed: " + std::string(why_not));
    return;
  }
  std::string* const out = queue_.Add(std::move(operation), BytesOf(request.args));
  if (out != nullptr) resp::AppendCommand(out, request.args);
}

void RegionalClient::RelayTransaction(TransactionRequest request, RelayDone done) {
  std::string* const out =
      queue_.Add(RegionalOperation(request, std::move(done)), BytesOf(request.commands));
  if (out != nullptr) AppendTransaction(out, request.commands);
}

// ---- leases -------------------------------------------------------------------------------------

std::unique_ptr<RegionalLease> RegionalClient::Lease(Failure* failure, std::string* detail) {
  if (state_ != State::kReady) {
    *failure = state_ == State::kClosed ? Failure::kClosing : Failure::kUnreachable;
    *detail = last_error_.empty() ? "not connected yet" : last_error_;
    return nullptr;
  }
  auto lease = pool_.Take(address_, identity_.run_id);
  if (lease == nullptr) {
    *failure = Failure::kOverloaded;
    *detail = "leases_max is reached: too many clients wait or watch there";
  }
  return lease;
}

// Has the server close this connection before it executes anything that is asked of us later. In
// our own place in the order, or, when that is lost with the connection, in the next handshake.
void RegionalClient::Fence(const RegionalHandshake::Identity& identity) {
  if (identity.run_id != identity_.run_id || state_ == State::kClosed) return;
  fences_.insert(identity.client_id);
  const int64_t deadline_us = loop_->clock().MonoUs() + options_.connect_timeout_ms * 1000;
  RegionalOperation operation(
      0, deadline_us, PutDone([this, id = identity.client_id](const PutResult& result) {
        if (result.failure == Failure::kNone || result.failure == Failure::kRefused) {
          fences_.erase(id);
        }
        // That there is no such connection any more is refused too.
        const bool is_noted = note_.find(RegionalHandshake::kNoKill) != std::string::npos;
        if (ErrorCode(result.detail) == "NOPERM" && !is_noted) {
          if (!note_.empty()) note_ += "; ";
          note_ += RegionalHandshake::UnfencedNote(RegionalHandshake::kNoKill);
        }
      }));
  operation.is_fence = true;
  std::string* const out = queue_.Add(std::move(operation), kCommandBytes);
  if (out != nullptr) resp::AppendCommand(out, {"CLIENT", "KILL", "ID", identity.client_id});
}

Health RegionalClient::health() const {
  Health health;
  health.reachable = state_ == State::kReady;
  health.state = state_ == State::kReady    ? "connected"
                 : state_ == State::kClosed ? "closed"
                 : failures_ > 0            ? "down"
                                            : "connecting";
  health.last_error = last_error_;
  health.last_error_ms = last_error_ms_;
  // Until the next connection knows better: being without one for a moment permits nothing more.
  health.warning = note_;
  health.in_flight = queue_.sent_count();
  health.queued = queue_.waiting_count();
  return health;
}

void RegionalClient::Close(base::Task done) {
  loop_->Post([this, done = std::move(done)]() mutable {
    state_ = State::kClosed;
    loop_->Cancel(attempt_timer_);
    StopClock();
    pool_.Close();
    connection_.reset();
    queue_.Close();
    std::move(done)();
  });
}

}  // namespace

std::unique_ptr<RegionalTier> NewRegionalTier(RegionalOptions options, runtime::Loop* loop,
                                              uint64_t seed) {
  return std::make_unique<RegionalClient>(std::move(options), loop, seed);
}

}  // namespace terrace::tiers
