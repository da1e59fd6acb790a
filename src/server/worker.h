#pragma once

// Worker: one thread's share of the server: its loop, its connections, its request path, its
// counters.
//
// Ownership: owns its connections; the server owns the workers and their loops.
// Threads:   everything on the loop's thread, except where stated.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "runtime/loop.h"
#include "scripting/function_runner.h"
#include "scripting/script_runner.h"
#include "server/busy_script.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/push_desk.h"
#include "server/request.h"
#include "server/stats.h"
#include "tiers/migration_targets.h"

namespace terrace::server {

class Worker {
 public:
  Worker(Core* core, int index, runtime::Loop* loop, size_t command_count);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  int index() const { return index_; }
  runtime::Loop& loop() { return *loop_; }
  Core& core() { return *core_; }
  WorkerStats& stats() { return stats_; }  // readable from any thread
  RequestPath& path() { return lane_->path; }
  PushDesk& desk() { return desk_; }

  // Begins to serve a client. make_stream gets the callback for the stream's events.
  using MakeStream =
      std::function<std::unique_ptr<runtime::Stream>(base::Function<void(int)> on_events)>;
  // REQUIRES: Expect() for each.
  Connection* Adopt(uint64_t id, const MakeStream& make_stream);

  // This parked request, at the front of this connection, can go on. Ignored when the connection is
  // gone or has gone on already.
  void Resume(uint64_t connection_id, const tiers::ParkedRequest* parked);

  // Any thread: this waiter's answer is ready. Its connection goes on before the loop next sleeps.
  void WakeWaiter(std::shared_ptr<Waiter> waiter);
  // The request at the front of this connection is held up by CLIENT PAUSE.
  void AddPaused(uint64_t connection_id);
  // The pause is over, or may be: has them checked again.
  void ResumePaused();

  // Closes after sending what is still to be sent.
  void CloseSoon(Connection& connection);
  void CloseNow(Connection& connection);
  // Closes every client that waits for no lower tier. Replicas stay, to hear what the others do.
  void CloseIdle();
  // Thread-safe: has the client closed by its own loop, and hides it from VisitClients at once.
  // Returns whether it was there.
  bool Kill(uint64_t connection_id);

  // Sends bytes that are no reply (a push) to a connection, behind what is already on its way.
  void Send(Connection& connection, std::string_view bytes);

  // Sends what was appended to the output of a connection whose requests do not run now.
  void FlushPushes(Connection& connection);
  // Closes a client that does not read what is sent to it.
  void CloseOverLimit(Connection& connection);

  // Any thread: calls visit for every open connection, under the mutex that guards the set; visit
  // may look at id and view only.
  void VisitClients(const std::function<void(const Connection&)>& visit);
  // Any thread: counts a connection that it will be given to Adopt.
  void Expect() { connection_count_.fetch_add(1, std::memory_order_relaxed); }
  // Any thread.
  size_t connection_count() const { return connection_count_.load(std::memory_order_relaxed); }

  Connection* Find(uint64_t connection_id);

  scripting::ScriptRunner& scripts() { return scripts_; }
  scripting::FunctionRunner& functions() { return functions_; }
  tiers::MigrationTargets& migration_targets() { return migration_targets_; }

  // Tells the worker that the calling thread runs its loop.
  void BindToThread() { thread_.store(std::this_thread::get_id()); }
  bool IsOnThread() const { return thread_.load() == std::this_thread::get_id(); }
  // Serves the clients from within a request of another, as far as a busy script allows. In
  // busy_script.cc.
  void ServeWhileBusy();
  // Does it do so now?
  bool is_within_script() const { return lane_ != &main_lane_; }

  // Housekeeping: expiry of this worker's shards, idle clients, buffer limits.
  void Tick(const Settings& settings);

 private:
  static constexpr size_t kReadBytes = 64 * 1024;
  // Inputs of at most so many bytes are gathered, so many at a time.
  static constexpr size_t kGatheredInputBytes = 512;
  static constexpr size_t kGatheredMax = 64;

  void OnEvents(Connection& connection, int events);
  void ReadAndProcess(Connection& connection);
  void Gather(Connection& connection, std::string_view input);
  void ServeGathered();
  void FinishReading(Connection& connection);
  void ProcessBacklog(Connection& connection);
  void ProcessParked(Connection& connection);
  void Woken(std::shared_ptr<Waiter> waiter);
  void ScheduleWoken();
  void ServeWoken();
  void SendLater(Connection& connection);
  void ProcessInput(Connection& connection, std::string_view input, bool is_own_buffer,
                    const RequestPath::Ahead* ahead = nullptr);
  bool Logs() const;
  void SettleLog();
  void Flush(Connection& connection);
  void NoteSent(Connection& connection, uint64_t bytes);
  void WriteSome(Connection& connection, std::string_view bytes);
  void UpdateEvents(Connection& connection);
  void UpdateView(Connection& connection);
  void ExpireKeys(const Settings& settings);
  void TendTracking();
  bool IsOverOutputLimit(Connection& connection, const Settings& settings, int64_t now_ms);

  Core* const core_;
  const int index_;
  runtime::Loop* const loop_;
  WorkerStats stats_;
  // What requests run with. A second one serves while a request is in the middle of a script.
  struct Lane {
    Lane(Core* core, WorkerStats* stats, RequestPath::Place place)
        : path(core, stats, place),
          read_buffer(std::make_unique<char[]>(kReadBytes + kGatheredMax * kGatheredInputBytes)) {}
    RequestPath path;
    std::unique_ptr<char[]> read_buffer;
    base::Buffer replies;  // of the requests being processed, until they are sent
  };
  Lane main_lane_;
  std::unique_ptr<Lane> busy_lane_;  // created when it is first needed
  Lane* lane_ = &main_lane_;
  Connection* serving_ = nullptr;  // whose requests run
  int64_t served_busy_us_ = 0;
  std::atomic<std::thread::id> thread_;
  PushDesk desk_;
  ScriptSupervisor supervisor_;
  scripting::ScriptRunner scripts_;
  scripting::FunctionRunner functions_;
  // Small inputs of this turn, at the front of the main read_buffer. Each is a request or few,
  // whose keys are rarely in the cache: served together, they wait for memory together.
  std::vector<RequestPath::Arrival> gathered_;
  size_t gathered_bytes_ = 0;

  // Waiters whose connections are to go on, and connections with output to be sent behind that:
  // clients that answer each other do so in one turn, and each is written to once.
  std::vector<std::shared_ptr<Waiter>> woken_;
  std::vector<uint64_t> unsent_;
  bool serves_woken_ = false;
  bool woken_scheduled_ = false;

  std::vector<uint64_t> paused_;  // connections held up by CLIENT PAUSE
  runtime::TimerId pause_timer_ = runtime::kNoTimer;

  std::mutex connections_mutex_;  // taken to change the map, and by other threads to read it
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::atomic<size_t> connection_count_{0};

  // Last, as what is under way on them, and goes with them, looks at the rest.
  tiers::MigrationTargets migration_targets_;
};

}  // namespace terrace::server
