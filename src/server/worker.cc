#include "server/worker.h"

#include <algorithm>
#include <utility>

#include "replication/append_only_file.h"
#include "server/replica.h"
#include "server/replicas.h"
#include "server/tracking.h"
#include "server/version.h"
#include "server/waiter.h"
#include "tiers/client_lease.h"
#include "tiers/resolver.h"

namespace terrace::server {
namespace {

// A parked connection is read ahead up to this much, to notice its end and to look for more misses.
constexpr size_t kParkedInputBytes = 1u << 20;
// Buffers above this are given back when they run empty.
constexpr size_t kKeepBufferBytes = 16 * 1024;
// More replies than this, of which the socket will hardly take all, become the connection's own
// rather than being copied to it.
constexpr size_t kHandedOverBytes = 1u << 20;
// One turn removes at most so many expired keys from a shard before others get their turn.
constexpr size_t kExpireBatch = 256;

scripting::Host HostOf(const Core& core) {
  return {.log = core.log,
          .clock = core.clock,
          .redis_version = kRedisVersion,
          .allows_every_command = &core.scripts_run_all};
}

}  // namespace

Worker::Worker(Core* core, int index, runtime::Loop* loop, size_t command_count)
    : core_(core),
      index_(index),
      loop_(loop),
      stats_(command_count),
      main_lane_(core, &stats_, RequestPath::Place::kOutside),
      desk_(this, core->messaging),
      supervisor_(this),
      scripts_(HostOf(*core), core->scripts, &supervisor_),
      functions_(HostOf(*core), core->libraries, &supervisor_),
      migration_targets_(loop) {}

Worker::~Worker() = default;

Connection* Worker::Adopt(uint64_t id, const MakeStream& make_stream) {
  auto owned = std::make_unique<Connection>(this);
  Connection* const connection = owned.get();
  connection->id = id;
  BeginAsDefaultUser(*core_, *connection);
  connection->stream =
      make_stream([this, connection](int events) { OnEvents(*connection, events); });
  ClientView& view = connection->view;
  view.created_ms.store(core_->clock->NowMs());
  view.active_ms.store(view.created_ms.load());
  view.peer_address = connection->stream->peer_address();
  view.local_address = connection->stream->local_address();
  view.fd = connection->stream->fd();
  view.is_unix = connection->stream->is_unix();
  {
    std::lock_guard lock(connections_mutex_);
    connections_.emplace(id, std::move(owned));
  }
  stats_.connections_received.Add();
  UpdateEvents(*connection);
  return connection;
}

Connection* Worker::Find(uint64_t connection_id) {
  const auto found = connections_.find(connection_id);
  return found != connections_.end() ? found->second.get() : nullptr;
}

void Worker::VisitClients(const std::function<void(const Connection&)>& visit) {
  std::lock_guard lock(connections_mutex_);
  for (const auto& [id, connection] : connections_) {
    if (!connection->view.is_closed.load(std::memory_order_relaxed)) visit(*connection);
  }
}

// ---- Reading
// -------------------------------------------------------------------------------------

void Worker::OnEvents(Connection& connection, int events) {
  if (connection.is_gathered) ServeGathered();  // what it has sent comes before what is there now
  if (connection.state == ConnectionState::kClosed) return;
  if ((events & runtime::kWritable) != 0 && !connection.output.empty()) {
    Flush(connection);
    ProcessBacklog(connection);
    if (connection.replica != nullptr && connection.state != ConnectionState::kClosed)
      connection.replica->Continue(connection);
  }
  const bool wants_read = (connection.events & runtime::kReadable) != 0;
  if ((events & runtime::kReadable) != 0 && wants_read &&
      connection.state != ConnectionState::kClosed) {
    ReadAndProcess(connection);
  } else if ((events & runtime::kFailed) != 0) {
    CloseNow(connection);  // nobody would read up to the error
  }
  if (connection.state != ConnectionState::kClosed && !connection.is_gathered) {
    UpdateEvents(connection);
  }
}

void Worker::ReadAndProcess(Connection& connection) {
  // With nothing left over, requests are parsed where they were received and an idle connection
  // holds no buffer at all.
  const bool shared = connection.input.empty();
  const bool gathers = !is_within_script();
  char* target = lane_->read_buffer.get() + (gathers ? gathered_bytes_ : 0);
  size_t room = kReadBytes;
  if (!shared) {
    const size_t wanted = connection.parser.bytes_wanted();
    const size_t missing = wanted > connection.input.size() ? wanted - connection.input.size() : 0;
    // A client names the size of what it will send; believe it a megabyte at a time.
    target = connection.input.Reserve(std::clamp(missing, size_t{16} << 10, size_t{1} << 20));
    room = connection.input.room();
  }
  const ssize_t count = connection.stream->Read(target, room);
  if (count == runtime::kWouldBlock) return;
  if (count <= 0) return CloseNow(connection);
  stats_.reads.Add(1);
  stats_.input_bytes.Add(static_cast<uint64_t>(count));
  connection.view.received_bytes.Add(static_cast<uint64_t>(count));
  connection.view.arrived_bytes.store(static_cast<size_t>(count), std::memory_order_relaxed);
  if (!shared) {
    connection.input.Commit(static_cast<size_t>(count));
    if (connection.state == ConnectionState::kReady) {
      ProcessInput(connection, connection.input.view(), true);
    }
  } else if (gathers && static_cast<size_t>(count) <= kGatheredInputBytes) {
    return Gather(connection, {target, static_cast<size_t>(count)});
  } else {
    ProcessInput(connection, {target, static_cast<size_t>(count)}, false);
  }
  FinishReading(connection);
}

void Worker::Gather(Connection& connection, std::string_view input) {
  if (gathered_.empty()) {
    loop_->Defer([this] { ServeGathered(); });
  }
  connection.is_gathered = true;
  gathered_.push_back({&connection, input});
  gathered_bytes_ += input.size();
  if (gathered_.size() == kGatheredMax) ServeGathered();
}

void Worker::ServeGathered() {
  // One alone has nobody to wait for the cache together with.
  const bool looked_ahead = gathered_.size() > 1;
  if (looked_ahead) main_lane_.path.LookAhead(gathered_);
  // Not by iterator: one of them may close another, which changes the list.
  for (size_t i = 0; i < gathered_.size(); ++i) {
    const auto [connection, input] = gathered_[i];
    if (connection == nullptr) continue;
    connection->is_gathered = false;
    if (connection->state == ConnectionState::kReady) {
      ProcessInput(*connection, input, false, looked_ahead ? main_lane_.path.ahead(i) : nullptr);
    } else {
      connection->input.Append(input);
    }
    FinishReading(*connection);
    if (connection->state != ConnectionState::kClosed) UpdateEvents(*connection);
  }
  gathered_.clear();
  gathered_bytes_ = 0;
}

void Worker::FinishReading(Connection& connection) {
  ProcessBacklog(connection);
  if (connection.input.size() > core_->hot.query_buffer_max.load(std::memory_order_relaxed)) {
    core_->log->Warning("client_closed", {{"reason", "query buffer limit"},
                                          {"client", connection.view.peer_address}});
    stats_.query_limit_disconnections.Add();
    CloseNow(connection);
  }
}

void Worker::ProcessInput(Connection& connection, std::string_view input, bool is_own_buffer,
                          const RequestPath::Ahead* ahead) {
  // Replies keep their order: where older ones still wait, new ones queue behind them.
  // While changes are kept in a file, they go out at the end of the turn, behind one write to it.
  const bool in_turn = (serves_woken_ || Logs()) && !is_within_script();
  base::Buffer* const out =
      connection.output.empty() && !in_turn ? &lane_->replies : &connection.output;
  desk_.SetRunning(&connection);
  serving_ = &connection;
  const size_t consumed = lane_->path.Process(connection, input, ahead, out);
  serving_ = nullptr;
  desk_.SetRunning(nullptr);
  if (connection.state != ConnectionState::kClosed) {
    if (is_own_buffer) {
      connection.input.Consume(consumed);
      if (connection.input.empty()) connection.input.ClearAndTrim(kKeepBufferBytes);
    } else if (consumed < input.size()) {
      connection.input.Append(input.substr(consumed));
    }
    if (in_turn) {
      SendLater(connection);
    } else if (connection.waiter != nullptr && !is_within_script()) {
      // It may be woken before the turn ends; what it says until then goes with that.
      if (out == &lane_->replies) connection.output.Append(lane_->replies.view());
      if (!connection.output.empty()) SendLater(connection);
    } else if (out == &lane_->replies && lane_->replies.size() >= kHandedOverBytes) {
      connection.output = std::move(lane_->replies);
      Flush(connection);
    } else if (out == &lane_->replies) {
      WriteSome(connection, lane_->replies.view());
    } else {
      Flush(connection);
    }
  }
  lane_->replies.ClearAndTrim(size_t{1} << 20);
}

void Worker::ProcessBacklog(Connection& connection) {
  while (connection.has_backlog && connection.state == ConnectionState::kReady &&
         connection.output.size() < RequestPath::kUnsentPauseBytes) {
    connection.has_backlog = false;
    ProcessInput(connection, connection.input.view(), true);
  }
}

void Worker::Resume(uint64_t connection_id, const tiers::ParkedRequest* parked) {
  Connection* connection = Find(connection_id);
  if (connection == nullptr || connection->state != ConnectionState::kParked) return;
  if (connection->parked.get() != parked) return;  // an answer nobody needs any more
  ProcessParked(*connection);
}

// Goes on with the request at the front of a parked connection.
void Worker::ProcessParked(Connection& connection) {
  connection.state = ConnectionState::kReady;
  // Who has read the reply may count who is blocked.
  connection.view.parked.store(false, std::memory_order_relaxed);
  ProcessInput(connection, connection.input.view(), true);
  ProcessBacklog(connection);
  if (core_->is_ending.load(std::memory_order_relaxed) &&
      connection.state == ConnectionState::kReady) {
    CloseSoon(connection);
  }
  if (connection.state != ConnectionState::kClosed) UpdateEvents(connection);
}

void Worker::WakeWaiter(std::shared_ptr<Waiter> waiter) {
  if (IsOnThread()) return Woken(std::move(waiter));
  loop_->Post([this, waiter = std::move(waiter)]() mutable { Woken(std::move(waiter)); });
}

void Worker::Woken(std::shared_ptr<Waiter> waiter) {
  ScheduleWoken();
  woken_.push_back(std::move(waiter));
}

void Worker::ScheduleWoken() {
  if (woken_scheduled_) return;
  woken_scheduled_ = true;
  loop_->Defer([this] { ServeWoken(); });
}

// Also those that are woken by these. It ends, as what clients have sent ends.
void Worker::ServeWoken() {
  serves_woken_ = true;
  for (size_t i = 0; i < woken_.size(); ++i) {
    const std::shared_ptr<Waiter> waiter = std::move(woken_[i]);
    Connection* const connection = Find(waiter->session.id);
    if (connection == nullptr || connection->waiter != waiter) continue;  // it has closed
    if (connection->state == ConnectionState::kParked) ProcessParked(*connection);
  }
  woken_.clear();
  serves_woken_ = false;
  woken_scheduled_ = false;
  for (const uint64_t id : std::exchange(unsent_, {})) {
    Connection* const connection = Find(id);
    if (connection == nullptr || connection->state == ConnectionState::kClosed) continue;
    connection->is_sent_later = false;
    Flush(*connection);
    ProcessBacklog(*connection);
    if (connection->state != ConnectionState::kClosed) UpdateEvents(*connection);
  }
}

// What is in its output goes out when those that were woken have been served.
void Worker::SendLater(Connection& connection) {
  if (connection.is_sent_later) return;
  connection.is_sent_later = true;
  ScheduleWoken();
  unsent_.push_back(connection.id);
}

void Worker::AddPaused(uint64_t connection_id) {
  paused_.push_back(connection_id);
  if (pause_timer_ != runtime::kNoTimer) return;
  constexpr int64_t kTimerMsMax = int64_t{1} << 31;
  const int64_t left_ms = core_->pause.until_ms() - core_->clock->NowMs();
  pause_timer_ = loop_->After(std::clamp<int64_t>(left_ms, 0, kTimerMsMax), [this] {
    pause_timer_ = runtime::kNoTimer;
    ResumePaused();
  });
}

void Worker::ResumePaused() {
  loop_->Cancel(std::exchange(pause_timer_, runtime::kNoTimer));
  core_->pause.EndIfOver(core_->clock->NowMs());
  for (const uint64_t id : std::exchange(paused_, {})) {
    Connection* const connection = Find(id);
    if (connection == nullptr || connection->state != ConnectionState::kParked) continue;
    if ((connection->detours & Connection::kPaused) != 0) ProcessParked(*connection);
  }
}

// ---- Writing
// -------------------------------------------------------------------------------------

bool Worker::Logs() const { return core_->append_file != nullptr && core_->append_file->is_open(); }

// What a reply may tell of is in the append-only file before it leaves.
void Worker::SettleLog() {
  if (core_->append_file != nullptr) core_->append_file->Settle();
}

void Worker::NoteSent(Connection& connection, uint64_t bytes) {
  stats_.writes.Add(1);
  stats_.output_bytes.Add(bytes);
  connection.view.sent_bytes.Add(bytes);
}

void Worker::WriteSome(Connection& connection, std::string_view bytes) {
  SettleLog();
  while (!bytes.empty()) {
    const ssize_t count = connection.stream->Write(bytes.data(), bytes.size());
    if (count == runtime::kWouldBlock) break;
    if (count < 0) return CloseNow(connection);
    NoteSent(connection, static_cast<uint64_t>(count));
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  connection.output.Append(bytes);
  if (connection.state == ConnectionState::kClosing && bytes.empty()) CloseNow(connection);
}

void Worker::Flush(Connection& connection) {
  SettleLog();
  while (!connection.output.empty()) {
    const ssize_t count =
        connection.stream->Write(connection.output.data(), connection.output.size());
    if (count == runtime::kWouldBlock) return;
    if (count < 0) return CloseNow(connection);
    NoteSent(connection, static_cast<uint64_t>(count));
    connection.output.Consume(static_cast<size_t>(count));
  }
  connection.output.ClearAndTrim(kKeepBufferBytes);
  if (connection.state == ConnectionState::kClosing) CloseNow(connection);
}

void Worker::Send(Connection& connection, std::string_view bytes) {
  if (connection.state == ConnectionState::kClosed) return;
  if (connection.output.empty()) {
    WriteSome(connection, bytes);
  } else {
    connection.output.Append(bytes);
  }
  if (connection.state != ConnectionState::kClosed) UpdateEvents(connection);
}

void Worker::FlushPushes(Connection& connection) {
  if (connection.state == ConnectionState::kClosed) return;
  Flush(connection);
  if (connection.state != ConnectionState::kClosed) UpdateEvents(connection);
}

void Worker::UpdateEvents(Connection& connection) {
  int events = 0;
  const bool reads_ahead =
      connection.state == ConnectionState::kParked && connection.input.size() < kParkedInputBytes;
  if ((connection.state == ConnectionState::kReady || reads_ahead) &&
      connection.output.size() < RequestPath::kUnsentPauseBytes) {
    events |= runtime::kReadable;
  }
  if (!connection.output.empty() && !connection.is_sent_later) events |= runtime::kWritable;
  if (events != connection.events) {
    connection.events = events;
    connection.stream->SetEvents(events);
  }
  UpdateView(connection);
}

void Worker::UpdateView(Connection& connection) {
  ClientView& view = connection.view;
  view.input_bytes.store(connection.input.size(), std::memory_order_relaxed);
  view.arrived_bytes.store(0, std::memory_order_relaxed);
  view.input_capacity.store(connection.input.capacity(), std::memory_order_relaxed);
  view.output_bytes.store(connection.output.size(), std::memory_order_relaxed);
  view.parked.store(connection.state == ConnectionState::kParked, std::memory_order_relaxed);
}

// ---- Closing
// -------------------------------------------------------------------------------------

void Worker::CloseSoon(Connection& connection) {
  if (connection.state == ConnectionState::kClosed) return;
  connection.state = ConnectionState::kClosing;
  if (connection.output.empty()) {
    CloseNow(connection);
  } else {
    UpdateEvents(connection);
  }
}

void Worker::CloseIdle() {
  std::vector<Connection*> idle;
  for (const auto& [id, connection] : connections_) {
    // With a lease in view it waits there for others, which may take for ever.
    const bool awaits_tiers = connection->parked != nullptr && connection->view.lease == nullptr;
    if (!awaits_tiers && connection->replica == nullptr) idle.push_back(connection.get());
  }
  for (Connection* connection : idle) CloseSoon(*connection);
}

bool Worker::Kill(uint64_t connection_id) {
  {
    std::lock_guard lock(connections_mutex_);
    const auto found = connections_.find(connection_id);
    if (found == connections_.end()) return false;
    if (found->second->view.is_closed.exchange(true, std::memory_order_relaxed)) return false;
  }
  loop().Post([this, connection_id] {
    if (Connection* connection = Find(connection_id)) CloseNow(*connection);
  });
  return true;
}

void Worker::CloseNow(Connection& connection) {
  if (connection.state == ConnectionState::kClosed) return;
  connection.state = ConnectionState::kClosed;
  connection.view.is_closed.store(true, std::memory_order_relaxed);
  if (connection.is_gathered) {
    for (RequestPath::Arrival& arrival : gathered_) {
      if (arrival.connection == &connection) arrival.connection = nullptr;
    }
  }
  desk_.Forget(connection);
  if (connection.replica != nullptr) core_->replicas->End(connection);
  EndTransaction(connection, *core_->keyspace);
  if (connection.waiter != nullptr) path().AbandonWait(connection);
  if (connection.lease != nullptr) {
    connection.lease->End();
    connection.SetLease(nullptr);
  }
  if (connection.parked != nullptr) {
    connection.parked.reset();  // what it awaits goes on for others
    core_->resolver->CountParked(-1);
  }
  connection.stream->SetEvents(0);
  connection_count_.fetch_sub(1, std::memory_order_relaxed);
  // The caller may be deep inside a function that still uses the connection.
  loop_->Post([this, id = connection.id] {
    std::unique_ptr<Connection> gone;
    std::lock_guard lock(connections_mutex_);
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    desk_.Drop(*found->second);
    gone = std::move(found->second);
    connections_.erase(found);
  });
}

// ---- Housekeeping
// --------------------------------------------------------------------------------

void Worker::Tick(const Settings& settings) {
  TendTracking();
  desk_.set_limits(settings.client_output_buffer_limit);
  ExpireKeys(settings);
  const int64_t now_ms = core_->clock->NowMs();
  if (core_->keyspace->ready_shards() != 0) path().HandOverExpired(now_ms);
  std::vector<Connection*> to_close, over_limit;
  for (const auto& [id, connection] : connections_) {
    const bool is_idle = settings.timeout > 0 && connection->state == ConnectionState::kReady &&
                         !connection->is_subscriber && connection->replica == nullptr &&
                         now_ms - connection->view.active_ms.load() > settings.timeout * 1000;
    if (is_idle) to_close.push_back(connection.get());
    if (IsOverOutputLimit(*connection, settings, now_ms)) over_limit.push_back(connection.get());
  }
  for (Connection* connection : to_close) CloseNow(*connection);
  for (Connection* connection : over_limit) CloseOverLimit(*connection);
}

bool Worker::IsOverOutputLimit(Connection& connection, const Settings& settings, int64_t now_ms) {
  const OutputBufferLimits& limits = settings.client_output_buffer_limit;
  const OutputBufferLimit& limit = connection.replica != nullptr ? limits.replica
                                   : connection.is_subscriber    ? limits.pubsub
                                                                 : limits.normal;
  const size_t unsent = connection.output.size();
  const bool over_hard = limit.hard_bytes > 0 && unsent > limit.hard_bytes;
  const bool over_soft = limit.soft_bytes > 0 && unsent > limit.soft_bytes;
  if (!over_soft) {
    connection.soft_limit_since_ms = 0;
  } else if (connection.soft_limit_since_ms == 0) {
    connection.soft_limit_since_ms = now_ms;
  }
  const bool soft_too_long =
      over_soft && now_ms - connection.soft_limit_since_ms >= limit.soft_seconds * 1000;
  return over_hard || soft_too_long;
}

void Worker::CloseOverLimit(Connection& connection) {
  if (connection.state == ConnectionState::kClosed) return;
  core_->log->Warning("client_closed",
                      {{"reason", "output buffer limit"},
                       {"client", connection.view.peer_address},
                       {"unsent_bytes", std::to_string(connection.output.size())}});
  stats_.output_limit_disconnections.Add();
  CloseNow(connection);
}

void Worker::TendTracking() {
  if (core_->tracking == nullptr) return;
  constexpr int kTrimmedPerShard = 200;
  const auto step = static_cast<int>(core_->worker_count);
  for (int shard = index_; shard < core_->keyspace->shard_count(); shard += step) {
    core_->tracking->Trim(shard, kTrimmedPerShard);
    core_->tracking->Sweep(shard);
  }
}

void Worker::ExpireKeys(const Settings& settings) {
  if (!core_->active_expire.load(std::memory_order_relaxed)) return;
  if (core_->pause.mode(core_->clock->NowMs()) != ClientPause::Mode::kNone) return;
  // At most a quarter of the time between two ticks, so that a wave of expiries does not hold up
  // requests; the rest follows in the next tick.
  const int64_t budget_us = 250'000 / std::max<int64_t>(settings.hz, 1);
  const int64_t start_us = core_->clock->MonoUs();
  const int64_t now_ms = core_->clock->NowMs();
  const auto step = static_cast<int>(core_->worker_count);
  for (int shard = index_; shard < core_->keyspace->shard_count(); shard += step) {
    while (core_->keyspace->ExpireDue(shard, now_ms, kExpireBatch)) {
      if (core_->clock->MonoUs() - start_us > budget_us) break;
    }
  }
  const int64_t took_ms = (core_->clock->MonoUs() - start_us) / 1000;
  const int64_t threshold_ms = core_->hot.latency_threshold_ms.load(std::memory_order_relaxed);
  if (threshold_ms > 0 && took_ms >= threshold_ms) {
    core_->latency_monitor.Add("expire-cycle", {core_->clock->WallMs() / 1000, took_ms});
  }
}

}  // namespace terrace::server
