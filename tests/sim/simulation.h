#pragma once

// Simulation: one run of the production request path, resolver, fetches, spill ledger and keyspace
// on two workers, with everything around them fake and decided by one seed.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "scripting/script_store.h"
#include "server/core.h"
#include "server/messaging.h"
#include "server/settings.h"
#include "server/worker.h"
#include "sim/client.h"
#include "sim/fake_origin.h"
#include "sim/fake_regional.h"
#include "tiers/resolver.h"

namespace terrace::sim {

struct Report {
  std::string violation;  // "" when nothing was wrong
  uint64_t requests = 0, replies = 0, errors = 0, lost_replies = 0;
  uint64_t fetches = 0, superseded = 0, coalesced = 0, relays = 0, spills = 0, evictions = 0;
  uint64_t generations = 0, origin_states = 0, steps = 0;
  int64_t slowest_us = 0;
};

class Simulation {
 public:
  Simulation(uint64_t seed, uint64_t requests, const tiers::Rules& rules);
  ~Simulation();
  Report Run();

 private:
  static constexpr int kClients = 5;

  void MakeRoutes();
  void MakeTiers(const tiers::Rules& rules);
  void MakeKeys();
  void Connect(Client& client);
  void Later(int64_t mean_us, base::Function<void()> action);
  void Act(int client);
  void Disturb();
  void LoseRegional();
  void Evict();
  void EvictNow(const HotKey& key);
  bool MayAsk(const Client& client) const;
  void Crowd();
  void Recede();
  void Press();
  void Tick();
  void Watch();
  void WatchSingleFlight();
  bool RunUntil(int64_t until_us, bool stop_when_quiet);
  bool Quiet() const;
  void Settle();
  void CheckEnd();
  Report MakeReport();

  base::Rng rng_;
  SimLoop loop_;
  base::Log log_;
  server::Settings settings_;
  commands::Registry registry_;
  keyspace::Keyspace keyspace_;
  FakeRegional regional_;
  FakeOrigin origin_;
  std::unique_ptr<tiers::RouteTable> routes_;
  std::unique_ptr<tiers::Fetches> fetches_;
  std::unique_ptr<tiers::SpillLedger> spill_;
  std::unique_ptr<tiers::Resolver> resolver_;
  server::Messaging messaging_{SimLoop::kLanes - 1};
  scripting::ScriptStore scripts_;
  server::Core core_;
  server::AclUsers users_{&registry_, &core_.hot.acl_generation};
  std::vector<std::unique_ptr<SimLane>> lanes_;
  std::vector<std::unique_ptr<server::Worker>> workers_;
  History history_;
  Board board_;
  std::vector<std::unique_ptr<Client>> clients_;
  uint64_t next_connection_ = 1;
  uint64_t requests_left_;
  uint64_t requests_ = 0;
  bool calm_ = false;                    // the end of the run: nothing is disturbed any more
  bool pressed_ = false;                 // whether memory runs short in this run
  std::vector<const HotKey*> receding_;  // the keys of a run of nothing but Recede, else empty
  struct Watched {
    uint32_t version = 0;
    int64_t changed_us = 0;
  };
  std::map<std::string, Watched> watched_;
};

}  // namespace terrace::sim
