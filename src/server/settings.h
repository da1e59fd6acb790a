#pragma once

// Settings: every setting of the server as plain data, with its default. The rest of the server
// reads these; how they are named, checked, documented and changed is in settings_table.h.
//
// Fields are named like the setting ("tcp-backlog" is tcp_backlog); Redis's settings have Redis's
// name, unit and default. Durations of Terrace's own are in milliseconds and end in _ms.
//
// Ownership: copyable values; nothing points anywhere.
// Threads:   none inside. The server guards the one live copy by a mutex and hands out copies, or
//            applies single values where they are used.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "commands/dialect.h"
#include "tiers/breaker.h"
#include "tiers/origin.h"
#include "tiers/regional.h"

namespace terrace::server {

enum class LogLevel : int { kDebug, kVerbose, kNotice, kWarning };
enum class LogFormat : int { kText, kJson };
enum class AppendSync : int { kAlways, kEverySecond, kNo };
// Who may do it: nobody, everybody, or only clients on a loopback address or a Unix socket.
enum class Permission : int { kNo, kYes, kLocal };
enum class Sanitizing : int { kNo, kYes, kClients };
// Who has the last word on a key, see docs/configuration.md.
enum class WriteMode : int { kForward, kSpill, kLocal };
enum class OriginKind : int { kHttp, kDirectory, kRedis };

// A client whose unsent replies exceed hard_bytes, or soft_bytes for soft_seconds, is closed.
// 0 bytes: no limit.
struct OutputBufferLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  int64_t soft_seconds = 0;

  bool operator==(const OutputBufferLimit&) const = default;
};

struct OutputBufferLimits {
  OutputBufferLimit normal;
  OutputBufferLimit replica{256u << 20, 64u << 20, 60};
  OutputBufferLimit pubsub{32u << 20, 8u << 20, 60};

  bool operator==(const OutputBufferLimits&) const = default;
};

// [[regional]]: a Redis below the local tier. options.name is what routes refer to.
struct RegionalSettings {
  tiers::RegionalOptions options;
  tiers::BreakerOptions breaker;
};

// [[origin]]: where values come from. Only the fields of its kind are set; the others keep their
// defaults.
struct OriginSettings {
  std::string name;
  OriginKind kind = OriginKind::kHttp;
  tiers::HttpOriginOptions http;
  tiers::DirectoryOriginOptions directory;
  tiers::RegionalOptions redis;
  tiers::BreakerOptions breaker;
};

// [[route]]: which tiers the keys with a prefix have. The longest matching prefix wins.
struct RouteSettings {
  std::string prefix;    // empty: every key
  std::string regional;  // name of a [[regional]], or empty
  std::string origin;    // name of an [[origin]], or empty
  WriteMode write = WriteMode::kLocal;

  int64_t ttl_ms = 60000;          // longest life of a copy; kNoTtl: as long as its source says
  int64_t negative_ttl_ms = 1000;  // longest life of "absent"; 0: not remembered
  double jitter = 0.1;             // part of ttl that is taken off at random, 0 to 1
  uint64_t max_value = 64u << 20;  // bytes; a larger value is an error, never kept; 0: no limit

  int64_t timeout_ms = 3000;            // the whole resolution of one key
  int64_t regional_timeout_ms = 1000;   // one request to the regional tier
  int64_t origin_timeout_ms = 2000;     // one request to the origin
  uint64_t relay_in_flight_max = 1000;  // commands relayed and not yet answered
};

struct Settings {
  // [server]
  std::vector<std::string> bind = {"127.0.0.1", "-::1"};  // "-": not an error when unavailable
  int64_t port = 6379;                                    // 0: no TCP
  std::string unixsocket;                                 // path; empty: none
  int64_t unixsocketperm = 0;                             // as for chmod; 0: leave as created
  int64_t tcp_backlog = 511;
  int64_t tcp_keepalive = 300;  // seconds; 0: off
  int64_t timeout = 0;          // seconds a client may be idle; 0: for ever
  int64_t maxclients = 10000;
  int64_t databases = 16;
  commands::Dialect compatibility = commands::Dialect::kRedis72;
  bool extended_redis_compatibility = false;
  int64_t threads = 0;  // 0: one for each core
  int64_t hz = 10;
  int64_t shutdown_timeout = 10;  // seconds
  bool daemonize = false;
  bool cluster_enabled = false;
  std::string dir = ".";
  std::string dbfilename = "dump.rdb";
  bool appendonly = false;
  AppendSync appendfsync = AppendSync::kEverySecond;
  std::string appendfilename = "appendonly.aof";
  std::string appenddirname = "appendonlydir";
  bool no_appendfsync_on_rewrite = false;
  int64_t auto_aof_rewrite_percentage = 100;  // 0: never by itself
  uint64_t auto_aof_rewrite_min_size = uint64_t{64} << 20;
  bool aof_load_truncated = true;
  bool aof_use_rdb_preamble = true;  // no effect: the base is a snapshot
  std::string save;  // save points in Redis's syntax, see save_points.h; empty: none
  bool stop_writes_on_bgsave_error = true;
  bool rdbcompression = true;  // no effect: strings are written as they are
  bool rdbchecksum = true;
  int64_t rdb_key_save_delay = 0;  // microseconds, for tests
  std::string replicaof;
  std::string masterauth, masteruser;
  uint64_t repl_backlog_size = 1u << 20;  // bytes; no effect: a replica begins anew
  int64_t repl_ping_replica_period = 10;  // seconds
  int64_t repl_timeout = 60;              // seconds
  int64_t min_replicas_to_write = 0;
  int64_t min_replicas_max_lag = 10;  // seconds

