#include "server/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/memory.h"
#include "runtime/entropy.h"
#include "runtime/socket.h"
#include "server/commands.h"
#include "server/descriptor_limit.h"
#include "server/replicas.h"

namespace terrace::server {
namespace {

// New clients taken from a listener in one turn.
constexpr int kAcceptsPerTurn = 256;
// How long to leave a listener alone when descriptors have run out.
constexpr int64_t kExhaustedPauseMs = 100;

// Several shards a thread, so that threads seldom meet; a power of two.
int ShardCountFor(int threads) {
  int count = 8;
  while (count < 4 * threads && count < keyspace::kShardsMax) count *= 2;
  return count;
}

int ThreadsOf(const Settings& settings) {
  if (settings.threads > 0) return static_cast<int>(settings.threads);
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// One for each read that a directory may have at work, as it may hang, and some for the names of
// hosts.
size_t HelperThreadsOf(const Settings& settings) {
  size_t count = 4;
  for (const OriginSettings& origin : settings.origins) {
    if (origin.kind == OriginKind::kDirectory) count += origin.directory.concurrency_max;
  }
  return count;
}

}  // namespace

class Server::Listener {
 public:
  Listener(Server* server, runtime::Loop* loop, int fd) : server_(server), loop_(loop), fd_(fd) {
    watcher_ = loop->Watch(fd, [this](int) { server_->AcceptFrom(fd_); });
    watcher_->SetEvents(runtime::kReadable);
  }
  ~Listener() {
    watcher_.reset();
    close(fd_);
  }
  int fd() const { return fd_; }
  void Pause(int64_t pause_ms) {
    watcher_->SetEvents(0);
    loop_->After(pause_ms, [this] { watcher_->SetEvents(runtime::kReadable); });
  }

