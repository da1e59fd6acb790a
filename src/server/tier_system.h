#pragma once

// TierSystem: the lower tiers as the settings describe them, wired together: upstreams behind their
// breakers, routes, fetches, the spill ledger and the resolver.
//
// Threads: constructed and closed on the home loop's thread; the resolver says its own rules.

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "keyspace/keyspace.h"
#include "runtime/loop.h"
#include "server/settings.h"
#include "tiers/resolver.h"

namespace terrace::server {

class TierSystem {
 public:
  // REQUIRES: settings passed the checks of the configuration; everything outlives this.
  TierSystem(const Settings& settings, keyspace::Keyspace* keyspace, runtime::Loop* home,
             base::Log* log, uint64_t seed);
  ~TierSystem();

  // nullptr where no route has lower tiers: then nothing here is on anybody's path.
  tiers::Resolver* resolver() { return resolver_.get(); }
  const tiers::RouteTable& routes() const { return *routes_; }
  const std::vector<std::unique_ptr<tiers::RegionalTier>>& regionals() const { return regionals_; }
  const std::vector<std::unique_ptr<tiers::Upstream>>& origins() const { return origins_; }
  // Brings limits.* of the settings into effect; routes and upstreams stay as they are. Any thread.
  void SetLimits(const Settings& settings);

  // Memory that is given back once the regional tiers have taken what was evicted. Any thread.
  int64_t leaving_bytes() const { return spill_ == nullptr ? 0 : spill_->pending_bytes(); }

  // Moves what only this process has into the regional tiers, then closes the upstreams, then
  // calls done. Home loop.
  void Close(int64_t timeout_ms, base::Task done);

 private:
  void MakeUpstreams(const Settings& settings, uint64_t seed);
  void MakeRoutes(const Settings& settings);
  void CloseUpstreams(base::Task done);
  void LogConnected(const tiers::RegionalTier& tier, uint64_t generation);

  runtime::Loop* const home_;
  base::Log* const log_;
  std::vector<std::unique_ptr<tiers::RegionalTier>> regionals_;
  std::vector<std::unique_ptr<tiers::Upstream>> origins_;
  std::unique_ptr<tiers::RouteTable> routes_;
  std::unique_ptr<tiers::Fetches> fetches_;
  std::unique_ptr<tiers::SpillLedger> spill_;
  std::unique_ptr<tiers::Resolver> resolver_;
};

}  // namespace terrace::server
