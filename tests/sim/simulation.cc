#include "sim/simulation.h"

#include <algorithm>
#include <utility>

#include "server/commands.h"

namespace terrace::sim {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int kWorkers = SimLoop::kLanes - 1;  // beside the home loop
// So many tasks without time passing can only be a circle.
constexpr uint64_t kStepsNowMax = 200'000;

keyspace::KeyspaceOptions OptionsOf(base::Rng& rng) {
  keyspace::KeyspaceOptions options;
  options.database_count = 1;
  options.shard_count = 4;
  options.concurrent = false;
  options.seed = rng.Next();
  constexpr std::array kPolicies = {"s3-fifo", "allkeys-lru", "sieve", "noeviction"};
  options.policy = kPolicies[rng.Below(kPolicies.size())];
  return options;
}

std::vector<std::span<const commands::Command>> Families() {
  std::vector<std::span<const commands::Command>> families;
  for (const auto& family : commands::DataFamilies()) families.push_back(family);
  families.push_back(server::TransactionCommands());
  return families;
}

// Would it be lost if it were evicted?
bool IsOnlyHere(const HotKey& key, const keyspace::Entry& entry) {
  return key.name.starts_with("x:") || (key.name.starts_with("l:") && !entry.has_tier());
}

}  // namespace

Simulation::Simulation(uint64_t seed, uint64_t requests, const tiers::Rules& rules)
    : rng_(seed),
      loop_(rng_.Next()),
      log_(&loop_.clock()),
      registry_(Families()),
      keyspace_(OptionsOf(rng_)),
      regional_(&loop_, &rng_),
      origin_(&loop_, &rng_),
      requests_left_(requests) {
  log_.set_level(base::Log::Level::kWarning);
  board_ = {&loop_, &rng_, &origin_, &history_, {}, {}};
  pressed_ = rng_.Below(3) == 0;
  MakeKeys();
  // Not drawn, so that the other seeds stay what they are known for.
  if (seed % 11 == 3) {
    for (const HotKey& key : board_.keys) {
      if (key.name.starts_with("t:")) receding_.push_back(&key);
    }
  }
  MakeRoutes();
  MakeTiers(rules);
  core_.clock = &loop_.clock();
  core_.log = &log_;
  core_.keyspace = &keyspace_;
  core_.registry = &registry_;
  core_.users = &users_;
  core_.resolver = resolver_.get();
  core_.messaging = &messaging_;
  core_.scripts = &scripts_;
  core_.worker_count = kWorkers;
  for (int i = 0; i < kWorkers; ++i) {
    lanes_.push_back(std::make_unique<SimLane>(&loop_, i + 1));
    workers_.push_back(
        std::make_unique<server::Worker>(&core_, i, lanes_.back().get(), registry_.rows().size()));
  }
  for (int i = 0; i < kClients; ++i) clients_.push_back(std::make_unique<Client>(&board_, i));
}

Simulation::~Simulation() = default;

// ---- Setting up --------------------------------------------------------------------------------

void Simulation::MakeKeys() {
  const auto add = [this](std::string name, KeyClass key_class) {
    board_.keys.push_back({std::move(name), key_class});
  };
  add("f:s0", KeyClass::kString);
  add("f:s1", KeyClass::kString);
  add("f:c0", KeyClass::kCounter);
  add("s:s0", KeyClass::kString);
  add("s:s1", KeyClass::kString);
  add("s:c0", KeyClass::kCounter);
  add("o:k0", KeyClass::kConstant);
  add("t:k0", KeyClass::kConstant);
  add("t:k1", KeyClass::kConstant);
  add("p:r0", KeyClass::kForeign);
  add("l:r0", KeyClass::kForeign);
  add("l:r1", KeyClass::kForeign);
  // Memory that runs short may take plain local keys away, as it may in Redis.
  if (!pressed_) {
    add("x:s0", KeyClass::kString);
    add("x:c0", KeyClass::kCounter);
    add("l:k0", KeyClass::kConstant);
  }
  add("q:k0", KeyClass::kConstant);
  for (const HotKey& key : board_.keys) {
    if (key.key_class == KeyClass::kConstant) {
      origin_.SetForever(key.name, key.name + "@origin");
      history_.SetDefault(key.name, key.name + "@origin");
    } else if (key.key_class == KeyClass::kForeign) {
      origin_.Change(key.name);
    }
  }
  // Many runs are about some of the keys only: more happens to each at the same time.
  if (rng_.Below(2) == 0) return;
  const size_t few = 4 + rng_.Below(4);
  requests_left_ /= 2;
  while (board_.keys.size() > few) {
    board_.keys.erase(board_.keys.begin() + static_cast<long>(rng_.Below(board_.keys.size())));
  }
}

