#include "tiers/breaker.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "runtime/loop.h"
#include "tiers/regional_lease.h"

namespace terrace::tiers {
namespace {

// What the end of a call tells about the upstream.
enum class Sign {
  kWell,     // it did what was asked
  kAlive,    // it answered, if only to refuse
  kSick,     // it did not answer, or made no sense
  kNothing,  // it was not asked
};

Sign SignOf(Failure failure) {
  switch (failure) {
    case Failure::kNone:
      return Sign::kWell;
    case Failure::kRefused:
    case Failure::kTooLarge:
      return Sign::kAlive;
    case Failure::kTimeout:
    case Failure::kUnreachable:
    case Failure::kProtocol:
      return Sign::kSick;
    case Failure::kOverloaded:
    case Failure::kBreakerOpen:
    case Failure::kClosing:
      return Sign::kNothing;
  }
  return Sign::kNothing;
}

}  // namespace

BreakerState::BreakerState(BreakerOptions options, const base::Clock* clock)
    : options_(options), clock_(clock), open_ms_(options.open_ms) {}

bool BreakerState::Allow() {
  if (state_ == State::kOpen && !IsShut()) Enter(State::kHalfOpen);
  switch (state_) {
    case State::kClosed:
      return true;
    case State::kOpen:
      return false;
    case State::kHalfOpen:
      if (probe_in_flight_) return false;
      TakeProbe(true);
      return true;
  }
  return false;
}

void BreakerState::Record(Failure failure) {
  const Sign sign = SignOf(failure);
  switch (state_) {
    case State::kClosed:
      if (sign == Sign::kWell) consecutive_failures_ = 0;
      if (sign == Sign::kSick && ++consecutive_failures_ >= options_.failures_to_open) {
        open_ms_ = options_.open_ms;
        Enter(State::kOpen);
      }
      return;
    case State::kOpen:
      return;  // a call sent before it opened: what it tells is known already
    case State::kHalfOpen:
      TakeProbe(false);
      if (sign == Sign::kSick) {
        open_ms_ = std::min(2 * open_ms_, std::max(options_.open_ms, options_.open_max_ms));
        Enter(State::kOpen);
      } else if (sign != Sign::kNothing) {
        Enter(State::kClosed);
      }
      return;
  }
}

std::string_view BreakerState::state_name() const {
  switch (state_) {
    case State::kClosed:
      return "closed";
    case State::kOpen:
      return "open";
    case State::kHalfOpen:
      return "half_open";
  }
  return "unknown";
}

void BreakerState::Enter(State state) {
  const State from = state_;
  state_ = state;
  consecutive_failures_ = 0;
  TakeProbe(false);
  if (state == State::kOpen) {
    shut_until_us_.store(clock_->MonoUs() + open_ms_ * 1000, std::memory_order_relaxed);
    ++opened_count_;
  }
  if (on_change_) on_change_(from, state);
}

void BreakerState::TakeProbe(bool in_flight) {
  probe_in_flight_ = in_flight;
  shut_until_us_.store(in_flight ? std::numeric_limits<int64_t>::max() : 0,
                       std::memory_order_relaxed);
}

namespace {

// How long a probe of our own may take.
constexpr int64_t kProbeUs = 1'000'000;

// The decorator, over either interface.
template <typename Base>
class Guarded : public Base {
 public:
  Guarded(std::unique_ptr<Base> inner, BreakerOptions options, runtime::Loop* loop)
      : inner_(std::move(inner)), loop_(loop), breaker_(options, &loop->clock()) {}

  std::string_view name() const override { return inner_->name(); }
  bool has_databases() const override { return inner_->has_databases(); }

  void Get(GetRequest request, GetDone done) override {
    if (!Allow<GetResult>(&done)) return;
    inner_->Get(std::move(request), Recording<GetResult>(std::move(done)));
  }

  void Put(PutRequest request, PutDone done) override {
    if (!Allow<PutResult>(&done)) return;
    inner_->Put(std::move(request), Recording<PutResult>(std::move(done)));
  }

  void Invalidate(int database, std::string key, int64_t deadline_us, PutDone done) override {
    if (!Allow<PutResult>(&done)) return;
    inner_->Invalidate(database, std::move(key), deadline_us,
                       Recording<PutResult>(std::move(done)));
  }