 private:
  Server* const server_;
  runtime::Loop* const loop_;
  const int fd_;
  std::unique_ptr<runtime::FdWatcher> watcher_;
};

Server::Server(const Startup& startup)
    : log_(&clock_),
      registry_(AllFamilies()),
      settings_(startup.settings),
      files_(startup.files),
      config_(startup.files, [this](std::string_view name,
                                    const Settings& settings) { return Apply(name, settings); }),
      start_ms_(clock_.NowMs()),
      run_id_(runtime::RandomHex(40)) {
  settings_.maxclients = FitClientsToDescriptors(settings_.maxclients);
  if (settings_.maxclients < startup.settings.maxclients) {
    log_.Warning("maxclients_lowered", {{"from", std::to_string(startup.settings.maxclients)},
                                        {"to", std::to_string(settings_.maxclients)},
                                        {"why", "the limit of open files (ulimit -n)"}});
  }
  const int threads = ThreadsOf(settings_);
  keyspace::KeyspaceOptions options;
  options.database_count = static_cast<int>(settings_.databases);
  options.shard_count = ShardCountFor(threads);
  options.concurrent = threads > 1;
  options.background_free = true;
  options.seed = runtime::RandomSeed();
  options.policy = settings_.maxmemory_policy;
  options.memory_bytes_max = settings_.maxmemory;
  keyspace_ = std::make_unique<keyspace::Keyspace>(options);
  core_.clock = &clock_;
  core_.log = &log_;
  core_.keyspace = keyspace_.get();
  core_.registry = &registry_;
  core_.users = &users_;
  core_.scripts = &scripts_;
  core_.libraries = &libraries_;
  core_.busy = &busy_;
  keyspace_->SetLockWait(&busy_);
  core_.server = this;
  core_.cycles.emplace(clock_.MonoUs());
  core_.worker_count = static_cast<size_t>(threads);
  runtime::SetHelperThreads(HelperThreadsOf(settings_));
  for (int i = 0; i < threads; ++i) {
    loops_.push_back(std::make_unique<runtime::UvLoop>(&clock_));
  }
  // Upstreams live on worker 0's loop.
  tiers_ = std::make_unique<TierSystem>(settings_, keyspace_.get(), loops_[0].get(), &log_,
                                        runtime::RandomSeed());
  core_.resolver = tiers_->resolver();
  messaging_ = std::make_unique<Messaging>(static_cast<size_t>(threads));
  core_.messaging = messaging_.get();
  tracking_ = std::make_unique<Tracking>(keyspace_.get(), messaging_.get());
  tracking_->OnDefer([this](size_t worker) {
    runtime::Loop& loop = workers_[worker]->loop();
    const auto broadcast = [this] { tracking_->Broadcast(); };
    messaging_->CurrentWorker() == worker ? loop.Defer(broadcast) : loop.Post(broadcast);
  });
  core_.tracking = tracking_.get();
  keyspace_events_ = std::make_unique<KeyspaceEvents>(keyspace_.get(), messaging_.get());
  persistence_ = std::make_unique<Persistence>(&core_, &tiers_->routes(), loops_[0].get());
  changes_ = std::make_unique<ChangeFeed>(keyspace_.get(), persistence_.get(), run_id_);
  core_.changes = changes_.get();
  replicas_ = std::make_unique<Replicas>(&core_, persistence_.get(), changes_.get());
  core_.replicas = replicas_.get();
  append_only_ = std::make_unique<AppendOnly>(&core_, persistence_.get(), changes_.get());
  core_.append_only = append_only_.get();
  core_.append_file = &append_only_->file();
  for (int i = 0; i < threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(&core_, i, loops_[static_cast<size_t>(i)].get(),
                                                registry_.rows().size()));
  }
  ApplyAll();
  startup_bytes_ = base::ReadMemoryStats().allocated;
}

Server::~Server() {
  listeners_.clear();
  workers_.clear();
  append_only_.reset();
  replicas_.reset();
  changes_.reset();
  persistence_.reset();
  tiers_.reset();
  loops_.clear();
}

// ---- Clients
// -------------------------------------------------------------------------------------

std::string Server::Listen() {
  const Settings settings = this->settings();
  std::string error;
  const int backlog = static_cast<int>(settings.tcp_backlog);
  bool any = settings.port == 0;
  for (const std::string& entry : settings.port == 0 ? std::vector<std::string>{} : settings.bind) {
    const bool optional = entry.starts_with("-");
    const std::string host = optional ? entry.substr(1) : entry;
    const int fd = runtime::ListenTcp(host, static_cast<int>(settings.port), backlog, &error);
    if (fd >= 0) {
      listeners_.push_back(std::make_unique<Listener>(this, loops_[0].get(), fd));
      any = true;
    } else if (!optional) {
      return "cannot listen on " + host + ":" + std::to_string(settings.port) + ": " + error +
             " (choose another with --port or --bind)";
    }
  }
  if (!any) return "cannot listen on port " + std::to_string(settings.port) + ": " + error;
  if (!settings.unixsocket.empty()) {
    const int fd = runtime::ListenUnix(settings.unixsocket,
                                       static_cast<int>(settings.unixsocketperm), backlog, &error);
    if (fd < 0) return "cannot listen on " + settings.unixsocket + ": " + error;
    listeners_.push_back(std::make_unique<Listener>(this, loops_[0].get(), fd));
  }
  return "";
}

void Server::StopListening() {
  listeners_.clear();
  std::error_code ignored;
  std::filesystem::remove(settings().unixsocket, ignored);
}

std::string Server::Load() {
  const Settings settings = this->settings();
  if (settings.appendonly) return append_only_->Start(settings, workers_[0].get());
  return persistence_->Load(settings, &workers_[0]->functions());
}

void Server::AcceptFrom(int listener) {
  const auto keepalive_s = static_cast<int>(settings().tcp_keepalive);
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const runtime::AcceptResult accepted = runtime::Accept(listener, keepalive_s);
    if (accepted.status == runtime::AcceptStatus::kNone) return;
    if (accepted.status == runtime::AcceptStatus::kExhausted) {
      log_.Warning("accept_failed", {{"why", "no file descriptors or memory left"}});
      for (auto& candidate : listeners_) {
        if (candidate->fd() == listener) candidate->Pause(kExhaustedPauseMs);
      }
      return;
    }
    if (accepted.status == runtime::AcceptStatus::kAccepted) Place(accepted.fd);
  }
}

void Server::AcceptWhileBusy() {
  for (size_t i = 0; i < listeners_.size(); ++i) AcceptFrom(listeners_[i]->fd());
}

