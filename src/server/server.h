#pragma once

// Server: owns every part and wires them: clock, log, keyspace, command table, workers and their
// threads, listeners, tiers. Start() to Stop() is the life of the process.
//
// Threads: constructed and run on the main thread, which becomes worker 0's. What other threads may
//          call says so.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/uv_loop.h"
#include "scripting/library_store.h"
#include "scripting/script_store.h"
#include "server/acl_users.h"
#include "server/append_only.h"
#include "server/busy_script.h"
#include "server/config_table.h"
#include "server/core.h"
#include "server/keyspace_events.h"
#include "server/messaging.h"
#include "server/persistence.h"
#include "server/settings_load.h"
#include "server/tier_system.h"
#include "server/tracking.h"
#include "server/worker.h"

namespace terrace::server {

// An upstream's health as it was at the last tick.
struct UpstreamHealth {
  std::string name;
  std::string kind;
  tiers::Health now;
};

class Server {
 public:
  explicit Server(const Startup& startup);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before Listen: makes the users of the settings or of the ACL file; "" or why it cannot.
  std::string LoadUsers();
  // Any thread: ACL LOAD and ACL SAVE; "" or the error, without a code.
  std::string ReloadUsers();
  std::string SaveUsers() const;

  // Opens the listeners; "" or why it cannot.
  std::string Listen();
  // After Listen: loads the snapshot or the append-only file, if there is one; "" or why it cannot.
  std::string Load();
  // Serves until Shutdown() and returns the exit code.
  int Run();
  // Any thread. Ends Run(): no new clients, requests that wait for lower tiers are answered, tiers
  // drain, each within shutdown-timeout or at once, and a last snapshot is written, if it is
  // wanted, or not said otherwise and there are save points.
  enum class LastSave : uint8_t { kAsConfigured, kYes, kNo };
  enum class Patience : uint8_t { kAsConfigured, kNone };
  void Shutdown(LastSave last_save = LastSave::kAsConfigured,
                Patience patience = Patience::kAsConfigured);
  bool WillSave(LastSave last_save) const;

  // Worker 0's thread: takes new clients while its loop cannot.
  void AcceptWhileBusy();

  // Any thread: a copy of the live settings.
  Settings settings() const;
  // Any thread: CONFIG SET and REWRITE; "" or the error text.
  std::string SetConfig(std::span<const ConfigTable::Pair> pairs, ConfigTable::Client client);
  std::string RewriteConfig();
  // Reads the configuration file again: CONFIG RELOAD, SIGHUP.
  ConfigTable::Reloaded ReloadConfig();
  const ConfigFiles& config_files() const { return files_; }

  Core& core() { return core_; }
  TierSystem& tiers() { return *tiers_; }
  Persistence& persistence() { return *persistence_; }
  AppendOnly& append_only() { return *append_only_; }
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }

  // Any thread: runs visit on the loop of the worker that owns the connection, soon; false when
  // there is no such connection now.
  // Any thread: the index of the worker that owns the connection, if there is such a one.
  std::optional<size_t> WorkerOf(uint64_t connection_id) const;
  bool WithConnection(uint64_t id, std::function<void(Worker&, Connection&)> visit);

  int64_t start_ms() const { return start_ms_; }
  const std::string& run_id() const { return run_id_; }
  uint64_t rejected_connections() const { return rejected_connections_.load(); }
  size_t memory_peak() const { return memory_peak_.load(std::memory_order_relaxed); }
  // Allocated when everything was made and nothing loaded.
  size_t startup_bytes() const { return startup_bytes_; }
  size_t resident_bytes() const { return resident_bytes_.load(std::memory_order_relaxed); }
  void ResetStats();
  // Any thread: adds how long the calls of a command took, in cycles, over all workers.
  void CollectLatency(const commands::Command& command, base::Histogram* total) const;
  // Any thread. Upstreams belong to their loop, so this is what its last tick saw.
  std::vector<UpstreamHealth> upstream_health() const;
  // Operations, input and output bytes a second over the last seconds.
  struct Rates {
    double operations = 0, input_bytes = 0, output_bytes = 0;
  };
  Rates rates() const;

 private:
  class Listener;

  std::string Apply(std::string_view name, const Settings& settings);
  void SetSlowCycles();
  void ApplyAll();
  std::string AclPath() const;
  void NoteUsers();  // REQUIRES: settings_mutex_
  void AcceptFrom(int listener);
  void Place(int fd);
  void Tick();
  void ReadMemory();
  void ReadHealth();
  void LogChanges(const tiers::Health& before, const UpstreamHealth& upstream);
  void StartThreads();
  void StopThreads();
  void StopListening();
  void EndRequests(int64_t wait_ms);
  void EndTiers(int64_t wait_ms);

  runtime::SystemClock clock_;
  base::Log log_;
  commands::Registry registry_;
  scripting::ScriptStore scripts_;
  scripting::LibraryStore libraries_;
  BusyScript busy_{&core_};
  Core core_;
  AclUsers users_{&registry_, &core_.hot.acl_generation};
  std::unique_ptr<keyspace::Keyspace> keyspace_;

  mutable std::mutex settings_mutex_;
  Settings settings_;  // guarded by settings_mutex_
  const ConfigFiles files_;
  ConfigTable config_;              // used under settings_mutex_
  uint64_t loaded_generation_ = 0;  // of the users, when they were those of the settings

  std::vector<std::unique_ptr<runtime::UvLoop>> loops_;
  std::unique_ptr<TierSystem> tiers_;
  std::unique_ptr<Messaging> messaging_;
  std::unique_ptr<KeyspaceEvents> keyspace_events_;
  std::unique_ptr<Tracking> tracking_;
  std::unique_ptr<Persistence> persistence_;
  std::unique_ptr<ChangeFeed> changes_;
  std::unique_ptr<Replicas> replicas_;
  std::unique_ptr<AppendOnly> append_only_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::atomic<uint64_t> next_client_id_{1};
  std::atomic<uint64_t> rejected_connections_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<LastSave> last_save_{LastSave::kNo};  // set while stopping_

  const int64_t start_ms_;
  const std::string run_id_;
  std::atomic<size_t> memory_peak_{0};
  std::atomic<size_t> resident_bytes_{0};
  size_t startup_bytes_ = 0;
  mutable std::mutex health_mutex_;
  std::vector<UpstreamHealth> health_;  // guarded by health_mutex_
  mutable std::mutex rates_mutex_;
  Rates rates_;  // guarded by rates_mutex_
  uint64_t rate_operations_ = 0, rate_input_ = 0, rate_output_ = 0;
  int64_t rate_us_ = 0;
};

}  // namespace terrace::server