  Health health() const override {
    Health health = inner_->health();
    if (breaker_.state() != BreakerState::State::kClosed) {
      health.reachable = false;
      health.state = breaker_.state_name();
    }
    // What happened below without a call, such as a failed attempt to connect, may be newer.
    if (!last_error_.empty() && last_error_ms_ >= health.last_error_ms) {
      health.last_error = last_error_;
      health.last_error_ms = last_error_ms_;
    }
    health.last_refusal = last_refusal_;
    health.last_refusal_ms = last_refusal_ms_;
    return health;
  }

  bool IsBreakerOpen() const override { return breaker_.IsShut(); }

  void Close(base::Task done) override { inner_->Close(std::move(done)); }

 protected:
  // True when the call may go out; else it is answered soon.
  template <typename Result>
  bool Allow(base::Function<void(Result)>* done) {
    if (breaker_.Allow()) return true;
    Result result;
    result.failure = Failure::kBreakerOpen;
    result.detail = "the circuit breaker is open after: " + last_sickness_;
    loop_->Post([done = std::move(*done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
    return false;
  }

  // Wraps done so that the breaker learns how the call ended. A call that went out before the
  // breaker last opened is not reported: taken for the probe, it would close or reopen it on old
  // news.
  template <typename Result>
  base::Function<void(Result)> Recording(base::Function<void(Result)> done) {
    return [this, opened_count = breaker_.opened_count(),
            done = std::move(done)](Result result) mutable {
      if (result.failure != Failure::kNone) Note(result.failure, result.detail);
      if (opened_count == breaker_.opened_count()) breaker_.Record(result.failure);
      done(std::move(result));
    };
  }

  Base* inner() const { return inner_.get(); }
  bool is_closed() const { return breaker_.state() == BreakerState::State::kClosed; }
  const std::string& last_sickness() const { return last_sickness_; }
  int64_t ProbeDeadlineUs() const { return loop_->clock().MonoUs() + kProbeUs; }

 private:
  // A value that is too large and our own end say nothing of the upstream.
  void Note(Failure failure, const std::string& detail) {
    if (failure == Failure::kTooLarge || failure == Failure::kClosing) return;
    last_error_ms_ = loop_->clock().WallMs();
    last_error_ = std::string(FailureName(failure)) + ": " + detail;
    if (SignOf(failure) == Sign::kSick) last_sickness_ = last_error_;
    if (failure != Failure::kRefused) return;
    last_refusal_ = detail;
    last_refusal_ms_ = last_error_ms_;
  }

  const std::unique_ptr<Base> inner_;
  runtime::Loop* const loop_;
  BreakerState breaker_;
  std::string last_error_, last_refusal_;
  int64_t last_error_ms_ = 0, last_refusal_ms_ = 0;  // on WallMs
  std::string last_sickness_;                        // what the breaker counts
};

class GuardedRegionalTier final : public Guarded<RegionalTier> {
 public:
  using Guarded::Guarded;

  void Relay(RelayRequest request, RelayDone done) override {
    if (!Allow<RelayResult>(&done)) return;
    inner()->Relay(std::move(request), Recording<RelayResult>(std::move(done)));
  }

  void RelayTransaction(TransactionRequest request, RelayDone done) override {
    if (!Allow<RelayResult>(&done)) return;
    inner()->RelayTransaction(std::move(request), Recording<RelayResult>(std::move(done)));
  }

  // A command that waits must not be the probe.
  std::unique_ptr<RegionalLease> Lease(Failure* failure, std::string* detail) override {
    if (is_closed()) return inner()->Lease(failure, detail);
    RelayDone nobody = [](RelayResult) {};
    if (Allow<RelayResult>(&nobody)) {
      inner()->Relay({0, {"PING"}, ProbeDeadlineUs()}, Recording<RelayResult>(std::move(nobody)));
    }
    *failure = Failure::kBreakerOpen;
    *detail = "the circuit breaker is open after: " + last_sickness();
    return nullptr;
  }
  const LeaseStats* lease_stats() const override { return inner()->lease_stats(); }

  uint64_t generation() const override { return inner()->generation(); }

  void OnNewGeneration(base::Function<void(uint64_t)> callback) override {
    inner()->OnNewGeneration(std::move(callback));
  }
};

}  // namespace

std::unique_ptr<Upstream> WithBreaker(std::unique_ptr<Upstream> upstream, BreakerOptions options,
                                      runtime::Loop* loop) {
  return std::make_unique<Guarded<Upstream>>(std::move(upstream), options, loop);
}

std::unique_ptr<RegionalTier> WithBreaker(std::unique_ptr<RegionalTier> upstream,
                                          BreakerOptions options, runtime::Loop* loop) {
  return std::make_unique<GuardedRegionalTier>(std::move(upstream), options, loop);
}

}  // namespace terrace::tiers
