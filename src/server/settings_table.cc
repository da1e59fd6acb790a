#include "server/settings_table.h"

#include "server/settings_names.h"
#include "server/settings_rows.h"

namespace terrace::server {
namespace {

using enum Change;
using enum SettingType;
using R = Rows<Settings>;
using S = Settings;

constexpr std::string_view kLogLevels[] = {"debug", "verbose", "notice", "warning"};
constexpr std::string_view kLogFormats[] = {"text", "json"};
constexpr std::string_view kPermissions[] = {"no", "yes", "local"};
constexpr std::string_view kSanitizing[] = {"no", "yes", "clients"};
constexpr std::string_view kAppendSyncs[] = {"always", "everysec", "no"};
constexpr std::string_view kDialects[] = {"redis-7.2", "valkey-8.0"};
constexpr std::string_view kChannelDefaults[] = {"allchannels", "resetchannels"};
constexpr std::string_view kPolicies[] = {
    "volatile-lru", "volatile-lfu",   "volatile-random", "volatile-ttl", "allkeys-lru",
    "allkeys-lfu",  "allkeys-random", "noeviction",      "sieve",        "s3-fifo"};

constexpr int64_t kMegabyte = 1 << 20;

// The order is the order of config.example and of CONFIG GET *.
constexpr R::Row kRows[] = {
    R::Plain<&S::bind>("server", "bind", kList, kRestart,
                       "Addresses to listen on; '-' before one: no error when it is unavailable; "
                       "'*': every address"),
    R::Number<&S::port>("server", "port", kInt, 0, 65535, "", kRestart, "TCP port; 0: no TCP"),
    R::Plain<&S::unixsocket>("server", "unixsocket", kString, kRestart,
                             "Path of a Unix socket to listen on; empty: none"),
    R::Number<&S::unixsocketperm>("server", "unixsocketperm", kOctal, 0, 0777, "octal mode",
                                  kRestart, "Permissions of the Unix socket; 0: as created"),
    R::Number<&S::tcp_backlog>("server", "tcp-backlog", kInt, 0, kIntMax, "connections", kRestart,
                               "Connections the kernel may hold before we accept them"),
    R::Number<&S::tcp_keepalive>("server", "tcp-keepalive", kInt, 0, kIntMax, "seconds", kLive,
                                 "Idle time before TCP keepalive probes; 0: none"),
    R::Number<&S::timeout>("server", "timeout", kInt, 0, kIntMax, "seconds", kLive,
                           "Close a client that was idle this long; 0: never"),
    R::Number<&S::maxclients>("server", "maxclients", kInt, 1, 4294967295, "connections", kLive,
                              "Clients connected at once; further ones are refused"),
    R::Number<&S::databases>("server", "databases", kInt, 1, kIntMax, "databases", kRestart,
                             "Databases that SELECT can choose from"),
    R::Choice<&S::compatibility>("server", "compatibility", kDialects, kLive,
                                 "Whose answers clients get where the two contradict each other"),
    R::Plain<&S::extended_redis_compatibility>(
        "server", "extended-redis-compatibility", kBool, kLive,
        "Call ourselves Redis even where the answers are those of Valkey"),
    R::Number<&S::threads>("server", "threads", kInt, 0, 128, "threads", kRestart,
                           "Worker threads; 0: one for each core")
        .Alias("io-threads"),
    R::Number<&S::hz>("server", "hz", kInt, 1, 500, "per second", kLive,
                      "How often background work (expiry, timeouts) runs"),
    R::Number<&S::shutdown_timeout>("server", "shutdown-timeout", kInt, 0, kIntMax, "seconds",
                                    kLive,
                                    "Longest time a shutdown waits for requests under way, and "
                                    "again for values on their way to regional tiers"),
    R::Plain<&S::daemonize>("server", "daemonize", kBool, kRestart,
                            "Only 'no': a service manager runs the server in the background")
        .OnlyDefault(),
    R::Plain<&S::dir>("server", "dir", kDirectory, kLive, "Working directory for files")
        .Protected(),
    R::Plain<&S::dbfilename>(
        "server", "dbfilename", kFileName, kLive,
        "Name of the snapshot file in dir, which is read at the start if it is there")
        .Protected(),
    R::Plain<&S::appendonly>("server", "appendonly", kBool, kLive,
                             "Keep every change in an append-only file, which is loaded at the "
                             "start instead of the snapshot"),
    R::Choice<&S::appendfsync>("server", "appendfsync", kAppendSyncs, kLive,
                               "When the append-only file is brought to the disk: before every "
                               "reply, once a second, or when the system likes"),
    R::Plain<&S::appendfilename>("server", "appendfilename", kFileName, kRestart,
                                 "What the names of the append-only files begin with"),
    R::Plain<&S::appenddirname>("server", "appenddirname", kFileName, kRestart,
                                "Directory in dir for the append-only files"),
    R::Plain<&S::no_appendfsync_on_rewrite>(
        "server", "no-appendfsync-on-rewrite", kBool, kLive,
        "Do not sync the append-only file while it is being rewritten"),
    R::Number<&S::auto_aof_rewrite_percentage>(
        "server", "auto-aof-rewrite-percentage", kInt, 0, kIntMax, "percent", kLive,
        "Rewrite the append-only file when it has grown by this much; 0: never"),
    R::Number<&S::auto_aof_rewrite_min_size>(
        "server", "auto-aof-rewrite-min-size", kBytes, 0, kInt64Max, "bytes", kLive,
        "A smaller append-only file is not rewritten by itself"),
    R::Plain<&S::aof_load_truncated>(
        "server", "aof-load-truncated", kBool, kLive,
        "Load an append-only file whose end is missing, and cut off what is not whole"),
    R::Plain<&S::aof_use_rdb_preamble>("server", "aof-use-rdb-preamble", kBool, kLive,
                                       "Accepted; a rewritten file begins with a snapshot"),
    R::Plain<&S::save>("server", "save", kSavePoints, kLive,
                       "When to write a snapshot by itself: after so many seconds if there were so "
                       "many changes, \"3600 1 300 100\"; empty: never"),
    R::Plain<&S::stop_writes_on_bgsave_error>(
        "server", "stop-writes-on-bgsave-error", kBool, kLive,
        "Refuse writes while the last snapshot has failed, where 'save' asks for snapshots"),
    R::Plain<&S::rdbcompression>("server", "rdbcompression", kBool, kLive,
                                 "Accepted; strings in snapshots are not compressed"),
    R::Plain<&S::rdbchecksum>("server", "rdbchecksum", kBool, kLive,
                              "Write and compare the checksum of snapshots"),
    R::Number<&S::rdb_key_save_delay>("server", "rdb-key-save-delay", kInt, 0, kIntMax,
                                      "microseconds", kLive,
                                      "Sleep after each key of a snapshot: for tests only"),
    R::Plain<&S::cluster_enabled>("server", "cluster-enabled", kBool, kRestart,
                                  "Only 'no': this server is not a node of a Redis Cluster")
        .OnlyDefault(),
    R::Plain<&S::replicaof>("server", "replicaof", kString, kRestart,
                            "Only '': this server is nobody's replica")
        .Alias("slaveof")
        .OnlyDefault(),
    R::Plain<&S::masterauth>("server", "masterauth", kString, kLive,
                             "Accepted; this server is nobody's replica")
        .Alias("primaryauth")
        .Sensitive(),
    R::Plain<&S::masteruser>("server", "masteruser", kString, kLive,
                             "Accepted; this server is nobody's replica")
        .Alias("primaryuser")
        .Sensitive(),
    R::Number<&S::repl_backlog_size>("server", "repl-backlog-size", kBytes, 1, kInt64Max, "bytes",
                                     kLive, "Accepted; a replica that comes back begins anew"),
    R::Number<&S::repl_ping_replica_period>("server", "repl-ping-replica-period", kInt, 1, kIntMax,
                                            "seconds", kLive,
                                            "How often replicas get a sign of life")
        .Alias("repl-ping-slave-period"),
    R::Number<&S::repl_timeout>("server", "repl-timeout", kInt, 1, kIntMax, "seconds", kLive,
                                "A replica that is silent for so long is disconnected"),
    R::Number<&S::min_replicas_to_write>(
        "server", "min-replicas-to-write", kInt, 0, kIntMax, "", kLive,
        "Refuse writes while fewer replicas than this are up to date; 0: never")
        .Alias("min-slaves-to-write"),
    R::Number<&S::min_replicas_max_lag>(
        "server", "min-replicas-max-lag", kInt, 0, kIntMax, "seconds", kLive,
        "A replica that has been silent for longer is not up to date")
        .Alias("min-slaves-max-lag"),

    R::Choice<&S::loglevel>("log", "loglevel", kLogLevels, kLive, "The least that is logged"),
    R::Plain<&S::logfile>("log", "logfile", kString, kRestart,
                          "File to log to; empty: standard output"),
    R::Choice<&S::log_format>("log", "log_format", kLogFormats, kRestart,
                              "Lines for people, or one JSON object a line"),
    R::Number<&S::slowlog_log_slower_than>(
        "log", "slowlog-log-slower-than", kInt, -1, kInt64Max, "microseconds", kLive,
        "Commands at least this slow enter the slow log; -1: none, 0: all"),
    R::Number<&S::slowlog_max_len>("log", "slowlog-max-len", kInt, 0, kInt64Max, "entries", kLive,
                                   "Length of the slow log; the oldest entries leave"),
    R::Number<&S::latency_monitor_threshold>(
        "log", "latency-monitor-threshold", kInt, 0, kInt64Max, "milliseconds", kLive,
        "Events at least this long are kept for LATENCY; 0: none"),
    R::Plain<&S::latency_tracking>("log", "latency-tracking", kBool, kLive,
                                   "Keep a latency histogram of each command"),
    R::Plain<&S::latency_tracking_info_percentiles>("log", "latency-tracking-info-percentiles",
                                                    kPercentiles, kLive,
                                                    "Percentiles that INFO latencystats shows"),

    R::Plain<&S::protected_mode>(
        "security", "protected-mode", kBool, kLive,
        "Without a password, refuse clients that are not on a loopback address"),
    R::Plain<&S::requirepass>("security", "requirepass", kString, kLive,
                              "Password of the default user; empty: none")
        .Sensitive(),
    R::Plain<&S::user>("security", "user", kTexts, kRestart,
                       "Users, each a name and ACL rules: [\"ann on >secret ~app:* +@read\"]; "
                       "instead of aclfile")
        .FileOnly()
        .Sensitive(),
    R::Plain<&S::aclfile>("security", "aclfile", kString, kRestart,
                          "File that users are read from and ACL SAVE writes; empty: none"),
    R::Choice<&S::acl_pubsub_default>("security", "acl-pubsub-default", kChannelDefaults, kLive,
                                      "Channels a new ACL user may use"),
    R::Number<&S::acllog_max_len>("security", "acllog-max-len", kInt, 0, kInt64Max, "entries",
                                  kLive, "Length of the ACL log; the oldest entries leave"),
    R::Choice<&S::enable_debug_command>("security", "enable-debug-command", kPermissions, kRestart,
                                        "Who may use DEBUG; local: clients on this machine"),
    R::Choice<&S::enable_module_command>("security", "enable-module-command", kPermissions,
                                         kRestart, "Accepted; modules cannot be loaded"),
    R::Choice<&S::enable_protected_configs>(
        "security", "enable-protected-configs", kPermissions, kRestart,
        "Who may CONFIG SET dir and dbfilename; local: clients on this machine"),
    R::Choice<&S::sanitize_dump_payload>("security", "sanitize-dump-payload", kSanitizing, kLive,
                                         "Accepted; payloads are always checked"),

    R::Number<&S::maxmemory>("memory", "maxmemory", kBytes, 0, kInt64Max, "bytes", kLive,
                             "Memory the server may use; 0: no limit"),
    R::Choice<&S::maxmemory_policy>(
        "memory", "maxmemory-policy", kPolicies, kLive,
        "What leaves when the memory is full; noeviction: writes are refused"),
    R::Number<&S::maxmemory_samples>("memory", "maxmemory-samples", kInt, 1, 64, "keys", kLive,
                                     "Keys the sampling policies look at for each eviction"),
    R::Number<&S::maxmemory_clients>(
        "memory", "maxmemory-clients", kBytesOrPercent, -100, kInt64Max, "bytes or %", kLive,
        "Accepted; buffers are bounded for each client, none is closed for what all take"),
    R::Number<&S::lfu_log_factor>("memory", "lfu-log-factor", kInt, 0, kIntMax, "", kLive,
                                  "How slowly the LFU counters saturate"),
    R::Number<&S::lfu_decay_time>(
        "memory", "lfu-decay-time", kInt, 0, kIntMax, "minutes", kLive,
        "Idle time after which an LFU counter is lowered by one; 0: never"),
    R::Number<&S::active_expire_effort>(
        "memory", "active-expire-effort", kInt, 1, 10, "", kLive,
        "Accepted; expired keys are found by their deadlines, without searching"),
    R::Plain<&S::lazyfree_lazy_eviction>(
        "memory", "lazyfree-lazy-eviction", kBool, kLive,
        "Accepted; large values are always freed in the background"),
    R::Plain<&S::lazyfree_lazy_expire>("memory", "lazyfree-lazy-expire", kBool, kLive,
                                       "Accepted; large values are always freed in the background"),
    R::Plain<&S::lazyfree_lazy_server_del>(
        "memory", "lazyfree-lazy-server-del", kBool, kLive,
        "Accepted; large values are always freed in the background"),
    R::Plain<&S::lazyfree_lazy_user_del>(
        "memory", "lazyfree-lazy-user-del", kBool, kLive,
        "Accepted; large values are always freed in the background"),
    R::Plain<&S::lazyfree_lazy_user_flush>(
        "memory", "lazyfree-lazy-user-flush", kBool, kLive,
        "Accepted; databases are always freed in the background"),
    R::Plain<&S::disable_thp>(
        "memory", "disable-thp", kBool, kRestart,
        "Never use transparent huge pages; false: from 128mb in memory on, where the kernel has "
        "them"),

    R::Plain<&S::client_output_buffer_limit>(
        "clients", "client-output-buffer-limit", kOutputBufferLimits, kLive,
        "Per class (normal, replica, pubsub): close a client whose unsent replies exceed the hard "
        "limit, or the soft limit for so many seconds"),
    R::Number<&S::client_query_buffer_limit>("clients", "client-query-buffer-limit", kBytes,
                                             kMegabyte, kInt64Max, "bytes", kLive,
                                             "Close a client whose request grows beyond this"),
    R::Number<&S::proto_max_bulk_len>("clients", "proto-max-bulk-len", kBytes, kMegabyte, kInt64Max,
                                      "bytes", kLive, "Longest single argument of a request"),
    R::Number<&S::tracking_table_max_keys>("clients", "tracking-table-max-keys", kInt, 0, kInt64Max,
                                           "keys", kLive,
                                           "Keys remembered for client-side caching; 0: no limit"),
    R::Number<&S::tracking_table_max_items>(
        "clients", "tracking-table-max-items", kInt, 0, kInt64Max, "items", kLive,
        "Pairs of such a key and a client that has read it; 0: no limit"),
    R::Plain<&S::notify_keyspace_events>(
        "clients", "notify-keyspace-events", kKeyspaceEvents, kLive,
        "Classes of keyspace events to publish, of Ag$lshzxeKEtmdn; empty: none"),
    R::Number<&S::busy_reply_threshold>(
        "clients", "busy-reply-threshold", kInt, 0, kInt64Max, "milliseconds", kLive,
        "A script running this long makes other clients get -BUSY; 0: never")
        .Alias("lua-time-limit"),

    R::Number<&S::list_max_listpack_size>(
        "encoding", "list-max-listpack-size", kInt, -kIntMax - 1, kIntMax, "", kLive,
        "Elements in a node of a list, or -1 to -5 for 4, 8, 16, 32, 64 kb")
        .Alias("list-max-ziplist-size"),
    R::Number<&S::list_compress_depth>("encoding", "list-compress-depth", kInt, 0, kIntMax, "nodes",
                                       kLive, "Accepted; lists are not compressed"),
    R::Number<&S::hash_max_listpack_entries>("encoding", "hash-max-listpack-entries", kInt, 0,
                                             kInt64Max, "fields", kLive,
                                             "Largest hash kept compact")
        .Alias("hash-max-ziplist-entries"),
    R::Number<&S::hash_max_listpack_value>("encoding", "hash-max-listpack-value", kBytes, 0,
                                           kInt64Max, "bytes", kLive,
                                           "Longest field or value of a compact hash")
        .Alias("hash-max-ziplist-value"),
    R::Number<&S::set_max_intset_entries>("encoding", "set-max-intset-entries", kInt, 0, kInt64Max,
                                          "members", kLive, "Largest set of integers kept compact"),
    R::Number<&S::set_max_listpack_entries>("encoding", "set-max-listpack-entries", kInt, 0,
                                            kInt64Max, "members", kLive,
                                            "Largest set kept compact"),
    R::Number<&S::set_max_listpack_value>("encoding", "set-max-listpack-value", kInt, 0, kInt64Max,
                                          "bytes", kLive, "Longest member of a compact set"),
    R::Number<&S::zset_max_listpack_entries>("encoding", "zset-max-listpack-entries", kInt, 0,
                                             kInt64Max, "members", kLive,
                                             "Largest sorted set kept compact")
        .Alias("zset-max-ziplist-entries"),
    R::Number<&S::zset_max_listpack_value>("encoding", "zset-max-listpack-value", kBytes, 0,
                                           kInt64Max, "bytes", kLive,
                                           "Longest member of a compact sorted set")
        .Alias("zset-max-ziplist-value"),
    R::Number<&S::stream_node_max_bytes>("encoding", "stream-node-max-bytes", kBytes, 0, kInt64Max,
                                         "bytes", kLive, "Size of a node of a stream; 0: no limit"),
    R::Number<&S::stream_node_max_entries>("encoding", "stream-node-max-entries", kInt, 0,
                                           kInt64Max, "entries", kLive,
                                           "Entries in a node of a stream; 0: no limit"),
    R::Number<&S::hll_sparse_max_bytes>("encoding", "hll-sparse-max-bytes", kBytes, 0, kInt64Max,
                                        "bytes", kLive,
                                        "Largest HyperLogLog kept in the sparse form"),

    R::Number<&S::parked_requests_max>(
        "limits", "parked_requests_max", kInt, 1, kInt64Max, "requests", kLive,
        "Requests waiting for a tier; a further one that would wait gets -TIER at once"),
    R::Number<&S::waiters_per_fetch_max>(
        "limits", "waiters_per_fetch_max", kInt, 1, kInt64Max, "requests", kLive,
        "Requests sharing the fetch of one key; a further one gets -TIER at once"),
    R::Number<&S::fetches_in_flight_max>("limits", "fetches_in_flight_max", kInt, 1, kInt64Max,
                                         "keys", kLive,
                                         "Keys being fetched; a miss beyond gets -TIER at once"),
    R::Number<&S::resolve_rounds_max>(
        "limits", "resolve_rounds_max", kInt, 1, 1000, "rounds", kLive,
        "Times a request resolves its keys anew because they changed; then it gets -TIER"),
    R::Number<&S::parked_ms_max>(
        "limits", "parked_ms_max", kDurationMs, 1, kIntMax, "duration", kLive,
        "Longest a request waits for tiers, all rounds together; then it gets -TIER"),
    R::Number<&S::spill_pending_bytes_max>(
        "limits", "spill_pending_bytes_max", kBytes, 0, kInt64Max, "bytes", kLive,
        "Evicted values on their way to a regional tier; beyond it, keys of spill routes are not "
        "evicted, and writes that need memory get -OOM once there are no others to evict"),
    R::Number<&S::tombstones_max>(
        "limits", "tombstones_max", kInt, 0, kInt64Max, "keys", kLive,
        "Deletions on spill routes that the regional tier has not confirmed; beyond it, a deletion "
        "gets -TIER"),
    R::Number<&S::negative_entries_max>(
        "limits", "negative_entries_max", kInt, 0, kInt64Max, "keys", kLive,
        "Keys remembered as absent; beyond it the oldest are forgotten"),
};

}  // namespace

std::span<const SettingRow<Settings>> SettingRows() { return kRows; }

const SettingRow<Settings>* FindSetting(std::string_view name) {
  const std::string normal = NormalName(name);
  for (const R::Row& row : kRows) {
    if (normal == NormalName(row.info.name)) return &row;
    if (!row.info.alias.empty() && normal == NormalName(row.info.alias)) return &row;
  }
  return nullptr;
}

}  // namespace terrace::server