// Hands a new client to the least loaded worker, or turns it away.
void Server::Place(int fd) {
  size_t clients = 0;
  Worker* least = workers_[0].get();
  for (const auto& worker : workers_) {
    clients += worker->connection_count();
    if (worker->connection_count() < least->connection_count()) least = worker.get();
  }
  // The other threads may wait for the script, and serve only the clients that they have.
  if (core_.busy_script.load() != BusyKind::kNone) least = workers_[0].get();
  const Settings settings = this->settings();
  const auto refuse = [&](std::string_view text) {
    rejected_connections_.fetch_add(1);
    [[maybe_unused]] const ssize_t ignored = write(fd, text.data(), text.size());
    close(fd);
  };
  if (clients >= static_cast<size_t>(settings.maxclients)) {
    return refuse("-ERR max number of clients reached\r\n");
  }
  least->Expect();
  const uint64_t id = next_client_id_.fetch_add(1);
  const bool is_protected =
      settings.protected_mode && users_.Find(AclUsers::kDefaultName)->needs_no_password();
  const auto adopt = [this, least, id, fd, is_protected] {
    Connection* connection = least->Adopt(id, [&](base::Function<void(int)> on_events) {
      return runtime::NewSocketStream(&least->loop(), fd, std::move(on_events));
    });
    if (!is_protected || connection->stream->is_loopback()) return;
    rejected_connections_.fetch_add(1);
    least->Send(*connection,
                "-DENIED Terrace is running in protected mode because protected mode is enabled "
                "and no password is set for the default user. In this mode connections are only "
                "accepted from the loopback interface. To connect from elsewhere set a password "
                "(requirepass), or turn protected mode off (protected-mode no) where the network "
                "is trusted.\r\n");
    least->CloseSoon(*connection);
  };
  if (least == workers_[0].get()) {
    adopt();
  } else {
    least->loop().Post(adopt);
  }
}

std::optional<size_t> Server::WorkerOf(uint64_t connection_id) const {
  for (const auto& worker : workers_) {
    bool found = false;
    worker->VisitClients(
        [&](const Connection& connection) { found |= connection.id == connection_id; });
    if (found) return static_cast<size_t>(worker->index());
  }
  return std::nullopt;
}

bool Server::WithConnection(uint64_t id, std::function<void(Worker&, Connection&)> visit) {
  for (const auto& worker : workers_) {
    bool found = false;
    worker->VisitClients([&](const Connection& connection) { found |= connection.id == id; });
    if (!found) continue;
    worker->loop().Post([owner = worker.get(), id, visit = std::move(visit)] {
      if (Connection* connection = owner->Find(id)) visit(*owner, *connection);
    });
    return true;
  }
  return false;
}

// ---- Life
// ----------------------------------------------------------------------------------------

int Server::Run() {
  base::EnableBackgroundPurge();
  for (const auto& worker : workers_) {
    // Each worker ticks on its own loop.
    struct Ticker {
      Server* server;
      Worker* worker;
      void operator()() const {
        const Settings settings = server->settings();
        worker->Tick(settings);
        if (worker->index() == 0) server->Tick();
        worker->loop().After(1000 / std::clamp<int64_t>(settings.hz, 1, 500), *this);
      }
    };
    worker->loop().Post(
        [this, index = static_cast<size_t>(worker->index())] { messaging_->EnterThread(index); });
    worker->loop().Post(Ticker{this, worker.get()});
  }
  workers_[0]->BindToThread();
  StartThreads();
  log_.Notice("ready", {{"port", std::to_string(settings().port)},
                        {"threads", std::to_string(workers_.size())},
                        {"pid", std::to_string(getpid())}});
  loops_[0]->Run();
  StopThreads();
  // Nobody changes anything any more.
  append_only_->End();
  if (last_save_.load() == LastSave::kYes && persistence_->HasUnsaved()) {
    static_cast<void>(persistence_->SaveLast(settings()));
  }
  log_.Notice("stopped", {});
  return 0;
}

void Server::StartThreads() {
  for (size_t i = 1; i < loops_.size(); ++i) {
    threads_.emplace_back([worker = workers_[i].get(), loop = loops_[i].get()] {
      worker->BindToThread();
      loop->Run();
    });
  }
}

