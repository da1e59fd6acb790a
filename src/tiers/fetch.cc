#include "tiers/fetch.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tiers/value_codec.h"

namespace terrace::tiers {
namespace {

std::string DetailOf(const Route& route, const Upstream& source, Failure failure,
                     const std::string& detail) {
  return std::string(&source == route.regional ? "regional " : "origin ") +
         std::string(source.name()) + ": " + std::string(FailureName(failure)) +
         (detail.empty() ? "" : " (" + detail + ")");
}

}  // namespace

std::string QualifiedKey(int database, std::string_view key) {
  std::string qualified;
  qualified.reserve(key.size() + 2);
  qualified.push_back(static_cast<char>(database & 0xff));
  qualified.push_back(static_cast<char>(database >> 8));
  qualified.append(key);
  return qualified;
}

struct Fetches::Fetch {
  Fetch(const Route& of_route, int of_database, const keyspace::Key& of_key, uint32_t at_version,
        Ask whom, int64_t now_us)
      : route(&of_route),
        database(of_database),
        key(of_key.bytes),
        hash(of_key.hash),
        version(at_version),
        ask(whom),
        deadline_us(now_us + of_route.timeout_ms * 1000) {}

  const Route* const route;
  const int database;
  const std::string key;
  const uint64_t hash;
  const uint32_t version;  // the key's write version at the start
  const Ask ask;
  const int64_t deadline_us;
  // Of the connection over which the regional tier told what it has; 0: it has not yet.
  std::atomic<uint32_t> generation{0};
  int64_t asked_ms = 0;                                 // when the tier that answered was asked
  int64_t ttl_ms = kNoTtl;                              // the route's, less jitter
  std::vector<std::shared_ptr<ParkedRequest>> waiters;  // guarded by the shard's lock