  // [log]
  LogLevel loglevel = LogLevel::kNotice;
  std::string logfile;  // empty: standard output
  LogFormat log_format = LogFormat::kText;
  int64_t slowlog_log_slower_than = 10000;  // microseconds; negative: off
  int64_t slowlog_max_len = 128;
  int64_t latency_monitor_threshold = 0;  // milliseconds; 0: off
  bool latency_tracking = true;
  std::vector<double> latency_tracking_info_percentiles = {50, 99, 99.9};

  // [security]
  bool protected_mode = true;
  std::string requirepass;
  std::vector<std::string> user;  // each "name rule rule ..."
  std::string aclfile;            // path; empty: none
  std::string acl_pubsub_default = "resetchannels";
  int64_t acllog_max_len = 128;
  Permission enable_debug_command = Permission::kNo;
  Permission enable_module_command = Permission::kNo;
  Permission enable_protected_configs = Permission::kNo;
  Sanitizing sanitize_dump_payload = Sanitizing::kYes;

  // [memory]
  uint64_t maxmemory = 0;  // bytes; 0: no limit
  std::string maxmemory_policy = "noeviction";
  int64_t maxmemory_samples = 8;
  int64_t maxmemory_clients = 0;  // bytes; negative: per cent of maxmemory; 0: no limit
  int64_t lfu_log_factor = 10;
  int64_t lfu_decay_time = 1;  // minutes
  int64_t active_expire_effort = 1;
  bool lazyfree_lazy_eviction = false;
  bool lazyfree_lazy_expire = false;
  bool lazyfree_lazy_server_del = false;
  bool lazyfree_lazy_user_del = false;
  bool lazyfree_lazy_user_flush = false;
  bool disable_thp = false;

  // [clients]
  OutputBufferLimits client_output_buffer_limit;
  uint64_t client_query_buffer_limit = 1u << 30;  // bytes
  uint64_t proto_max_bulk_len = 512u << 20;       // bytes
  int64_t tracking_table_max_keys = 1000000;
  int64_t tracking_table_max_items = 10000000;
  std::string notify_keyspace_events;   // in the form CONFIG GET shows
  int64_t busy_reply_threshold = 5000;  // milliseconds

  // [encoding]
  int64_t list_max_listpack_size = -2;
  int64_t list_compress_depth = 0;
  int64_t hash_max_listpack_entries = 512;
  uint64_t hash_max_listpack_value = 64;  // bytes
  int64_t set_max_intset_entries = 512;
  int64_t set_max_listpack_entries = 128;
  int64_t set_max_listpack_value = 64;
  int64_t zset_max_listpack_entries = 128;
  uint64_t zset_max_listpack_value = 64;  // bytes
  uint64_t stream_node_max_bytes = 4096;  // bytes
  int64_t stream_node_max_entries = 100;
  uint64_t hll_sparse_max_bytes = 3000;  // bytes

  // [limits]: what bounds the path of a miss. Reaching one answers -TIER, never blocks.
  int64_t parked_requests_max = 100000;   // requests waiting for a tier, all connections
  int64_t waiters_per_fetch_max = 20000;  // requests sharing one fetch
  int64_t fetches_in_flight_max = 10000;  // keys being fetched
  int64_t resolve_rounds_max = 8;         // times one request resolves again before it fails
  int64_t parked_ms_max = 30000;          // how long a request may wait for tiers, all rounds
  uint64_t spill_pending_bytes_max = 64u << 20;  // evicted values on their way to a regional tier
  int64_t tombstones_max = 100000;        // remembered deletions not yet known to the regional tier
  int64_t negative_entries_max = 100000;  // remembered absences

  std::vector<RegionalSettings> regionals;
  std::vector<OriginSettings> origins;
  std::vector<RouteSettings> routes;  // no two with the same prefix
};

}  // namespace terrace::server
