#pragma once

// CircuitBreaker: a decorator that stops asking an upstream that keeps failing, and finds out by
// single probes when it is well again.
//
//   closed ──(failures_to_open consecutive kTimeout / kUnreachable / kProtocol)──▶ open
//   open ──(open_ms passed)──▶ half_open: one probe at a time goes through
//   half_open ──probe succeeds──▶ closed
//   half_open ──probe fails──▶ open, open_ms doubled up to open_max_ms
//
// kRefused and kTooLarge are answers of a living upstream, kOverloaded and kClosing our own limits:
// none of them counts as a failure or ends a row of failures. A probe that is answered at all
// (a value, absent, kRefused, kTooLarge) has succeeded; one that ends by our own limits has told
// nothing, and the next call is the probe. While open, calls are answered kBreakerOpen without
// being sent.
//
// The state machine is a class of its own so that the regional tier's relays can use it as well.
//
// Threads: the owner's loop, except where stated.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "tiers/regional.h"
#include "tiers/upstream.h"

namespace terrace::runtime {
class Loop;
}

namespace terrace::tiers {

struct BreakerOptions {
  int failures_to_open = 5;
  int64_t open_ms = 500;
  int64_t open_max_ms = 10000;
};

class BreakerState {
 public:
  enum class State : uint8_t { kClosed, kOpen, kHalfOpen };

  BreakerState(BreakerOptions options, const base::Clock* clock);

  // May one call go out now? In half_open it takes the probe's place.
  [[nodiscard]] bool Allow();
  // Reports how an allowed call ended. Do not report a call whose Allow came before opened_count()
  // last grew: it would be taken for the probe.
  void Record(Failure failure);

  // Would Allow say no at this moment? Any thread.
  bool IsShut() const { return clock_->MonoUs() < shut_until_us_.load(std::memory_order_relaxed); }

  State state() const { return state_; }
  std::string_view state_name() const;
  uint64_t opened_count() const { return opened_count_; }
  // Called on each change of state (for one log line a change).
  void OnChange(std::function<void(State from, State to)> callback) {
    on_change_ = std::move(callback);
  }

 private:
  void Enter(State state);
  void TakeProbe(bool in_flight);

  const BreakerOptions options_;
  const base::Clock* const clock_;
  State state_ = State::kClosed;
  int consecutive_failures_ = 0;
  bool probe_in_flight_ = false;
  int64_t open_ms_ = 0;
  // While it is open: until then; while a probe is under way: for ever; else 0.
  std::atomic<int64_t> shut_until_us_{0};
  uint64_t opened_count_ = 0;
  std::function<void(State, State)> on_change_;
};

// Wraps an origin.
std::unique_ptr<Upstream> WithBreaker(std::unique_ptr<Upstream> upstream, BreakerOptions options,
                                      runtime::Loop* loop);
// Wraps a regional tier: what is relayed passes the breaker too.
std::unique_ptr<RegionalTier> WithBreaker(std::unique_ptr<RegionalTier> upstream,
                                          BreakerOptions options, runtime::Loop* loop);

}  // namespace terrace::tiers
