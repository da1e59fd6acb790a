#pragma once

// Resolver: what the request path asks about lower tiers, and nothing else does. For each request
// it decides where it runs (Plan), makes its keys present, absent or failed (Resolve), or has it
// executed by the regional tier (Relay).
//
// The coherence rules it keeps, beside those of fetch.h:
//   - a relayed write bumps the write versions of its keys when it is sent and again, after its
//     answer and before the client's reply, when the local copies are dropped;
//   - a relayed write whose outcome is unknown counts as one that happened;
//   - a woken read may use what was fetched for it, even when that was superseded, has no lifetime
//     or was evicted since; a write that builds on a fetched value may only while its version is
//     current, else it resolves again;
//   - what runs below and builds on values has what an origin has of them stored there first, by a
//     fetch that no write has superseded;
//   - on a spill route the absence of a key below answers only while its version is current, since
//     a write here deletes the key below.
//
// Threads: Plan on any thread; Resolve under the locks of the keys' shards; Relay without locks.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/live.h"
#include "keyspace/database.h"
#include "tiers/client_lease.h"
#include "tiers/fetch.h"
#include "tiers/parked.h"
#include "tiers/route.h"
#include "tiers/spill.h"

namespace terrace::tiers {

struct ResolverLimits {
  base::Live<int> resolve_rounds_max = 8;
  base::Live<int64_t> parked_ms_max = 30000;
  base::Live<int64_t> parked_requests_max = 100000;
};

// What a request means for its keys, as its command's row says.
struct Access {
  bool is_write = false;
  bool needs_value = false;    // must know what the keys hold before it runs
  bool splits_by_key = false;  // its keys may lie on different routes
  bool runs_below = false;  // never on copies: the regional tier runs it, also when it only reads
  bool brings_in = false;   // only to have there what an origin has: nothing is done with it here

  // Does what it makes of a key depend on what the key held? Commands that split (DEL) only count
  // keys by that.
  bool builds_on_value() const { return is_write && needs_value && !splits_by_key; }
};

// A complete error text: what is wrong, with which route, and what to do or what that means.
std::string TierError(const Route& route, const std::string& what, const std::string& advice);

// Detached entries made for one request; freed with it.
class Overlay {
 public:
  Overlay() = default;
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;
  keyspace::Entry* Add(keyspace::Entry* entry);

 private:
  std::vector<keyspace::Entry*> entries_;
};

class Resolver {
 public:
  Resolver(keyspace::Keyspace* keyspace, const RouteTable* routes, Fetches* fetches,
           SpillLedger* spill, runtime::Loop* home, ResolverLimits limits, const Rules& rules = {});

  const RouteTable& routes() const { return *routes_; }

  enum class Where : uint8_t {
    kLocal,    // no key has lower tiers, or they do not matter: run it
    kResolve,  // resolve its keys, then run it
    kRelay,    // the regional tier runs it
    kSplit,    // some keys are relayed, the others run here
    kRefused,  // error says why
  };
  struct Plan {
    Where where = Where::kLocal;
    const Route* route = nullptr;  // of kRelay
    bool has_origin = false;       // of kRelay: some key may be found further below
    std::string error;             // of kRefused: a complete error text
  };
  // keys: the keys of the request. A request without keys is local.
  Plan MakePlan(const Access& access, std::span<const std::string_view> keys) const;

  enum class State : uint8_t {
    kReady,
    kAwaiting,
    kFailed,
    kTooMany,
    kTooLarge,  // for a copy; the regional tier, which has the last word, may be asked to run it
  };
  struct Outcome {
    State state = State::kReady;
    std::string error;  // of kFailed, kTooMany and kTooLarge: a complete error text
  };
  // Makes the keys present or absent in database. parked: what the request has been told so far; it
  // is also who will be woken. overlay receives values that may be used but not kept.
  Outcome Resolve(keyspace::Database& database, const Access& access,
                  std::span<const keyspace::Key> keys, const std::shared_ptr<ParkedRequest>& parked,
                  Overlay* overlay);
  // Begins the fetch of a key that a later request will want. REQUIRES: the lock of its shard.
  void FetchAhead(keyspace::Database& database, const keyspace::Key& key);

