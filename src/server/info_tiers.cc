// INFO tiers: upstreams, leases and routes.

#include <algorithm>

#include "server/commands.h"
#include "server/info_section.h"
#include "server/server.h"
#include "tiers/regional_lease.h"

namespace terrace::server {

using commands::Call;

namespace {

std::string TierLine(const tiers::TierStats& stats) {
  return "hits=" + std::to_string(stats.hits.load()) +
         ",misses=" + std::to_string(stats.misses.load()) +
         ",errors=" + std::to_string(stats.errors.load()) +
         ",requests=" + std::to_string(stats.latency_us.count()) +
         ",p50_us=" + std::to_string(stats.latency_us.Percentile(0.5)) +
         ",p99_us=" + std::to_string(stats.latency_us.Percentile(0.99)) +
         ",p999_us=" + std::to_string(stats.latency_us.Percentile(0.999));
}

// Texts have lines of their own, as they may hold anything but a line's end.
void UpstreamLines(const std::string& line, const UpstreamHealth& upstream, Section& section) {
  const tiers::Health& now = upstream.now;
  section.Line(line, "name=" + upstream.name + ",kind=" + upstream.kind + ",state=" + now.state +
                         ",in_flight=" + std::to_string(now.in_flight) +
                         ",queued=" + std::to_string(now.queued) +
                         ",last_error_time=" + std::to_string(now.last_error_ms / 1000) +
                         ",last_refusal_time=" + std::to_string(now.last_refusal_ms / 1000));
  const auto add = [&](std::string_view name, std::string text) {
    if (text.empty()) return;
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
    section.Line(line + "_" + std::string(name), text);
  };
  add("last_error", now.last_error);
  add("last_refusal", now.last_refusal);
  add("warning", now.warning);
}

}  // namespace

void TiersSection(Call& call, Section& section) {
  TierSystem& tiers = CoreOf(call).server->tiers();
  section.Number("routes", tiers.routes().routes().size());
  tiers::Resolver* resolver = tiers.resolver();
  if (resolver == nullptr) return;
  section.Number("parked_requests", resolver->parked_count());
  section.Number("fetches_in_flight", resolver->fetches().in_flight());
  section.Number("fetches_limited", resolver->fetches().limited());
  section.Number("spill_pending_bytes", resolver->spill().pending_bytes());
  section.Number("spill_tombstones", resolver->spill().tombstones());
  size_t index = 0;
  for (const UpstreamHealth& health : CoreOf(call).server->upstream_health()) {
    UpstreamLines("upstream" + std::to_string(index++), health, section);
  }
  index = 0;
  for (const auto& regional : tiers.regionals()) {
    const tiers::LeaseStats& leases = *regional->lease_stats();
    section.Line("leases" + std::to_string(index++),
                 "name=" + std::string(regional->name()) +
                     ",in_use=" + std::to_string(leases.in_use.load()) + ",idle=" +
                     std::to_string(leases.idle.load()) + ",max=" + std::to_string(leases.max) +
                     ",opened=" + std::to_string(leases.opened.load()) +
                     ",refused=" + std::to_string(leases.refused.load()));
  }
  for (const auto& route : tiers.routes().routes()) {
    const tiers::RouteStats& stats = route->stats;
    const std::string name = "route" + std::to_string(route->index);
    const auto number = [](const auto& atomic) { return std::to_string(atomic.load()); };
    section.Line(name, "prefix=" + route->prefix +
                           ",write=" + std::string(tiers::AuthorityName(route->authority)) +
                           ",local_hits=" + number(stats.local_hits) +
                           ",local_misses=" + number(stats.local_misses) + ",negative_hits=" +
                           number(stats.negative_hits) + ",fills=" + number(stats.fills) +
                           ",spills=" + number(stats.spills) + ",relays=" + number(stats.relays) +
                           ",coalesced=" + number(stats.coalesced) +
                           ",superseded=" + number(stats.superseded) +
                           ",fetches_in_flight=" + number(stats.fetches_in_flight) +
                           ",relays_in_flight=" + number(stats.relays_in_flight));
    if (route->regional != nullptr) section.Line(name + "_regional", TierLine(stats.regional));
    if (route->origin != nullptr) section.Line(name + "_origin", TierLine(stats.origin));
  }
}

}  // namespace terrace::server
