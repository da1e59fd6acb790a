#pragma once

// Core: what the workers share. Plain wiring: the server owns the parts, everybody else is handed
// this. No logic here.
//
// Threads: the pointers are set before the first worker starts; each part says its own rules.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "commands/limits.h"
#include "commands/registry.h"
#include "keyspace/keyspace.h"
#include "resp/request_parser.h"
#include "runtime/cycles.h"
#include "server/acl_log.h"
#include "server/client_pause.h"
#include "server/latency_monitor.h"
#include "server/settings.h"
#include "server/slowlog.h"

namespace terrace::tiers {
class Resolver;
}
namespace terrace::replication {
class AppendOnlyFile;
}
namespace terrace::scripting {
class LibraryStore;
class ScriptStore;
}  // namespace terrace::scripting

namespace terrace::server {

class BusyScript;
class AclUsers;
class Server;

// What has been running for longer than busy-reply-threshold.
enum class BusyKind : uint8_t { kNone, kScript, kFunction };
class AppendOnly;
class ChangeFeed;
class Messaging;
class Replicas;
class Tracking;

// Settings that the request path reads on every request, in the form it needs them.
struct HotSettings {
  std::atomic<uint64_t> acl_generation{1};  // see AclUsers
  std::atomic<int64_t> bulk_bytes_max{int64_t{512} << 20};
  std::atomic<uint64_t> query_buffer_max{uint64_t{1} << 30};
  std::atomic<bool> latency_tracking{true};
  // Why no writes are taken, if so: a set of these, 0 nearly always.
  static constexpr uint8_t kSnapshotFailed = 1;  // and stop-writes-on-bgsave-error
  static constexpr uint8_t kFewReplicas = 2;     // than min-replicas-to-write
  static constexpr uint8_t kAppendFailed = 4;    // the append-only file cannot be written
  std::atomic<uint8_t> writes_stopped{0};
  std::atomic<int> append_error{0};  // errno, with kAppendFailed
  void StopWrites(uint8_t why, bool is_so) {
    if (is_so) {
      writes_stopped.fetch_or(why);
    } else {
      writes_stopped.fetch_and(static_cast<uint8_t>(~why));
    }
  }
  // A command that takes longer is looked at: for SLOWLOG, LATENCY and the time.
  std::atomic<uint64_t> slow_cycles{UINT64_MAX};
  std::atomic<int64_t> slowlog_us{-1};           // negative: off
  std::atomic<int64_t> latency_threshold_ms{0};  // 0: off
  std::atomic<int64_t> busy_reply_threshold_ms{5000};
};

// What a write is answered while HotSettings::writes_stopped.
inline constexpr std::string_view kSnapshotFailedError =
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
    "disk. Commands that may modify the data set are disabled, because this instance is configured "
    "to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error "
    "option). "
    "Please check the Redis logs for details about the RDB error.";
inline constexpr std::string_view kFewReplicasError =
    "NOREPLICAS Not enough good replicas to write.";
inline std::string WritesStoppedError(const HotSettings& hot, uint8_t why) {
  if ((why & HotSettings::kSnapshotFailed) != 0) return std::string(kSnapshotFailedError);
  if ((why & HotSettings::kAppendFailed) == 0) return std::string(kFewReplicasError);
  return std::string("MISCONF Errors writing to the AOF file: ") +
         std::strerror(hot.append_error.load());
}

struct Core {
  const base::Clock* clock = nullptr;
  base::Log* log = nullptr;
  keyspace::Keyspace* keyspace = nullptr;
  const commands::Registry* registry = nullptr;
  tiers::Resolver* resolver = nullptr;  // null where no route has lower tiers
  AclUsers* users = nullptr;
  Messaging* messaging = nullptr;
  Tracking* tracking = nullptr;
  ChangeFeed* changes = nullptr;                       // null in tests without a server
  Replicas* replicas = nullptr;                        // likewise
  AppendOnly* append_only = nullptr;                   // likewise
  replication::AppendOnlyFile* append_file = nullptr;  // its file; likewise
  scripting::ScriptStore* scripts = nullptr;
  scripting::LibraryStore* libraries = nullptr;
  BusyScript* busy = nullptr;
  Server* server = nullptr;  // for the administrative commands; null in tests without one
  std::optional<runtime::CycleScale> cycles;  // set when the server starts
  HotSettings hot;
  ClientPause pause;
  Slowlog slowlog;
  AclLog acl_log;
  LatencyMonitor latency_monitor;
  std::atomic<BusyKind> busy_script{BusyKind::kNone};
  size_t worker_count = 1;
  std::atomic<bool> scripts_run_all{false};  // DEBUG SET-DISABLE-DENY-SCRIPTS
  std::atomic<bool> active_expire{true};     // DEBUG SET-ACTIVE-EXPIRE
  std::atomic<bool> is_ending{false};        // clients are answered once more, then closed

  // Limits are replaced as a whole when a setting changes; a call holds its own reference.
  std::shared_ptr<const commands::Limits> limits() const {
    std::lock_guard lock(limits_mutex);
    return limits_value;
  }
  void set_limits(std::shared_ptr<const commands::Limits> limits) {
    std::lock_guard lock(limits_mutex);
    limits_value = std::move(limits);
    limits_version.fetch_add(1, std::memory_order_release);
  }
  mutable std::mutex limits_mutex;
  std::shared_ptr<const commands::Limits> limits_value = std::make_shared<const commands::Limits>();
  std::atomic<uint64_t> limits_version{1};
};

}  // namespace terrace::server
