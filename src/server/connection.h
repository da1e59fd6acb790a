#pragma once

// Connection: one client: its stream, its buffers, its place in the request path.
//
// Ownership: owned by its worker.
// Threads:   confined to its worker's loop, except for the fields of ClientView, which CLIENT LIST
//            reads from other threads.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/buffer.h"
#include "base/counter.h"
#include "commands/command.h"
#include "commands/session.h"
#include "resp/request_parser.h"
#include "runtime/stream.h"
#include "server/acl_connections.h"
#include "server/subscriptions.h"
#include "server/tracking.h"
#include "server/transaction.h"

namespace terrace::tiers {
class ClientLease;
class ParkedRequest;
}  // namespace terrace::tiers

namespace terrace::server {

class Replica;
class Waiter;
class Worker;

// What other threads may see of a connection.
struct ClientView {
  std::atomic<int64_t> created_ms{0};
  std::atomic<int64_t> active_ms{0};  // when it last sent something
  std::atomic<const commands::Command*> last_command{nullptr};
  std::atomic<int> database{0};
  std::atomic<int> protocol{2};
  std::atomic<size_t> input_bytes{0};
  std::atomic<size_t> arrived_bytes{0};  // by the read that is being processed
  std::atomic<size_t> input_capacity{0};
  std::atomic<size_t> output_bytes{0};
  // Since it connected.
  base::Counter received_bytes, sent_bytes, commands;
  std::atomic<bool> no_evict{false};
  std::atomic<bool> no_touch{false};
  std::atomic<bool> parked{false};
  std::atomic<bool> is_closed{false};
  std::atomic<int64_t> queued_commands{-1};  // -1: no transaction
  std::atomic<size_t> watched_keys{0};
  std::atomic<bool> authenticated{true};
  // What it is subscribed to.
  std::atomic<bool> is_subscriber{false};
  std::atomic<bool> is_monitor{false};
  std::atomic<bool> is_tracking{false};
  std::atomic<bool> is_broadcast{false};
  std::atomic<bool> is_redirect_broken{false};
  std::atomic<int64_t> redirect{-1};  // -1: it does not track
  std::atomic<size_t> channels{0};
  std::atomic<size_t> patterns{0};
  std::atomic<size_t> shard_channels{0};
  std::atomic<bool> is_replica{false};
  mutable std::mutex names_mutex;
  // Guarded by names_mutex.
  std::string name;
  std::string library_name;
  std::string library_version;
  std::string user_name;
  uint64_t user_id = 0;
  std::shared_ptr<Waiter> waiter;             // what Connection::waiter is
  std::shared_ptr<tiers::ClientLease> lease;  // what Connection::lease is
  // Immutable.
  std::string peer_address;
  std::string local_address;
  int fd = -1;
  bool is_unix = false;
};

enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipping };

enum class ConnectionState : uint8_t {
  kReady,    // executes what arrives
  kParked,   // the request at the front of input waits
  kClosing,  // sends what is left, reads no more
  kClosed,   // to be destroyed at the end of the turn
};

struct Connection : commands::Session {
  explicit Connection(Worker* owner) : worker(owner) {}

  Worker* const worker;
  std::unique_ptr<runtime::Stream> stream;
  ConnectionState state = ConnectionState::kReady;
  resp::RequestParser parser;
  base::Buffer
      input;  // received, not yet executed: an unfinished or parked request and what follows
  base::Buffer output;  // replies that the socket did not take
  ReplyMode reply_mode = ReplyMode::kOn;
  // Why its requests do not simply run: a set of these bits, 0 nearly always.
  static constexpr uint8_t kQueues = 1;  // between MULTI and EXEC
  static constexpr uint8_t kWaits = 2;   // the request at the front has a waiter
  static constexpr uint8_t kPaused = 4;  // the request at the front is held up by CLIENT PAUSE
  uint8_t detours = 0;
  bool has_backlog = false;         // whole requests wait in input until replies are read
  bool is_gathered = false;         // what it sent is served at the end of the turn
  bool is_sent_later = false;       // its output, when those that were woken have been served
  int events = 0;                   // what the stream is watched for
  int64_t soft_limit_since_ms = 0;  // since when output is over its soft limit; 0: it is not

  // Its user; kept by acl_connections.
  AclStanding standing;
  // The generation of the users at which it was authenticated and allowed everything; 0: it was
  // not.
  uint64_t unrestricted_at = 0;

  // Pushes: kept by the worker's PushDesk.
  bool hears = false;          // something may be to be pushed behind the replies of its commands
  bool is_subscriber = false;  // to anything; a RESP2 client may do little else then
  bool has_unsent_pushes = false;  // in output, to be sent at the end of the turn
  // Null until it subscribes. Changes under the mutex of the view, under which other threads read.
  std::unique_ptr<Subscriptions> subscriptions;
  bool is_monitor = false;
  bool tracks_reads = false;                // keys that it reads now are to be remembered
  std::unique_ptr<TrackingState> tracking;  // null while it does not

  // The request at the front of input, while it resolves; null otherwise.
  std::shared_ptr<tiers::ParkedRequest> parked;

  // While the request at the front of input waits for keys or time; null otherwise.
  std::shared_ptr<Waiter> waiter;
  void SetWaiter(std::shared_ptr<Waiter> now) {
    waiter = now;
    std::lock_guard lock(view.names_mutex);
    view.waiter = std::move(now);
  }

  // While the request at the front of input waits on the regional tier; null otherwise.
  std::shared_ptr<tiers::ClientLease> lease;
  void SetLease(std::shared_ptr<tiers::ClientLease> now) {
    lease = now;
    std::lock_guard lock(view.names_mutex);
    view.lease = std::move(now);
  }

  // What REPLCONF has said of the server behind it.
  struct ReplicaIdentity {
    std::string address;  // "": the one it connects from
    int port = 0;
  };
  ReplicaIdentity replica_identity;
  std::shared_ptr<Replica> replica;  // after SYNC or PSYNC; null otherwise

  // After MULTI or WATCH; null otherwise.
  std::unique_ptr<Transaction> transaction;

  ClientView view;
};

}  // namespace terrace::server