  // Has the regional tier execute a command. The keys are those it writes; parked is answered as
  // this part. Returns "" or a complete error text when it was not even sent.
  std::string Relay(const Route& route, int database, std::vector<std::string> args,
                    std::vector<std::string> keys, std::shared_ptr<ParkedRequest> parked,
                    size_t part);
  // The same for commands to be executed as one.
  std::string RelayTransaction(const Route& route, int database,
                               std::vector<std::vector<std::string>> commands,
                               std::vector<std::string> keys,
                               std::shared_ptr<ParkedRequest> parked);
  // The same over a client's own connection, where a command may wait: for so long, or for ever.
  std::string RelayLeased(const std::shared_ptr<ClientLease>& lease, int database,
                          std::vector<std::string> args, std::vector<std::string> keys,
                          std::shared_ptr<ParkedRequest> parked, std::optional<int64_t> wait_ms);
  std::string RelayTransactionLeased(const std::shared_ptr<ClientLease>& lease, int database,
                                     std::vector<std::vector<std::string>> commands,
                                     std::vector<std::string> keys,
                                     std::shared_ptr<ParkedRequest> parked);
  std::shared_ptr<ClientLease> NewLease(ClientLease::Purpose purpose, const Route& route) const {
    return std::make_shared<ClientLease>(purpose, &route, home_);
  }
  // The error text of a relay that failed. what: "write", "transaction", or empty for a read.
  static std::string RelayError(const Route& route, const RelayResult& result,
                                std::string_view what = "write");

  // Where copies of a key are and what a GET would do now, as name and value pairs.
  // REQUIRES: the lock of the key's shard.
  std::vector<std::pair<std::string, std::string>> Explain(keyspace::Database& database,
                                                           const keyspace::Key& key);

  void CountParked(int64_t delta) { parked_count_.fetch_add(delta, std::memory_order_relaxed); }
  int64_t parked_count() const { return parked_count_.load(std::memory_order_relaxed); }
  // What is parked already stays so. Any thread.
  void SetLimits(const ResolverLimits& limits) { limits_ = limits; }
  Fetches& fetches() { return *fetches_; }
  SpillLedger& spill() { return *spill_; }

 private:
  enum class KeyState : uint8_t { kKnown, kAwaiting, kFailed, kTooMany, kTooLarge };
  KeyState ResolveKey(keyspace::Database& database, const Access& access, const Route& route,
                      const keyspace::Key& key, const std::shared_ptr<ParkedRequest>& parked,
                      Overlay* overlay, std::string* error);
  bool AskSpill(keyspace::Database& database, const Route& route, const keyspace::Key& key,
                Fetches::Ask* ask);
  std::string WithoutCopy(keyspace::Database& database, const Route* route,
                          const keyspace::Key& key);
  bool UseCopy(keyspace::Database& database, const Route& route, const keyspace::Key& key);
  static bool IsBelow(keyspace::Database& database, const keyspace::Key& key);
  KeyState UseResult(keyspace::Database& database, const Access& access, const Route& route,
                     const keyspace::Key& key, const FetchResult& result, int64_t asked_ms,
                     Overlay* overlay, std::string* error);
  std::string RefusalToWait(const ParkedRequest& parked) const;
  int64_t AskedMs(const ParkedRequest& parked) const;
  std::string RefusalToRelay(const Route& route, const ParkedRequest& parked) const;
  // Has send(regional tier, deadline, done) called on the home loop.
  template <typename Send>
  void RelayLeasedSoon(const std::shared_ptr<ClientLease>& lease, int database,
                       std::vector<std::string> keys, std::shared_ptr<ParkedRequest> parked,
                       Send send);
  template <typename Send>
  void RelaySoon(const Route& route, int database, std::vector<std::string> keys,
                 std::shared_ptr<ParkedRequest> parked, size_t part, Send send);
  void DropCopies(int database, const std::vector<std::string>& keys);

  keyspace::Keyspace* const keyspace_;
  const RouteTable* const routes_;
  Fetches* const fetches_;
  SpillLedger* const spill_;
  runtime::Loop* const home_;
  ResolverLimits limits_;
  const Rules rules_;
  std::atomic<int64_t> parked_count_{0};
};

}  // namespace terrace::tiers
