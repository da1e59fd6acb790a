#include "tiers/resolver.h"

#include <algorithm>
#include <utility>

#include "tiers/value_codec.h"

namespace terrace::tiers {
namespace {

using keyspace::Database;
using keyspace::Entry;
using keyspace::Key;

// Two routes over one regional tier that has the last word are as good as one.
bool AreOneBelow(const Route* a, const Route* b) {
  return a == b || (a != nullptr && b != nullptr && a->is_relayed() && b->is_relayed() &&
                    a->regional == b->regional);
}

// As errors call it.
std::string NameOf(const Route& route, const Upstream& upstream) {
  return (&upstream == route.regional ? "regional " : "origin ") + std::string(upstream.name());
}

}  // namespace

std::string TierError(const Route& route, const std::string& what, const std::string& advice) {
  return "TIER " + what + "; route " + route.display_name() + "; " + advice;
}

Overlay::~Overlay() {
  for (Entry* entry : entries_) Entry::Free(entry);
}

Entry* Overlay::Add(Entry* entry) {
  entries_.push_back(entry);
  return entry;
}

Resolver::Resolver(keyspace::Keyspace* keyspace, const RouteTable* routes, Fetches* fetches,
                   SpillLedger* spill, runtime::Loop* home, ResolverLimits limits,
                   const Rules& rules)
    : keyspace_(keyspace),
      routes_(routes),
      fetches_(fetches),
      spill_(spill),
      home_(home),
      limits_(limits),
      rules_(rules) {}

// ---- Plan
// ----------------------------------------------------------------------------------------

Resolver::Plan Resolver::MakePlan(const Access& access,
                                  std::span<const std::string_view> keys) const {
  Plan plan;
  if (keys.empty()) return plan;
  const Route* first = nullptr;
  const Route* spilling = nullptr;
  bool mixed = false, any_relayed = false, any_tiers = false, any_origin = false;
  for (size_t i = 0; i < keys.size(); ++i) {
    const Route* route = routes_->Match(keys[i]);
    if (route != nullptr && !route->has_tiers()) route = nullptr;
    if (i == 0) first = route;
    mixed |= !AreOneBelow(route, first);
    any_tiers |= route != nullptr;
    any_origin |= route != nullptr && route->origin != nullptr;
    any_relayed |= route != nullptr && route->is_relayed();
    if (route != nullptr && route->authority == Authority::kSpill) spilling = route;
  }
  if (!any_tiers) return plan;
  if (mixed && !access.splits_by_key) {
    plan.where = Where::kRefused;
    plan.error = "CROSSROUTE Keys in request are on different routes";
    return plan;
  }
  if (access.is_write && spilling != nullptr && !spill_->AcceptsWrites()) {
    plan.where = Where::kRefused;
    plan.error = TierError(*spilling, "too many deletions wait for the regional tier",
                           "it must come back, or raise limits.tombstones_max");
    return plan;
  }
  if ((access.is_write || access.runs_below) && any_relayed) {
    plan.where = mixed ? Where::kSplit : Where::kRelay;
    plan.route = first;
    plan.has_origin = any_origin;
    return plan;
  }
  plan.where = access.needs_value ? Where::kResolve : Where::kLocal;
  return plan;
}

// ---- Resolve
// -------------------------------------------------------------------------------------

Resolver::Outcome Resolver::Resolve(Database& database, const Access& access,
                                    std::span<const Key> keys,
                                    const std::shared_ptr<ParkedRequest>& parked,
                                    Overlay* overlay) {
  Outcome outcome;
  for (const Key& key : keys) {
    const Route* route = routes_->Match(key.bytes);
    if (route == nullptr || !route->has_tiers()) continue;
    switch (ResolveKey(database, access, *route, key, parked, overlay, &outcome.error)) {
      case KeyState::kKnown:
        break;
      case KeyState::kAwaiting:
        // Go on: the fetches of all missing keys run at the same time.
        outcome.state = State::kAwaiting;
        break;
      case KeyState::kFailed:
        outcome.state = State::kFailed;
        return outcome;
      case KeyState::kTooMany:
        outcome.state = State::kTooMany;
        return outcome;
      case KeyState::kTooLarge:
        outcome.state = State::kTooLarge;
        return outcome;
    }
  }
  return outcome;
}

Resolver::KeyState Resolver::ResolveKey(Database& database, const Access& access,
                                        const Route& route, const Key& key,
                                        const std::shared_ptr<ParkedRequest>& parked,
                                        Overlay* overlay, std::string* error) {
  const bool is_first_round = parked->rounds == 0;
  if (UseCopy(database, route, key) && (!access.brings_in || IsBelow(database, key))) {
    if (is_first_round) route.stats.local_hits.fetch_add(1, std::memory_order_relaxed);
    return KeyState::kKnown;
  }
  if (const FetchResult* result = parked->Find(key.bytes)) {
    const KeyState state =
        UseResult(database, access, route, key, *result, AskedMs(*parked), overlay, error);
    if (state != KeyState::kAwaiting) return state;
  }
  if (fetches_->IsKnownAbsent(route, database.index(), key, database.now_ms())) {
    route.stats.negative_hits.fetch_add(1, std::memory_order_relaxed);
    return KeyState::kKnown;
  }
  Fetches::Ask ask = Fetches::Ask::kAllTiers;
  if (!AskSpill(database, route, key, &ask)) return KeyState::kKnown;
  if (is_first_round) route.stats.local_misses.fetch_add(1, std::memory_order_relaxed);
  if (const Upstream* holder =
          fetches_->TooLargeAt(route, database.index(), key, database.now_ms())) {
    *error = TierError(route, NameOf(route, *holder) + ": too_large (above max_value)",
                       "the key could not be read");
    return holder == route.regional && route.is_relayed() ? KeyState::kTooLarge : KeyState::kFailed;
  }
  if (parked->rounds >= limits_.resolve_rounds_max) {
    *error = TierError(
        route,
        "the key changed " + std::to_string(parked->rounds) + " times while it was being fetched",
        "try again, or raise limits.resolve_rounds_max");
    return KeyState::kTooMany;
  }
  *error = RefusalToWait(*parked);
  if (!error->empty()) return KeyState::kTooMany;
  if (fetches_->Await(route, database.index(), key, ask, parked) == Fetches::Started::kTooMany) {
    *error = TierError(route, "too many fetches or waiters",
                       "try again, or raise limits.fetches_in_flight_max or "
                       "limits.waiters_per_fetch_max");
    return KeyState::kTooMany;
  }
  return KeyState::kAwaiting;
}

// "" or the error of a limit that stands against waiting. Asked before anything is fetched: an
// origin works for nobody who has been sent away. What awaits one key or part already waits, so
// that a request of several is refused as a whole or not at all.
std::string Resolver::RefusalToWait(const ParkedRequest& parked) const {
  if (parked.awaited() > 0) return "";
  if (parked.rounds == 0) {
    if (parked_count() < limits_.parked_requests_max) return "";
    return "TIER too many requests wait for lower tiers; try again, or raise "
           "limits.parked_requests_max";
  }
  const int64_t waited_us = home_->clock().MonoUs() - parked.parked_us;
  if (waited_us <= limits_.parked_ms_max * 1000) return "";
  return "TIER the request has waited for lower tiers for longer than limits.parked_ms_max";
}

// Is there a local copy that may be used? One from an earlier connection may not: what was written
// while there was none is not known here.
bool Resolver::UseCopy(Database& database, const Route& route, const Key& key) {
  Entry* entry = database.Peek(key);
  if (entry == nullptr) return false;
  if (route.authority == Authority::kRegional && entry->has_tier() && rules_.generations &&
      entry->tier().generation != route.generation.load(std::memory_order_acquire)) {
    database.DropCopy(key);
    return false;
  }
  return true;
}

// Did the copy of this key come from the regional tier? What an origin gave may still be on its way
// there.
bool Resolver::IsBelow(Database& database, const Key& key) {
  const Entry* entry = database.Peek(key);
  return entry != nullptr && entry->has_tier() && entry->tier().regional_copy;
}

// Must a key that is not here be fetched, as far as the spill ledger knows, and of whom?
bool Resolver::AskSpill(Database& database, const Route& route, const Key& key, Fetches::Ask* ask) {
  if (route.authority != Authority::kSpill) return true;
  const SpillLedger::Recalled recalled = spill_->Recall(database, key, route);
  // The value below has been given up, and the regional tier does not know it yet; an origin has
  // never had it.
  const bool is_gone = recalled == SpillLedger::Recalled::kAbsent;
  if (is_gone && route.origin != nullptr) *ask = Fetches::Ask::kOriginOnly;
  return recalled == SpillLedger::Recalled::kUnknown || *ask == Fetches::Ask::kOriginOnly;
}

// When the request first parked, which is after it came.
int64_t Resolver::AskedMs(const ParkedRequest& parked) const {
  const base::Clock& clock = home_->clock();
  return clock.NowMs() - (clock.MonoUs() - parked.parked_us) / 1000;
}

// Uses what was fetched for this request; kAwaiting when it has to be fetched again.
Resolver::KeyState Resolver::UseResult(Database& database, const Access& access, const Route& route,
                                       const Key& key, const FetchResult& result, int64_t asked_ms,
                                       Overlay* overlay, std::string* error) {
  const bool is_current = keyspace_->ShardOf(key).version(key.table_hash()) == result.version;
  if (access.is_write && !is_current && rules_.write_checks_version) return KeyState::kAwaiting;
  // Where values spill, a write here deletes the key below: that it was found absent there, so that
  // the origin was asked, then says nothing of it.
  const bool found_no_spill = route.authority == Authority::kSpill &&
                              (result.outcome == tiers::Outcome::kAbsent || result.from_origin);
  if (found_no_spill && !is_current && rules_.absence_checks_version) return KeyState::kAwaiting;
  switch (result.outcome) {
    case tiers::Outcome::kAbsent:
      return KeyState::kKnown;
    case tiers::Outcome::kFailed:
      *error = TierError(route, result.detail, "the key could not be read");
      return result.failure == Failure::kTooLarge && route.is_relayed() && !result.from_origin
                 ? KeyState::kTooLarge
                 : KeyState::kFailed;
    case tiers::Outcome::kValue:
      break;
  }
  // One that is not current was not stored in the regional tier, and what was written there instead
  // may be gone again.
  if (access.brings_in && result.from_origin && !is_current && rules_.write_checks_version) {
    return KeyState::kAwaiting;
  }
  if (access.brings_in) return KeyState::kKnown;
  // A key of the regional tier that may have expired before this request came, or before the write
  // that would build on it, is asked for again: whether it has, only that tier knows. What an
  // origin says answers all who wait, however short its life.
  const int64_t live_at_ms = access.is_write ? database.now_ms() : asked_ms;
  if (!result.from_origin && result.value.EndsBy(live_at_ms) && rules_.answer_checks_deadline) {
    return KeyState::kAwaiting;
  }
  ReadyValue ready;
  if (!Decode(result.value, keyspace_->hash_seed(), &ready)) {
    *error =
        TierError(route, "the value that was read makes no sense", "the key could not be read");
    return KeyState::kFailed;
  }
  // It answers at this moment, though its time is up.
  const int64_t now_only_ms = database.now_ms() + 1;
  int64_t deadline_ms = result.value.deadline_ms;
  const bool has_ended = deadline_ms != keyspace::kNoDeadline && deadline_ms < now_only_ms;
  if (!access.is_write) {
    if (has_ended) deadline_ms = now_only_ms;
    database.Overlay(key, overlay->Add(MakeEntry(key.bytes, std::move(ready), deadline_ms)));
    return KeyState::kKnown;
  }
  // A write builds on it, so it must be there, admitted or not. If nothing comes of the write it is
  // no copy to be kept; if something does, the key is ours, and what an origin said of its time
  // says nothing of what came of it.
  Database::Fill fill;
  fill.string = ready.string;
  fill.object = std::move(ready.object);
  fill.deadline_ms = has_ended ? keyspace::kNoDeadline : deadline_ms;
  fill.tier.route = route.index;
  fill.tier.regional_copy = route.authority == Authority::kSpill;
  if (!fill.tier.regional_copy || result.from_origin) fill.tier.fresh_until_ms = now_only_ms;
  database.FillCopy(key, std::move(fill));
  return KeyState::kKnown;
}

void Resolver::FetchAhead(Database& database, const Key& key) {
  const Route* route = routes_->Match(key.bytes);
  if (route == nullptr || !route->has_tiers()) return;
  if (UseCopy(database, *route, key)) return;
  if (fetches_->IsKnownAbsent(*route, database.index(), key, database.now_ms())) return;
  Fetches::Ask ask = Fetches::Ask::kAllTiers;
  if (!AskSpill(database, *route, key, &ask)) return;
  if (fetches_->TooLargeAt(*route, database.index(), key, database.now_ms()) != nullptr) return;
  // Ahead of time and for nobody yet: when a limit is reached, the request will say so itself.
  (void)fetches_->Await(*route, database.index(), key, ask, nullptr);
}

// ---- Explain
// -------------------------------------------------------------------------------------

// What a GET of a key would do that has no copy here, in the order of ResolveKey.
std::string Resolver::WithoutCopy(Database& database, const Route* route, const Key& key) {
  const int64_t now_ms = database.now_ms();
  if (route == nullptr || !route->has_tiers()) return "answer absent";
  if (fetches_->IsKnownAbsent(*route, database.index(), key, now_ms)) {
    return "answer absent (remembered)";
  }
  const SpillLedger::Recalled pending = spill_->Pending(database.index(), key, now_ms);
  if (pending == SpillLedger::Recalled::kValue) return "answer from the spill ledger";
  const bool is_gone_below = pending == SpillLedger::Recalled::kAbsent;
  if (is_gone_below && route->origin == nullptr) return "answer absent (deleted here)";
  const Upstream* holder = fetches_->TooLargeAt(*route, database.index(), key, now_ms);
  const bool is_relayed = holder != nullptr && holder == route->regional && route->is_relayed();
  if (holder != nullptr && !is_relayed) return "fail: too_large of " + NameOf(*route, *holder);
  std::string steps;
  const auto asks = [&](const Upstream& upstream, std::string_view how) {
    if (!steps.empty()) steps += ", then ";
    const bool is_refused = upstream.IsBreakerOpen();
    steps += is_refused ? "fail: breaker_open of " : how;
    steps += NameOf(*route, upstream);
    return !is_refused;
  };
  if (is_relayed) {
    asks(*route->regional, "relay (above max_value) to ");
    return steps;
  }
  if (route->regional != nullptr && !is_gone_below && !asks(*route->regional, "fetch from ")) {
    return steps;
  }
  if (route->origin != nullptr) asks(*route->origin, steps.empty() ? "fetch from " : "");
  return steps;
}

std::vector<std::pair<std::string, std::string>> Resolver::Explain(Database& database,
                                                                   const Key& key) {
  std::vector<std::pair<std::string, std::string>> facts;
  const auto fact = [&](std::string name, std::string value) {
    facts.emplace_back(std::move(name), std::move(value));
  };
  const Route* route = routes_->Match(key.bytes);
  fact("route", route == nullptr ? "none" : route->display_name());
  fact("write", std::string(route == nullptr ? "local" : AuthorityName(route->authority)));
  fact("regional", route == nullptr || route->regional == nullptr
                       ? "none"
                       : std::string(route->regional->name()));
  fact("origin",
       route == nullptr || route->origin == nullptr ? "none" : std::string(route->origin->name()));
  Entry* entry = database.Peek(key);
  const bool is_outdated = entry != nullptr && route != nullptr &&
                           route->authority == Authority::kRegional && entry->has_tier() &&
                           entry->tier().generation != route->generation.load();
  fact("local", entry == nullptr ? "absent" : is_outdated ? "outdated" : "present");
  if (entry != nullptr) {
    fact("type", std::string(keyspace::TypeName(entry->type())));
    fact("bytes", std::to_string(entry->charge()));
    fact("ttl_ms",
         entry->has_deadline() ? std::to_string(entry->deadline_ms() - database.now_ms()) : "-1");
  }
  if (entry != nullptr && entry->has_tier()) {
    const keyspace::TierBlock tier = entry->tier();
    fact("age_s", std::to_string(database.now_ms() / 1000 - tier.fetched_at_s));
    fact("fresh_ms", tier.fresh_until_ms == keyspace::kNoDeadline
                         ? "-1"
                         : std::to_string(tier.fresh_until_ms - database.now_ms()));
    fact("regional_copy", route == nullptr || route->regional == nullptr ? "none"
                          : tier.regional_copy                           ? "same"
                                                                         : "unknown");
  }
  const bool has_copy = entry != nullptr && !is_outdated;
  fact("get_would", has_copy ? "answer from local" : WithoutCopy(database, route, key));
  return facts;
}

}  // namespace terrace::tiers
