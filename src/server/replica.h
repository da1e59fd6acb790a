#pragma once

// Replica: a server that follows this one over one of its connections: it gets a snapshot of one
// moment, and every change since.
//
//   kWaits ---snapshot is written---> kLoads ---all of it is sent---> kOnline
//
// What happens meanwhile is kept here until it is online, up to the hard limit of
// client-output-buffer-limit replica.
//
// Ownership: shared by its connection, the stream of effects and the list of replicas.
// Threads:   OnEffects from any; what takes a Connection on the loop of its worker; the rest from
//            any.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "replication/effect_stream.h"
#include "server/connection.h"
#include "server/worker.h"

namespace terrace::server {

class Replica : public replication::Follower, public std::enable_shared_from_this<Replica> {
 public:
  enum class State : uint8_t { kWaits, kLoads, kOnline };

  // What it is sent first: a snapshot (SYNC), or the place of it in the stream as well (PSYNC).
  enum class Wants : uint8_t { kSnapshot, kPlaceAndSnapshot };

  // kept_bytes_max: of what happens until it is online; 0: any.
  Replica(Connection* connection, Wants wants, uint64_t kept_bytes_max);
  ~Replica() override;

  void OnEffects(const Told& told) override;

  // Any thread. The snapshot it waits for is in this file, which is this object's from now on; -1:
  // there is none, and its connection is closed.
  void SendSnapshot(int fd, uint64_t bytes);
  // Its connection has taken all that was sent so far.
  void Continue(Connection& connection);
  // Any thread: its snapshot is about to be of this place in this stream.
  void AnnounceStart(const std::string& stream_id, int64_t offset);
  // Any thread: a byte that says that the snapshot is still being made.
  void SendSignOfLife();

  uint64_t connection_id() const { return connection_id_; }
  const std::string& address() const { return address_; }
  int listening_port() const { return listening_port_; }
  State state() const { return state_.load(std::memory_order_acquire); }
  // What it has said to have; 0 until it does, as the oldest replicas never do.
  int64_t acknowledged() const { return acknowledged_.load(std::memory_order_acquire); }
  int64_t acknowledged_at_ms() const { return acknowledged_at_ms_.load(); }
  // Likewise, on its disk; -1 until it does.
  int64_t durable() const { return durable_.load(std::memory_order_acquire); }
  void Acknowledge(int64_t offset, int64_t durable, int64_t now_ms);

 private:
  static constexpr size_t kChunkBytes = 256 * 1024;

  // Calls act(connection) on the loop of its worker, soon, if the connection is still there.
  template <typename Act>
  void OnLoop(Act act);
  void Begin(int fd, uint64_t bytes);
  void SendKept(Connection& connection);

  Worker* const worker_;
  const uint64_t connection_id_;
  const Wants wants_;
  const uint64_t kept_bytes_max_;
  const std::string address_;
  const int listening_port_;
  std::atomic<State> state_{State::kWaits};
  std::atomic<int64_t> acknowledged_{0};
  std::atomic<int64_t> acknowledged_at_ms_{0};
  std::atomic<int64_t> durable_{-1};

  int snapshot_fd_ = -1;  // of the worker's loop
  std::mutex mutex_;
  std::string kept_;           // guarded by mutex_: what is still to be sent
  bool is_scheduled_ = false;  // likewise: its loop will come for it
  bool is_overrun_ = false;    // likewise: too much was kept; its connection is being closed
};

}  // namespace terrace::server