void Simulation::MakeRoutes() {
  std::vector<std::unique_ptr<tiers::Route>> routes;
  const auto add = [&](std::string prefix, tiers::Authority authority, bool regional, bool origin) {
    auto route = std::make_unique<tiers::Route>();
    route->prefix = std::move(prefix);
    route->authority = authority;
    if (regional) route->regional = &regional_;
    if (origin) route->origin = &origin_;
    if (rng_.Below(2) == 0) route->ttl_ms = 1 + static_cast<int64_t>(rng_.Below(50));
    if (rng_.Below(2) == 0) route->negative_ttl_ms = 1 + static_cast<int64_t>(rng_.Below(200));
    route->jitter = 0.1;
    route->regional_timeout_ms = 5 + static_cast<int64_t>(rng_.Below(200));
    route->origin_timeout_ms = 5 + static_cast<int64_t>(rng_.Below(200));
    route->timeout_ms = 300;
    if (rng_.Below(4) == 0) route->relay_in_flight_max = 2;
    routes.push_back(std::move(route));
  };
  add("f:", tiers::Authority::kRegional, true, false);
  add("p:", tiers::Authority::kRegional, true, true);
  add("o:", tiers::Authority::kRegional, true, true);
  add("q:", tiers::Authority::kRegional, true, true);
  // A lifetime that only the regional tier knows of would end what is written there.
  routes.back()->ttl_ms = tiers::kNoTtl;
  add("s:", tiers::Authority::kSpill, true, false);
  add("t:", tiers::Authority::kSpill, true, true);
  add("l:", tiers::Authority::kLocal, false, true);
  routes_ = std::make_unique<tiers::RouteTable>(std::move(routes));
}

// As server/tier_system.cc does.
void Simulation::MakeTiers(const tiers::Rules& rules) {
  const auto rarely = [this](int64_t tight, int64_t wide) {
    return rng_.Below(5) == 0 ? tight : wide;
  };
  tiers::FetchLimits fetch_limits;
  fetch_limits.waiters_per_fetch_max = rarely(1, 20000);
  fetch_limits.fetches_in_flight_max = rarely(2, 10000);
  fetch_limits.negative_entries_max = rarely(2, 100000);
  fetches_ = std::make_unique<tiers::Fetches>(&keyspace_, &loop_, fetch_limits, rng_.Next(), rules);
  tiers::SpillLimits spill_limits;
  spill_limits.pending_bytes_max = static_cast<uint64_t>(rarely(300, 64 << 20));
  spill_limits.tombstones_max = rarely(2, 100000);
  spill_ =
      std::make_unique<tiers::SpillLedger>(&keyspace_, routes_.get(), &loop_, spill_limits, rules);
  keyspace_.AddSink(spill_.get());
  tiers::ResolverLimits limits;
  limits.resolve_rounds_max = static_cast<int>(rarely(2, 8));
  limits.parked_requests_max = rarely(2, 100000);
  resolver_ = std::make_unique<tiers::Resolver>(&keyspace_, routes_.get(), fetches_.get(),
                                                spill_.get(), &loop_, limits, rules);
  regional_.OnNewGeneration([this](uint64_t generation) {
    for (const auto& route : routes_->routes()) {
      if (route->regional == nullptr) continue;
      route->generation.store(static_cast<uint32_t>(generation), std::memory_order_release);
    }
    loop_.Post([this] { spill_->Resume(&regional_); });
  });
}

