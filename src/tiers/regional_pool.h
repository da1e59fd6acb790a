#pragma once

// RegionalPool: the connections to one regional server beside the shared one: leased to a client
// that waits or watches, kept for the next one for a while, never more than leases_max.
//
// Ownership: options, loop and owner outlive it; leases may outlive it.
// Threads:   the home loop, except for stats().

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/loop.h"
#include "tiers/leased_connection.h"
#include "tiers/regional_lease.h"

namespace terrace::tiers {

class RegionalPool {
 public:
  // The shared connection to the same server, as far as the pool needs it.
  class Owner {
   public:
    // What was sent over this connection must not be executed after what is asked from now on.
    virtual void Fence(const RegionalHandshake::Identity& identity) = 0;
    virtual void RelayShared(RelayRequest request, RelayDone done) = 0;

   protected:
    ~Owner() = default;
  };

  RegionalPool(const RegionalOptions* options, runtime::Loop* loop, Owner* owner);
  ~RegionalPool();
  RegionalPool(const RegionalPool&) = delete;
  RegionalPool& operator=(const RegionalPool&) = delete;

  // A connection to this address of this run of the server; null when there are too many.
  std::unique_ptr<RegionalLease> Take(const std::string& address, const std::string& run_id);
  // Fails what is under way on every lease, and leases no more.
  void Close();

  const LeaseStats& stats() const { return stats_; }

 private:
  class Lease;
  struct Idle {
    std::unique_ptr<LeasedConnection> connection;
    int64_t since_us;
  };

  void GiveBack(std::unique_ptr<LeasedConnection> connection);
  void CloseSoon(std::unique_ptr<LeasedConnection> connection);
  void FenceIfBusy(const LeasedConnection& connection);
  void CloseIdle();
  void CountIdle();

  const RegionalOptions* const options_;
  runtime::Loop* const loop_;
  Owner* const owner_;
  std::vector<Idle> idle_;  // the one used last is at the end
  std::vector<Lease*> leases_;
  runtime::TimerId idle_timer_ = runtime::kNoTimer;
  bool is_closed_ = false;
  LeaseStats stats_;
  // Gone with the pool.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace terrace::tiers
