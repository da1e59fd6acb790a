#pragma once

// RegionalLease: a connection to the regional server for one client alone, for what the shared one
// must not carry: commands that wait, and WATCH.
//
// Promises:  commands are executed in the order given, each done is called exactly once, by its
//            deadline (INT64_MAX: none), never inside the call. A lease that ends with something on
//            its way closes its connection, and has the server forget it (CLIENT KILL) before
//            anything is executed that is asked of the tier later.
// Ownership: whoever holds it; its end gives the connection back. It may outlive its tier, which
//            fails what is on its way when it closes.
// Threads:   the home loop.

#include <atomic>
#include <cstdint>

#include "tiers/regional.h"

namespace terrace::tiers {

class RegionalLease {
 public:
  virtual ~RegionalLease() = default;

  // Any command, also one that waits or watches.
  virtual void Relay(RelayRequest request, RelayDone done) = 0;
  // May be without commands: then only what is watched is looked at.
  virtual void RelayTransaction(TransactionRequest request, RelayDone done) = 0;
  // Has the server end the wait of the command that is on its way, if it still waits; the reply of
  // that command says how it ended.
  virtual void EndWait(bool with_error) = 0;
  // How long a client may watch.
  virtual int64_t watch_max_ms() const = 0;
};

// What INFO shows of the leases of one tier. Any thread.
struct LeaseStats {
  std::atomic<int64_t> in_use{0};
  std::atomic<int64_t> idle{0};
  std::atomic<uint64_t> opened{0};   // connections
  std::atomic<uint64_t> refused{0};  // since leases_max was reached
  int64_t max = 0;                   // leases_max
};

}  // namespace terrace::tiers