void Simulation::Connect(Client& client) {
  const size_t chosen = rng_.Below(workers_.size());
  auto wire = std::make_shared<Wire>(lanes_[chosen].get(), &rng_);
  workers_[chosen]->Adopt(next_connection_++, [&](base::Function<void(int)> on_events) {
    wire->Attach(std::move(on_events));
    return std::make_unique<SimStream>(wire);
  });
  client.Connect(std::move(wire));
}

// ---- What happens ------------------------------------------------------------------------------

void Simulation::Later(int64_t mean_us, base::Function<void()> action) {
  const auto delay_us = static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(2 * mean_us)));
  loop_.AfterUs(delay_us, [action = std::move(action)]() mutable { action(); });
}

void Simulation::Act(int index) {
  if (calm_) return;
  Client& client = *clients_[static_cast<size_t>(index)];
  if (!client.connected()) Connect(client);
  if (rng_.Below(150) == 0) client.Disconnect();
  if (client.connected() && client.waiting() < 12) {
    const uint64_t count = rng_.Below(3) == 0 ? 1 + rng_.Below(8) : 1;
    for (uint64_t i = 0; i < count && requests_left_ > 0; ++i) {
      client.Ask();
      --requests_left_;
      ++requests_;
    }
  }
  Later(3000, [this, index] { Act(index); });
}