void Server::StopThreads() {
  for (size_t i = 1; i < loops_.size(); ++i) loops_[i]->Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// ---- Housekeeping
// --------------------------------------------------------------------------------

void Server::Tick() {
  ReadMemory();
  persistence_->Tick(settings());
  append_only_->Tick(settings());
  replicas_->Tick(settings());
  // Writes make their own room; this is for a limit that was lowered, and for buffers that grew.
  constexpr size_t kVictimsPerTickMax = 10'000;
  keyspace_->MakeRoom(clock_.NowMs(), kVictimsPerTickMax);
  ReadHealth();
  SetSlowCycles();
  constexpr int64_t kRateUs = 500'000;
  const int64_t now_us = clock_.MonoUs();
  if (now_us - rate_us_ < kRateUs) return;
  uint64_t operations = 0, input = 0, output = 0;
  for (const auto& worker : workers_) {
    operations += worker->stats().commands_processed.value();
    input += worker->stats().input_bytes.value();
    output += worker->stats().output_bytes.value();
  }
  const double seconds = static_cast<double>(now_us - rate_us_) / 1e6;
  const auto rate = [&](uint64_t now, uint64_t& before) {
    const uint64_t grown = now >= before ? now - before : now;
    before = now;
    return static_cast<double>(grown) / seconds;
  };
  std::lock_guard lock(rates_mutex_);
  rates_ = {rate(operations, rate_operations_), rate(input, rate_input_),
            rate(output, rate_output_)};
  rate_us_ = now_us;
}

Server::Rates Server::rates() const {
  std::lock_guard lock(rates_mutex_);
  return rates_;
}

// The keyspace knows its own bytes at every moment; everything else the process allocates (buffers,
// tables of clients) is learnt here and counts against the limit too.
void Server::ReadMemory() {
  const base::MemoryStats stats = base::ReadMemoryStats();
  resident_bytes_.store(base::ReadResidentBytes(), std::memory_order_relaxed);
  const int64_t keyspace = keyspace_->used_bytes();
  if (stats.allocated > 0) {
    // What waits to be freed or to be moved into a lower tier is as good as free: evicting for it
    // would be wrong, and would only make more of it.
    const int64_t freed_soon = keyspace_->reclaimer().pending_bytes() + tiers_->leaving_bytes();
    keyspace_->set_other_bytes(
        std::max<int64_t>(0, static_cast<int64_t>(stats.allocated) - keyspace - freed_soon));
  }
  const auto used = static_cast<size_t>(std::max<int64_t>(0, keyspace + keyspace_->other_bytes()));
  if (used > memory_peak_.load()) memory_peak_.store(used);
}

// Also the one log line for each change of an upstream's state or of what it does not permit.
void Server::ReadHealth() {
  std::vector<UpstreamHealth> current;
  const auto add = [&](const tiers::Upstream& upstream, const char* kind) {
    current.push_back({std::string(upstream.name()), kind, upstream.health()});
  };
  for (const auto& regional : tiers_->regionals()) add(*regional, "regional");
  for (const auto& origin : tiers_->origins()) add(*origin, "origin");
  std::lock_guard lock(health_mutex_);
  health_.resize(current.size());
  for (size_t i = 0; i < current.size(); ++i) LogChanges(health_[i].now, current[i]);
  health_ = std::move(current);
}

void Server::LogChanges(const tiers::Health& before, const UpstreamHealth& upstream) {
  const tiers::Health& now = upstream.now;
  if (now.state != before.state) {
    // Why it is well again is not told by what failed before.
    if (now.reachable || now.last_error.empty()) {
      log_.Notice("upstream_state",
                  {{"kind", upstream.kind}, {"name", upstream.name}, {"state", now.state}});
    } else {
      log_.Notice("upstream_state", {{"kind", upstream.kind},
                                     {"name", upstream.name},
                                     {"state", now.state},
                                     {"detail", now.last_error}});
    }
  }
  if (now.warning != before.warning && !now.warning.empty()) {
    log_.Warning("upstream_warning",
                 {{"kind", upstream.kind}, {"name", upstream.name}, {"detail", now.warning}});
  }
}

std::vector<UpstreamHealth> Server::upstream_health() const {
  std::lock_guard lock(health_mutex_);
  return health_;
}

void Server::CollectLatency(const commands::Command& command, base::Histogram* total) const {
  for (const auto& worker : workers_) {
    const auto id = static_cast<size_t>(command.id);
    if (const auto* latency = worker->stats().commands[id].latency()) total->Merge(*latency);
  }
}

void Server::ResetStats() {
  keyspace_->ResetStats();
  replicas_->ResetStats();
  rejected_connections_.store(0);
  memory_peak_.store(0);
  for (const auto& worker : workers_) worker->stats().Reset();
}

}  // namespace terrace::server
