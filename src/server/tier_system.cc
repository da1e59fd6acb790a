#include "server/tier_system.h"

#include <utility>

#include "base/check.h"
#include "tiers/breaker.h"
#include "tiers/origin.h"
#include "tiers/regional.h"

namespace terrace::server {
namespace {

tiers::Authority AuthorityOf(WriteMode mode) {
  switch (mode) {
    case WriteMode::kForward:
      return tiers::Authority::kRegional;
    case WriteMode::kSpill:
      return tiers::Authority::kSpill;
    case WriteMode::kLocal:
      break;
  }
  return tiers::Authority::kLocal;
}

template <typename Upstreams>
auto* Named(const Upstreams& upstreams, const std::string& name) {
  for (const auto& upstream : upstreams) {
    if (upstream->name() == name) return upstream.get();
  }
  return static_cast<typename Upstreams::value_type::pointer>(nullptr);
}

tiers::FetchLimits FetchLimitsOf(const Settings& settings) {
  return {.waiters_per_fetch_max = settings.waiters_per_fetch_max,
          .fetches_in_flight_max = settings.fetches_in_flight_max,
          .negative_entries_max = settings.negative_entries_max};
}

tiers::SpillLimits SpillLimitsOf(const Settings& settings) {
  return {.pending_bytes_max = settings.spill_pending_bytes_max,
          .tombstones_max = settings.tombstones_max};
}

tiers::ResolverLimits ResolverLimitsOf(const Settings& settings) {
  return {.resolve_rounds_max = static_cast<int>(settings.resolve_rounds_max),
          .parked_ms_max = settings.parked_ms_max,
          .parked_requests_max = settings.parked_requests_max};
}

}  // namespace

TierSystem::TierSystem(const Settings& settings, keyspace::Keyspace* keyspace, runtime::Loop* home,
                       base::Log* log, uint64_t seed)
    : home_(home), log_(log) {
  MakeUpstreams(settings, seed);
  MakeRoutes(settings);
  if (!routes_->any_tiers()) return;
  fetches_ = std::make_unique<tiers::Fetches>(keyspace, home, FetchLimitsOf(settings), seed);
  spill_ =
      std::make_unique<tiers::SpillLedger>(keyspace, routes_.get(), home, SpillLimitsOf(settings));
  for (const auto& route : routes_->routes()) {
    if (route->authority != tiers::Authority::kSpill) continue;
    keyspace->AddSink(spill_.get());
    break;
  }
  resolver_ = std::make_unique<tiers::Resolver>(keyspace, routes_.get(), fetches_.get(),
                                                spill_.get(), home, ResolverLimitsOf(settings));
  for (const auto& regional : regionals_) {
    regional->OnNewGeneration([this, tier = regional.get()](uint64_t generation) {
      LogConnected(*tier, generation);
      for (const auto& route : routes_->routes()) {
        if (route->regional == tier) {
          route->generation.store(static_cast<uint32_t>(generation), std::memory_order_release);
        }
      }
      // After this callback: what is sent now must come behind the connection's own handshake.
      home_->Post([this, tier] { spill_->Resume(tier); });
    });
  }
}

// Each time, as a connection lost and made again between two ticks is no change of state.
void TierSystem::LogConnected(const tiers::RegionalTier& tier, uint64_t generation) {
  const std::string name(tier.name()), warning = tier.health().warning;
  if (warning.empty()) {
    log_->Notice("regional_connected",
                 {{"name", name}, {"generation", std::to_string(generation)}});
  } else {
    log_->Warning(
        "regional_connected",
        {{"name", name}, {"generation", std::to_string(generation)}, {"warning", warning}});
  }
}

void TierSystem::SetLimits(const Settings& settings) {
  if (resolver_ == nullptr) return;
  fetches_->SetLimits(FetchLimitsOf(settings));
  spill_->SetLimits(SpillLimitsOf(settings));
  resolver_->SetLimits(ResolverLimitsOf(settings));
}

TierSystem::~TierSystem() = default;

void TierSystem::MakeUpstreams(const Settings& settings, uint64_t seed) {
  for (const RegionalSettings& regional : settings.regionals) {
    regionals_.push_back(tiers::WithBreaker(tiers::NewRegionalTier(regional.options, home_, ++seed),
                                            regional.breaker, home_));
  }
  for (const OriginSettings& origin : settings.origins) {
    std::unique_ptr<tiers::Upstream> upstream;
    switch (origin.kind) {
      case OriginKind::kHttp:
        upstream = tiers::NewHttpOrigin(origin.http, home_);
        break;
      case OriginKind::kDirectory:
        upstream = tiers::NewDirectoryOrigin(origin.directory, home_);
        break;
      case OriginKind::kRedis:
        upstream = tiers::NewRedisOrigin(origin.redis, home_, ++seed);
        break;
    }
    origins_.push_back(tiers::WithBreaker(std::move(upstream), origin.breaker, home_));
  }
}

void TierSystem::MakeRoutes(const Settings& settings) {
  std::vector<std::unique_ptr<tiers::Route>> routes;
  for (const RouteSettings& from : settings.routes) {
    auto route = std::make_unique<tiers::Route>();
    route->prefix = from.prefix;
    route->authority = AuthorityOf(from.write);
    if (!from.regional.empty()) route->regional = Named(regionals_, from.regional);
    if (!from.origin.empty()) route->origin = Named(origins_, from.origin);
    TERRACE_CHECK(from.regional.empty() || route->regional != nullptr);
    TERRACE_CHECK(from.origin.empty() || route->origin != nullptr);
    route->ttl_ms = from.ttl_ms;
    route->negative_ttl_ms = from.negative_ttl_ms;
    route->jitter = from.jitter;
    route->value_bytes_max = from.max_value;
    route->timeout_ms = from.timeout_ms;
    route->regional_timeout_ms = from.regional_timeout_ms;
    route->origin_timeout_ms = from.origin_timeout_ms;
    route->relay_in_flight_max = static_cast<int64_t>(from.relay_in_flight_max);
    routes.push_back(std::move(route));
  }
  routes_ = std::make_unique<tiers::RouteTable>(std::move(routes));
}

void TierSystem::Close(int64_t timeout_ms, base::Task done) {
  if (spill_ == nullptr) return CloseUpstreams(std::move(done));
  const int64_t deadline_us = home_->clock().MonoUs() + timeout_ms * 1000;
  spill_->Drain(deadline_us, [this, done = std::move(done)](size_t lost) mutable {
    if (lost > 0) {
      log_->Warning("spill_incomplete", {{"values_lost", std::to_string(lost)}});
    }
    CloseUpstreams(std::move(done));
  });
}

void TierSystem::CloseUpstreams(base::Task done) {
  struct Countdown {
    size_t left;
    base::Task done;
  };
  auto countdown =
      std::make_shared<Countdown>(Countdown{regionals_.size() + origins_.size(), std::move(done)});
  if (countdown->left == 0) {
    home_->Post(std::move(countdown->done));
    return;
  }
  const auto closed = [countdown] {
    if (--countdown->left == 0) std::move(countdown->done)();
  };
  for (const auto& regional : regionals_) regional->Close(closed);
  for (const auto& origin : origins_) origin->Close(closed);
}

}  // namespace terrace::server