  keyspace::Key AsKey() const { return {key, hash}; }
  // What one upstream is asked: within its own timeout and what is left of the whole fetch's.
  GetRequest Request(int64_t sent_us, int64_t timeout_ms) const {
    return {database, key, std::min(deadline_us, sent_us + timeout_ms * 1000),
            route->value_bytes_max};
  }
};

Fetches::Fetches(keyspace::Keyspace* keyspace, runtime::Loop* home, FetchLimits limits,
                 uint64_t seed, const Rules& rules)
    : keyspace_(keyspace),
      home_(home),
      limits_(limits),
      rules_(rules),
      rng_(seed),
      shards_(static_cast<size_t>(keyspace->shard_count())) {}

Fetches::~Fetches() = default;

Fetches::Started Fetches::Await(const Route& route, int database, const keyspace::Key& key, Ask ask,
                                std::shared_ptr<ParkedRequest> waiter) {
  PerShard& mine = shards_[static_cast<size_t>(keyspace_->ShardIndex(key))];
  const uint32_t version = keyspace_->ShardOf(key).version(key.table_hash());
  FetchPtr& slot = mine.in_flight[QualifiedKey(database, key.bytes)];
  const bool is_current = slot != nullptr && MayBeJoined(*slot, version);
  if (is_current && slot->ask == ask) {
    if (waiter == nullptr) return Started::kAwaiting;
    if (slot->waiters.size() >= static_cast<size_t>(limits_.waiters_per_fetch_max)) {
      limited_.fetch_add(1, std::memory_order_relaxed);
      return Started::kTooMany;
    }
    route.stats.coalesced.fetch_add(1, std::memory_order_relaxed);
    waiter->Await();
    slot->waiters.push_back(std::move(waiter));
    return Started::kAwaiting;
  }
  if (in_flight() >= limits_.fetches_in_flight_max) {
    limited_.fetch_add(1, std::memory_order_relaxed);
    if (slot == nullptr) mine.in_flight.erase(QualifiedKey(database, key.bytes));
    return Started::kTooMany;
  }
  const int64_t now_us = home_->clock().MonoUs();
  auto fetch = std::make_shared<Fetch>(route, database, key, version, ask, now_us);
  if (waiter != nullptr) {
    waiter->Await();
    fetch->waiters.push_back(std::move(waiter));
  }
  slot = fetch;
  in_flight_.fetch_add(1, std::memory_order_relaxed);
  route.stats.fetches_in_flight.fetch_add(1, std::memory_order_relaxed);
  home_->Post([this, fetch = std::move(fetch)] { Start(fetch); });
  return Started::kAwaiting;
}

// A superseded fetch answers those who already wait; whoever comes later needs a new one. So does
// who comes after a reconnection, if the fetch has been told before it what the regional tier has:
// somebody else may have written there while there was no connection.
bool Fetches::MayBeJoined(const Fetch& fetch, uint32_t version) const {
  if (rules_.join_checks_version && fetch.version != version) return false;
  if (!rules_.join_checks_generation || !fetch.route->is_relayed()) return true;
  const uint32_t told_over = fetch.generation.load(std::memory_order_acquire);
  return told_over == 0 || told_over == fetch.route->generation.load(std::memory_order_acquire);
}

bool Fetches::IsKnownAbsent(const Route& route, int database, const keyspace::Key& key,
                            int64_t now_ms) {
  NegativeCache& absent = shards_[static_cast<size_t>(keyspace_->ShardIndex(key))].absent;
  return absent.size() != 0 && absent.Knows(QualifiedKey(database, key.bytes),
                                            {keyspace_->ShardOf(key).version(key.table_hash()),
                                             route.generation.load(std::memory_order_acquire)},
                                            now_ms);
}

const Upstream* Fetches::TooLargeAt(const Route& route, int database, const keyspace::Key& key,
                                    int64_t now_ms) {
  PerShard& mine = shards_[static_cast<size_t>(keyspace_->ShardIndex(key))];
  const auto knows = [&](NegativeCache& cache) {
    return cache.size() != 0 && cache.Knows(QualifiedKey(database, key.bytes),
                                            {keyspace_->ShardOf(key).version(key.table_hash()),
                                             route.generation.load(std::memory_order_acquire)},
                                            now_ms);
  };
  if (knows(mine.too_large_at_regional)) return route.regional;
  return knows(mine.too_large_at_origin) ? route.origin : nullptr;
}

// ---- On the home loop, in time order
// -------------------------------------------------------------

void Fetches::Start(FetchPtr fetch) {
  const RegionalTier* regional = fetch->route->regional;
  if (regional != nullptr && fetch->ask == Ask::kAllTiers) return AskRegional(std::move(fetch));
  if (regional != nullptr) fetch->generation = static_cast<uint32_t>(regional->generation());
  AskOrigin(std::move(fetch));
}

void Fetches::AskRegional(FetchPtr fetch) {
  const Route& route = *fetch->route;
  const int64_t sent_us = home_->clock().MonoUs();
  fetch->asked_ms = home_->clock().NowMs();
  route.regional->Get(fetch->Request(sent_us, route.regional_timeout_ms), [this, fetch, sent_us](
                                                                              GetResult result) {
    const Route& of = *fetch->route;
    of.stats.regional.latency_us.Record(static_cast<uint64_t>(home_->clock().MonoUs() - sent_us));
    fetch->generation = static_cast<uint32_t>(of.regional->generation());
    switch (result.outcome) {
      case Outcome::kValue:
        of.stats.regional.hits.fetch_add(1, std::memory_order_relaxed);
        return Finish(fetch, std::move(result), of.regional);
      case Outcome::kFailed:
        // The regional tier may hold a newer value than the origin: without it nothing is known.
        of.stats.regional.errors.fetch_add(1, std::memory_order_relaxed);
        return Finish(fetch, std::move(result), of.regional);
      case Outcome::kAbsent:
        of.stats.regional.misses.fetch_add(1, std::memory_order_relaxed);
        if (of.origin == nullptr) return Finish(fetch, std::move(result), of.regional);
        return AskOrigin(fetch);
    }
  });
}

void Fetches::AskOrigin(FetchPtr fetch) {
  const Route& route = *fetch->route;
  const int64_t sent_us = home_->clock().MonoUs();
  fetch->asked_ms = home_->clock().NowMs();
  route.origin->Get(
      fetch->Request(sent_us, route.origin_timeout_ms), [this, fetch, sent_us](GetResult result) {
        const Route& of = *fetch->route;
        of.stats.origin.latency_us.Record(static_cast<uint64_t>(home_->clock().MonoUs() - sent_us));
        auto& counter = result.outcome == Outcome::kValue    ? of.stats.origin.hits
                        : result.outcome == Outcome::kAbsent ? of.stats.origin.misses
                                                             : of.stats.origin.errors;
        counter.fetch_add(1, std::memory_order_relaxed);
        Finish(fetch, std::move(result), of.origin);
      });
}

void Fetches::Finish(FetchPtr fetch, GetResult result, const Upstream* source) {
  const Route& route = *fetch->route;
  auto shared = std::make_shared<FetchResult>();
  shared->outcome = result.outcome;
  shared->failure = result.failure;
  shared->version = fetch->version;
  if (result.outcome == Outcome::kFailed) {
    shared->detail = DetailOf(route, *source, result.failure, result.detail);
  }
  shared->from_origin = source == route.origin;
  const bool is_new_below = shared->from_origin && route.regional != nullptr;
  // One for all tiers that it enters, so that no copy outlives the one that it would be taken from.
  if (result.outcome == Outcome::kValue) fetch->ttl_ms = JitteredTtlMs(route);
  int64_t below_until_ms = result.value.usable_until_ms();
  if (is_new_below && below_until_ms == keyspace::kNoDeadline && fetch->ttl_ms != kNoTtl) {
    below_until_ms = fetch->asked_ms + fetch->ttl_ms;
  }
  // Where the regional tier has the last word, the lifetime that it gets there is the key's own,
  // and the one that clients see from the start.
  if (route.is_relayed()) result.value.deadline_ms = below_until_ms;
  Waiters waiters;
  bool is_current;
  {
    const keyspace::Key key = fetch->AsKey();
    keyspace::ShardLock lock(*keyspace_, keyspace_->SetOf(key));
    is_current = Fill(*fetch, result, source);
    PerShard& mine = shards_[static_cast<size_t>(keyspace_->ShardIndex(key))];
    const auto found = mine.in_flight.find(QualifiedKey(fetch->database, fetch->key));
    if (found != mine.in_flight.end() && found->second == fetch) mine.in_flight.erase(found);
    waiters.swap(fetch->waiters);
  }
  // A workload of reads grows by fills alone, so they pay for their memory as writes do. Outside of
  // the lock, since room may have to be made in any shard.
  if (keyspace_->IsOverLimit()) keyspace_->MakeRoom(home_->clock().NowMs());
  if (!is_current) route.stats.superseded.fetch_add(1, std::memory_order_relaxed);
  // A write that was acknowledged since is already behind this on the home loop or has changed the
  // version; so the put reaches the regional tier before any later write does.
  if (is_current && is_new_below && fetch->ask == Ask::kAllTiers &&
      result.outcome == Outcome::kValue && result.value.storable) {
    Value stored = result.value;
    stored.deadline_ms = below_until_ms;
    stored.copies_until_ms = keyspace::kNoDeadline;
    if (!stored.EndsBy(home_->clock().NowMs())) {
      const auto first = std::stable_partition(waiters.begin(), waiters.end(),
                                               [](const auto& of) { return !of->awaits_stores; });
      Waiters later(std::make_move_iterator(first), std::make_move_iterator(waiters.end()));
      waiters.erase(first, waiters.end());
      StoreRegional(*fetch, std::move(stored), shared, std::move(later));
    }
  }
  in_flight_.fetch_sub(1, std::memory_order_relaxed);
  route.stats.fetches_in_flight.fetch_sub(1, std::memory_order_relaxed);
  shared->value = std::move(result.value);
  for (const auto& waiter : waiters) waiter->DeliverFetch(fetch->key, shared);
}

int64_t Fetches::JitteredTtlMs(const Route& route) {
  if (route.ttl_ms == kNoTtl || route.jitter <= 0) return route.ttl_ms;
  return route.ttl_ms -
         static_cast<int64_t>(route.jitter * rng_.Unit() * static_cast<double>(route.ttl_ms));
}

int64_t Fetches::FreshUntilMs(const Fetch& fetch, const Value& value) {
  if (fetch.ttl_ms == kNoTtl) return value.usable_until_ms();
  const int64_t until_ms = fetch.asked_ms + fetch.ttl_ms;
  return value.EndsBy(until_ms) ? value.usable_until_ms() : until_ms;
}

void Fetches::Remember(NegativeCache* cache, const Fetch& fetch, int64_t ttl_ms,
                       int64_t now_ms) const {
  if (ttl_ms <= 0) return;
  const auto limit =
      std::max<size_t>(2, static_cast<size_t>(limits_.negative_entries_max) / shards_.size());
  cache->Remember(QualifiedKey(fetch.database, fetch.key), {fetch.version, fetch.generation},
                  fetch.asked_ms + ttl_ms, now_ms, limit);
}

bool Fetches::Fill(Fetch& fetch, const GetResult& result, const Upstream* source) {
  const Route& route = *fetch.route;
  const keyspace::Key key = fetch.AsKey();
  if (keyspace_->ShardOf(key).version(key.table_hash()) != fetch.version &&
      rules_.fill_checks_version) {
    return false;
  }
  const int64_t now_ms = home_->clock().NowMs();
  if (result.outcome == Outcome::kAbsent) {
    const int64_t ttl_ms = result.absent_ttl_ms == kNoTtl
                               ? route.negative_ttl_ms
                               : std::min(result.absent_ttl_ms, route.negative_ttl_ms);
    Remember(&shards_[static_cast<size_t>(keyspace_->ShardIndex(key))].absent, fetch, ttl_ms,
             now_ms);
    return true;
  }
  if (result.failure == Failure::kTooLarge) {
    // It need not come as a whole again to be found too large. Where it can be relayed instead, as
    // long as a copy would live; an error is remembered no longer than an absence.
    constexpr int64_t kTtlMs = 60'000;
    PerShard& mine = shards_[static_cast<size_t>(keyspace_->ShardIndex(key))];
    const bool is_below = source == route.regional;
    const int64_t ttl_ms = !is_below || !route.is_relayed() ? route.negative_ttl_ms
                           : route.ttl_ms == kNoTtl         ? kTtlMs
                                                            : route.ttl_ms;
    Remember(is_below ? &mine.too_large_at_regional : &mine.too_large_at_origin, fetch, ttl_ms,
             now_ms);
    return true;
  }
  if (result.outcome != Outcome::kValue || !result.value.storable || result.value.EndsBy(now_ms)) {
    return true;
  }
  if (route.regional != nullptr && rules_.generations &&
      static_cast<uint32_t>(route.regional->generation()) != fetch.generation) {
    return true;
  }
  // Copies can be fetched again: where memory is full and nothing may leave, they stay out.
  keyspace::Database database(keyspace_, fetch.database, now_ms);
  if (keyspace_->IsOverLimit() && keyspace_->policy_name() == "noeviction") return true;
  ReadyValue ready;
  if (!Decode(result.value, keyspace_->hash_seed(), &ready)) return true;
  const size_t bytes =
      fetch.key.size() + ready.string.size() + (ready.object ? ready.object->bytes() : size_t{0});
  if (!keyspace_->ShardOf(key).policy().AdmitFetched(key.table_hash(),
                                                     static_cast<uint32_t>(bytes))) {
    return true;
  }
  keyspace::Database::Fill fill;
  fill.string = ready.string;
  fill.object = std::move(ready.object);
  fill.tier.route = route.index;
  fill.tier.generation = fetch.generation;
  fill.tier.fetched_at_s = static_cast<uint32_t>(now_ms / 1000);
  // What the regional tier says is the key's own lifetime, which clients see. What an origin says
  // is its lifetime too, since it is stored in the regional tier with it.
  fill.deadline_ms = result.value.deadline_ms;
  const bool is_spill = route.authority == Authority::kSpill;
  fill.tier.regional_copy = is_spill || source == route.regional;
  // What a spill route has from its regional tier was evicted here: it is no copy of another's.
  if (!is_spill || source == route.origin) {
    fill.tier.fresh_until_ms = FreshUntilMs(fetch, result.value);
    // It was on its way for longer than it may be kept.
    if (fill.tier.fresh_until_ms != keyspace::kNoDeadline && fill.tier.fresh_until_ms <= now_ms) {
      return true;
    }
  }
  database.FillCopy(key, std::move(fill));
  route.stats.fills.fetch_add(1, std::memory_order_relaxed);
  return true;
}

// waiters: those who are told of the result when this is done.
void Fetches::StoreRegional(const Fetch& fetch, Value value,
                            std::shared_ptr<const FetchResult> result, Waiters waiters) {
  const Route& route = *fetch.route;
  PutRequest put;
  put.database = fetch.database;
  put.key = fetch.key;
  put.value = std::move(value);
  put.only_if_absent = true;
  put.deadline_us = home_->clock().MonoUs() + route.regional_timeout_ms * 1000;
  route.regional->Put(std::move(put), [this, &route, database = fetch.database, key = fetch.key,
                                       hash = fetch.hash, result = std::move(result),
                                       waiters = std::move(waiters)](PutResult put_result) {
    if (put_result.failure != Failure::kNone) {
      route.stats.regional.errors.fetch_add(1, std::memory_order_relaxed);
    }
    if (put_result.failure != Failure::kNone || !put_result.stored) {
      DropDoubtful(route, database, {key, hash});
    }
    if (waiters.empty()) return;
    std::shared_ptr<const FetchResult> told = result;
    if (put_result.failure != Failure::kNone) {
      auto failed = std::make_shared<FetchResult>(*result);
      failed->outcome = Outcome::kFailed;
      failed->failure = put_result.failure;
      failed->detail = DetailOf(route, *route.regional, put_result.failure, put_result.detail);
      told = std::move(failed);
    }
    for (const auto& waiter : waiters) waiter->DeliverFetch(key, told);
  });
}

// Somebody else wrote the key while it was to be stored, or nobody knows: the copy made here is not
// to be trusted any more.
void Fetches::DropDoubtful(const Route& route, int database, const keyspace::Key& key) {
  keyspace::ShardLock lock(*keyspace_, keyspace_->SetOf(key));
  keyspace::Database copies(keyspace_, database, home_->clock().NowMs());
  // On a spill route a value that was written here since is no copy: it has the last word.
  const keyspace::Entry* entry = copies.Peek(key);
  const bool is_copy = entry != nullptr && entry->has_tier() &&
                       (route.authority != Authority::kSpill || entry->tier().regional_copy);
  if (is_copy) copies.DropCopy(key);
  keyspace_->ShardOf(key).BumpVersion(key.table_hash());
}

}  // namespace terrace::tiers
