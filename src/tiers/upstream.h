#pragma once

// Upstream: one place below the local tier that values can be asked of: a regional Redis, an HTTP
// server, a directory, another Redis. One small interface, so that breakers, bulkheads, retries and
// fault injection are decorators around it.
//
// Promises:  done is called exactly once for each call, also after a timeout, a lost connection or
//            Close(); never inside the call itself.
// Ownership: requests are copied in; nothing borrowed outlives the call. The owner destroys an
//            upstream only after Close() has called back.
// Threads:   every call, and every callback, on the owner's loop.
// Units:     milliseconds; deadlines of requests on Clock::MonoUs in microseconds, those of values
//            on Clock::NowMs.
// Errors:    Outcome says what the caller should do, Failure says why it failed.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/task.h"
#include "keyspace/entry.h"

namespace terrace::tiers {

inline constexpr int64_t kNoTtl = -1;

enum class Outcome : uint8_t {
  kValue,   // the key exists there; value is set
  kAbsent,  // the key certainly does not exist there (a negative answer, cacheable)
  kFailed,  // nothing is known; failure and detail say why
};

// One per reaction or per word an operator would look for.
enum class Failure : uint8_t {
  kNone,
  kTimeout,      // no answer before the deadline; a write may or may not have happened
  kUnreachable,  // could not connect, or the connection was lost; as above for writes sent before
  kProtocol,     // an answer that makes no sense (bad frame, bad payload, bad status)
  kRefused,      // a clear refusal (an error reply, HTTP 403, 500): detail has its text
  kOverloaded,   // our own limit: queue full or waited too long in it; nothing was sent
  kBreakerOpen,  // the circuit breaker is open; nothing was sent
  kTooLarge,     // larger than the route's max_value; nothing is kept
  kClosing,      // the upstream is being closed
};

std::string_view FailureName(Failure failure);

// A whole value on its way between tiers.
struct Value {
  enum class Form : uint8_t {
    kString,  // bytes are the string itself
    kDump,    // bytes are a DUMP payload of any type
  };
  Form form = Form::kString;
  std::string bytes;
  // When it ends, on Clock::NowMs, or kNoDeadline. A moment and not a span, since spans grow with
  // every wait on the way; where only a span is known it counts from the question. One that has
  // passed: good for those who wait for it, not to be kept.
  int64_t deadline_ms = keyspace::kNoDeadline;
  // Likewise how long its source lets copies of it be used (Cache-Control): no lifetime of the key,
  // so it does not bound what a write makes of a copy.
  int64_t copies_until_ms = keyspace::kNoDeadline;

  // The earlier of the two, or kNoDeadline.
  int64_t usable_until_ms() const {
    if (deadline_ms == keyspace::kNoDeadline || copies_until_ms == keyspace::kNoDeadline) {
      return std::max(deadline_ms, copies_until_ms);
    }
    return std::min(deadline_ms, copies_until_ms);
  }
  bool EndsBy(int64_t now_ms) const {
    return usable_until_ms() != keyspace::kNoDeadline && usable_until_ms() <= now_ms;
  }
  // False when the source forbids keeping it (Cache-Control: no-store, private); waiters are
  // answered, nothing is filled.
  bool storable = true;
};

struct GetResult {
  Outcome outcome = Outcome::kFailed;
  Value value;
  // For kAbsent: how long the source says the absence may be remembered, or kNoTtl when silent.
  int64_t absent_ttl_ms = kNoTtl;
  Failure failure = Failure::kNone;
  std::string detail;  // for people: one line, no secrets
};

struct PutResult {
  Failure failure = Failure::kNone;  // kNone means acknowledged by the upstream
  std::string detail;
  bool stored = true;  // false: only_if_absent met an existing key
};

struct GetRequest {
  int database = 0;
  std::string key;
  int64_t deadline_us = 0;     // on Clock::MonoUs; the upstream answers by then, come what may
  size_t value_bytes_max = 0;  // 0: no limit
};

struct PutRequest {
  int database = 0;
  std::string key;
  Value value;
  // Store only where the key does not exist (SET NX, RESTORE without REPLACE); a key that exists
  // answers stored = false, which is no failure.
  bool only_if_absent = false;
  int64_t deadline_us = 0;
};

using GetDone = base::Function<void(GetResult)>;
using PutDone = base::Function<void(PutResult)>;

struct Health {
  bool reachable = false;
  std::string state;  // one word for INFO: connected, connecting, down, open, half_open, ...
  // For people, or empty: the last failure, the last clear refusal ("HTTP 503"), and what the
  // upstream does not permit, with what that means. The moments are on Clock::WallMs.
  std::string last_error;
  int64_t last_error_ms = 0;
  std::string last_refusal;
  int64_t last_refusal_ms = 0;
  std::string warning;
  uint64_t in_flight = 0;
  uint64_t queued = 0;
};

class Upstream {
 public:
  virtual ~Upstream() = default;

  // Its name in the configuration, in errors, logs and INFO.
  virtual std::string_view name() const = 0;

  virtual void Get(GetRequest request, GetDone done) = 0;

  // Has it numbered databases as we have, so that a key may have another value in each?
  virtual bool has_databases() const { return false; }

  // Stores a value with its TTL, replacing what is there. Read-only upstreams answer kRefused.
  virtual void Put(PutRequest request, PutDone done) = 0;

  // Removes a key. An absent key is a success.
  virtual void Invalidate(int database, std::string key, int64_t deadline_us, PutDone done) = 0;

  virtual Health health() const = 0;

  // Would a call at this moment be answered kBreakerOpen, without being sent? Any thread.
  virtual bool IsBreakerOpen() const { return false; }

  // Fails what is in flight with kClosing, then calls done. No calls after this one.
  virtual void Close(base::Task done) = 0;
};

}  // namespace terrace::tiers