void Simulation::Disturb() {
  if (calm_) return;
  const uint64_t choice = rng_.Below(20);
  if (choice < 2) LoseRegional();
  if (choice == 2) regional_.Stall(static_cast<int64_t>(rng_.Below(400'000)));
  if (choice == 3 && pressed_) Press();
  if (choice == 4) regional_.StallAnswers(static_cast<int64_t>(rng_.Below(100'000)));
  Later(8000, [this] { Disturb(); });
}

// While there is no connection somebody else may write to the regional tier. Copies made here may
// hide that until the next connection, and no longer.
void Simulation::LoseRegional() {
  if (!regional_.connected()) return;
  const int64_t down_us = 1 + static_cast<int64_t>(rng_.Below(rng_.Below(2) == 0 ? 60'000 : 3'000));
  regional_.Lose(down_us);
  if (rng_.Below(2) == 0) return;
  constexpr std::array kForwardKeys = {"f:s0", "f:s1", "o:k0"};
  Operation write;
  write.kind = Kind::kSet;
  write.key = kForwardKeys[rng_.Below(kForwardKeys.size())];
  write.argument = write.key + "=foreign" + std::to_string(++board_.next_value) + ";";
  write.asked_us = loop_.now_us();
  write.answered_us = loop_.now_us() + down_us + SimLoop::kGridUs;
  loop_.AfterUs(static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(down_us))),
                [this, key = write.key, value = write.argument] { regional_.Write(key, value); });
  history_.Add(std::move(write));
}

// Takes a key out of the local tier, as the eviction policy might at any moment.
void Simulation::EvictNow(const HotKey& key) {
  const keyspace::Key found = keyspace_.MakeKey(key.name);
  keyspace::Database database(&keyspace_, 0, loop_.clock().NowMs());
  keyspace::Entry* entry = database.Peek(found);
  if (entry == nullptr || IsOnlyHere(key, *entry)) return;
  database.Evict(entry);
}

void Simulation::Evict() {
  if (calm_) return;
  EvictNow(board_.keys[rng_.Below(board_.keys.size())]);
  Later(2500, [this] { Evict(); });
}

bool Simulation::MayAsk(const Client& client) const {
  return !calm_ && client.connected() && client.waiting() < 3 && requests_left_ > 0;
}

// Everybody turns to the same key, which is not in the local tier: at once, so that reads and
// writes overtake each other on their way to the home loop; or, while answers are slow, one after
// the other, so that some come after the end of what others are still waiting for.
void Simulation::Crowd() {
  if (calm_) return;
  const HotKey& key = board_.keys[rng_.Below(board_.keys.size())];
  const bool is_slow = key.key_class == KeyClass::kString && rng_.Below(4) == 0;
  const auto spread_us = is_slow ? uint64_t{30'000} : uint64_t{SimLoop::kGridUs};
  EvictNow(key);
  if (is_slow) {
    if (MayAsk(*clients_[0])) {
      clients_[0]->Overwrite(key, 10 + static_cast<int64_t>(rng_.Below(20)));
    }
    loop_.AfterUs(4'000, [this, &key] {
      EvictNow(key);
      if (!calm_) regional_.StallAnswers(20'000 + static_cast<int64_t>(rng_.Below(30'000)));
    });
  }
  for (int i = 0; i < kClients; ++i) {
    loop_.AfterUs(5'000 + static_cast<int64_t>(rng_.Below(spread_us)), [this, i, is_slow, &key] {
      Client& client = *clients_[static_cast<size_t>(i)];
      if (!MayAsk(client)) return;
      const bool is_writer = i == 0 && !is_slow;
      is_writer ? client.Overwrite(key, 0) : is_slow ? client.Read(key) : client.AskAbout(key);
      --requests_left_;
      ++requests_;
    });
  }
  Later(12'000, [this] { Crowd(); });
}

// A value is below, and an origin under it. It is overwritten while everybody asks for it, and the
// new value goes below too while the origin is asked: what the regional tier had for a moment
// between the two was nothing, and the origin's value has never been the key's.
void Simulation::Recede() {
  if (calm_) return;
  const HotKey& key = *receding_[rng_.Below(receding_.size())];
  const auto ask = [this, &key](int index, bool writes) {
    Client& client = *clients_[static_cast<size_t>(index)];
    if (!client.connected()) Connect(client);
    if (!MayAsk(client)) return;
    writes ? client.Overwrite(key, 0) : client.Read(key);
    --requests_left_;
    ++requests_;
  };
  ask(0, true);
  loop_.AfterUs(5'000, [this, &key] { EvictNow(key); });
  for (int i = 0; i < kClients; ++i) {
    const auto delay_us = static_cast<int64_t>(rng_.Below(SimLoop::kGridUs));
    loop_.AfterUs(30'000 + delay_us, [ask, i] { ask(i, i == 0); });
  }
  for (int64_t later_us = 30'500; later_us < 33'000; later_us += 500) {
    loop_.AfterUs(later_us, [this, &key] { EvictNow(key); });
  }
  Later(60'000, [this] { Recede(); });
}

// Memory runs short for a while.
void Simulation::Press() {
  const auto used = static_cast<uint64_t>(std::max<int64_t>(2, keyspace_.used_bytes()));
  keyspace_.SetMemoryLimit(1 + rng_.Below(used));
  Later(10'000, [this] { keyspace_.SetMemoryLimit(0); });
}

void Simulation::Tick() {
  for (auto& worker : workers_) worker->Tick(settings_);
  loop_.After(100, [this] { Tick(); });
}

// ---- What is watched all the time --------------------------------------------------------------

void Simulation::Watch() {
  if (loop_.steps_now() > kStepsNowMax) board_.Wrong("a livelock: time does not pass any more");
  WatchSingleFlight();
}

// A fetch of a key may begin beside another only when the key has changed since that one began.
// Keys share version counters, which only makes this look away. Where a fetch asks the regional
// tier first, that is when it began.
void Simulation::WatchSingleFlight() {
  for (const HotKey& hot : board_.keys) {
    const keyspace::Key key = keyspace_.MakeKey(hot.name);
    const uint32_t version = keyspace_.ShardOf(key).version(key.table_hash());
    Watched& watched = watched_[hot.name];
    if (version != watched.version) watched = {version, loop_.now_us()};
    const bool has_regional = !hot.name.starts_with("l:");
    const auto& reads =
        has_regional ? regional_.gets_in_flight[hot.name] : origin_.gets_in_flight[hot.name];
    const auto current = std::distance(reads.upper_bound(watched.changed_us), reads.end());
    if (current > 1) {
      board_.Wrong("two fetches of " + hot.name + " at once at " + std::to_string(loop_.now_us()));
    }
  }
}

// ---- The run -----------------------------------------------------------------------------------

bool Simulation::Quiet() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client->waiting() == 0; });
}

// Returns whether it stopped because every request was answered.
bool Simulation::RunUntil(int64_t until_us, bool stop_when_quiet) {
  while (board_.violation.empty() && loop_.Step(until_us)) {
    Watch();
    if (stop_when_quiet && Quiet()) return true;
    if (!stop_when_quiet && requests_left_ == 0) return false;
  }
  return false;
}

Report Simulation::Run() {
  loop_.AfterUs(1, [this] { regional_.Connect(); });
  if (!receding_.empty()) {
    Later(12'000, [this] { Recede(); });
  } else {
    for (int i = 0; i < kClients; ++i) Later(3000, [this, i] { Act(i); });
    Later(8000, [this] { Disturb(); });
    Later(2500, [this] { Evict(); });
    Later(12'000, [this] { Crowd(); });
  }
  loop_.After(100, [this] { Tick(); });
  RunUntil(loop_.now_us() + 600 * kSecondUs, false);
  if (board_.violation.empty()) Settle();
  if (board_.violation.empty()) CheckEnd();
  return MakeReport();
}

// Lets everything come to rest, then reads every key once more.
void Simulation::Settle() {
  calm_ = true;
  origin_.Heal();
  regional_.Heal();
  if (!RunUntil(loop_.now_us() + 2 * Client::kAnswerBoundUs, true) && board_.violation.empty()) {
    for (const auto& client : clients_) {
      if (client->waiting() > 0) board_.Wrong("never answered: " + client->Oldest());
    }
  }
  keyspace_.SetMemoryLimit(0);
  Client& last = *clients_[0];
  if (!last.connected()) Connect(last);
  for (int round = 0; round < 2; ++round) {
    RunUntil(loop_.now_us() + 2 * kSecondUs, true);
    const int64_t end_us = loop_.now_us() + 2 * kSecondUs;
    while (board_.violation.empty() && loop_.Step(end_us)) Watch();
    for (const HotKey& key : board_.keys) {
      last.Read(key);
      const keyspace::Key found = keyspace_.MakeKey(key.name);
      keyspace::Database database(&keyspace_, 0, loop_.clock().NowMs());
      keyspace::Entry* entry = database.Peek(found);
      if (round == 0 && entry != nullptr && !IsOnlyHere(key, *entry)) database.Evict(entry);
    }
    requests_ += board_.keys.size();
    RunUntil(loop_.now_us() + 2 * Client::kAnswerBoundUs, true);
    if (!Quiet()) board_.Wrong("never answered: " + last.Oldest());
  }
  const int64_t end_us = loop_.now_us() + 2 * kSecondUs;
  while (board_.violation.empty() && loop_.Step(end_us)) Watch();
}

void Simulation::CheckEnd() {
  const auto zero = [this](int64_t value, const std::string& name) {
    if (value != 0) board_.Wrong(name + " is " + std::to_string(value) + " at the end");
  };
  zero(resolver_->parked_count(), "the number of parked requests");
  zero(fetches_->in_flight(), "the number of fetches in flight");
  zero(spill_->pending_bytes(), "what waits to be spilled");
  zero(spill_->tombstones(), "the number of tombstones");
  for (const auto& route : routes_->routes()) {
    zero(route->stats.fetches_in_flight.load(), route->prefix + " fetches in flight");
    zero(route->stats.relays_in_flight.load(), route->prefix + " relays in flight");
  }
  if (board_.violation.empty()) board_.violation = history_.Check();
}

Report Simulation::MakeReport() {
  Report report;
  report.violation = board_.violation;
  report.requests = requests_;
  report.replies = board_.replies;
  report.errors = board_.errors;
  report.lost_replies = board_.lost_replies;
  report.slowest_us = board_.slowest_us;
  report.steps = loop_.steps();
  report.generations = regional_.generation();
  report.evictions = keyspace_.TotalStats().evicted;
  for (const auto& route : routes_->routes()) {
    report.fetches +=
        route->stats.regional.hits + route->stats.regional.misses + route->stats.regional.errors;
    report.superseded += route->stats.superseded;
    report.coalesced += route->stats.coalesced;
    report.relays += route->stats.relays;
    report.spills += route->stats.spills;
  }
  for (const HotKey& key : board_.keys) {
    if (key.key_class == KeyClass::kForeign)
      report.origin_states += origin_.states(key.name).size();
  }
  return report;
}

}  // namespace terrace::sim
