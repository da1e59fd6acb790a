#pragma once

// RegionalTier: an Upstream that is a Redis server, and can therefore also execute commands for us.
//
// Promises: everything given to one RegionalTier (Get, Put, Invalidate, Relay) reaches the server
//           in the order of the calls, over one connection, and is answered in that order. The
//           coherence rules of the request path stand on this. After a reconnect no command sent
//           over an earlier connection can still execute (the new connection first kills the old
//           one on the server by its client id), and generation() has changed.

#include <memory>
#include <string>
#include <vector>

#include "tiers/upstream.h"

namespace terrace::runtime {
class Loop;
}

namespace terrace::tiers {

// A reply of the regional server, relayed. bytes is the complete reply encoded in RESP2 (or RESP3
// where the connection speaks it), ready for a client.
struct RelayResult {
  Failure failure = Failure::kNone;
  std::string detail;
  std::string reply;
  bool is_error = false;  // reply is an error reply ("-..."), sent by the server itself
  // Of a failure: it is known that nothing was executed.
  bool nothing_done = false;
};

struct RelayRequest {
  int database = 0;
  std::vector<std::string> args;
  int64_t deadline_us = 0;
};

// Commands to be executed as one, between MULTI and EXEC.
struct TransactionRequest {
  int database = 0;
  std::vector<std::vector<std::string>> commands;
  int64_t deadline_us = 0;
};

using RelayDone = base::Function<void(RelayResult)>;

class RegionalLease;
struct LeaseStats;

class RegionalTier : public Upstream {
 public:
  bool has_databases() const override { return true; }

  // Executes one command there, verbatim.
  virtual void Relay(RelayRequest request, RelayDone done) = 0;

  // Executes them there as one: nothing of others is executed in between, and what executes is all
  // of it. The reply is EXEC's: an array of a reply for each, or "-EXECABORT ..." with the reason
  // when one could not be queued there.
  virtual void RelayTransaction(TransactionRequest request, RelayDone done) = 0;

  // A connection of the caller's own, see regional_lease.h; null when none is to be had, and then
  // failure and detail say why.
  virtual std::unique_ptr<RegionalLease> Lease(Failure* failure, std::string* detail) = 0;
  // nullptr: it leases none. Any thread.
  virtual const LeaseStats* lease_stats() const { return nullptr; }

  // Grows each time a connection is established: copies fetched under an older generation can no
  // longer be proved current. 0 before the first connection.
  virtual uint64_t generation() const = 0;

  // Called on the owner's loop each time generation() has grown, before anything sent over the new
  // connection is answered.
  virtual void OnNewGeneration(base::Function<void(uint64_t)> callback) = 0;
};

struct RegionalOptions {
  std::string name;  // as in the configuration
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string unix_socket;  // used instead of host and port when not empty
  std::string username;     // ACL user; empty: AUTH with the password only
  std::string password;     // empty: no AUTH
  int64_t connect_timeout_ms = 1000;
  int64_t reconnect_delay_min_ms = 50;    // doubled with jitter after each failure ...
  int64_t reconnect_delay_max_ms = 2000;  // ... up to this
  // A connection that has sent nothing for this long although an answer is overdue is given up.
  int64_t stall_grace_ms = 1000;
  size_t in_flight_max = 10000;        // commands sent and not yet answered
  size_t queue_bytes_max = 64u << 20;  // bytes of commands waiting to be sent or answered
  // Connections beside the shared one, each for one client that waits or watches there ...
  size_t leases_max = 1000;
  int64_t lease_idle_ms = 10000;  // ... kept this long for the next one ...
  int64_t watch_max_ms = 60000;   // ... and taken from a client that watches for longer
};

// Connects at once and keeps reconnecting until closed. seed feeds the reconnect jitter.
std::unique_ptr<RegionalTier> NewRegionalTier(RegionalOptions options, runtime::Loop* loop,
                                              uint64_t seed);

}  // namespace terrace::tiers
