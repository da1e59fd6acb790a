// INFO: what the server knows about itself, in Redis's sections and one of its own: tiers.

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include "commands/registry.h"
#include "server/append_only.h"
#include "server/commands.h"
#include "server/describe_client.h"
#include "server/info_section.h"
#include "server/messaging.h"
#include "server/replicas.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/version.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

// Seconds, in the 24 bits that Redis has for them.
constexpr int64_t kLruClockMax = (1 << 24) - 1;

// Of all threads, from the first or another one on.
uint64_t Sum(const Server& server, base::Counter WorkerStats::*counter, size_t first = 0) {
  uint64_t sum = 0;
  for (size_t i = first; i < server.workers().size(); ++i) {
    sum += (server.workers()[i]->stats().*counter).value();
  }
  return sum;
}

void Listeners(const Settings& settings, Section& section) {
  int count = 0;
  if (settings.port != 0) {
    std::string line = "name=tcp";
    for (const std::string& address : settings.bind) line += ",bind=" + address;
    section.Line("listener" + std::to_string(count++),
                 line + ",port=" + std::to_string(settings.port));
  }
  if (!settings.unixsocket.empty()) {
    section.Line("listener" + std::to_string(count++), "name=unix,bind=" + settings.unixsocket);
  }
}

void ServerSection(Call& call, Section& section) {
  Server& server = *CoreOf(call).server;
  const Settings settings = server.settings();
  utsname system{};
  uname(&system);
  const int64_t uptime_s = (call.clock.NowMs() - server.start_ms()) / 1000;
  section.Line("redis_version", std::string(kRedisVersion));
  if (call.speaks_valkey()) {
    section.Line("server_name", "valkey");
    section.Line("valkey_version", std::string(kValkeyVersion));
  }
  section.Line("terrace_version", std::string(kVersion));
  section.Line(IsCalledValkey(call) ? "server_mode" : "redis_mode", "standalone");
  section.Line("os", std::string(system.sysname) + " " + system.release + " " + system.machine);
  section.Number("arch_bits", 64);
  section.Line("monotonic_clock", "POSIX clock_gettime");
  section.Line("multiplexing_api", "libuv");
  section.Line("gcc_version", __VERSION__);
  section.Number("process_id", getpid());
  section.Line("process_supervised", "no");
  section.Line("run_id", server.run_id());
  section.Number("tcp_port", settings.port);
  section.Number("server_time_usec", call.clock.WallUs());
  section.Number("uptime_in_seconds", uptime_s);
  section.Number("uptime_in_days", uptime_s / 86400);
  section.Number("hz", settings.hz);
  section.Number("configured_hz", settings.hz);
  section.Number("lru_clock", call.clock.NowMs() / 1000 & kLruClockMax);
  section.Number("worker_threads", server.workers().size());
  std::error_code unknown;
  section.Line("executable", std::filesystem::read_symlink("/proc/self/exe", unknown).string());
  section.Line("config_file", server.config_files().config_file);
  section.Number("io_threads_active", server.workers().size() > 1 ? 1 : 0);
  Listeners(settings, section);
}

void ClientsSection(Call& call, Section& section) {
  Server& server = *CoreOf(call).server;
  size_t clients = 0, blocked = 0, subscribers = 0, largest_input = 0, largest_output = 0;
  for (const auto& worker : server.workers()) {
    worker->VisitClients([&](const Connection& connection) {
      ++clients;
      blocked += IsBlocked(connection);
      subscribers += connection.view.is_subscriber;
      largest_input = std::max<size_t>(largest_input,
                                       connection.view.input_bytes + connection.view.arrived_bytes);
      largest_output = std::max<size_t>(largest_output, connection.view.output_bytes);
    });
  }
  section.Number("connected_clients", clients);
  section.Number("cluster_connections", 0);
  section.Number("maxclients", server.settings().maxclients);
  section.Number("client_recent_max_input_buffer", largest_input);
  section.Number("client_recent_max_output_buffer", largest_output);
  section.Number("blocked_clients", blocked);
  section.Number("tracking_clients", CoreOf(call).tracking->client_count());
  section.Number("pubsub_clients", subscribers);
  const keyspace::Keyspace::Awaited awaited = call.db.keyspace().CountAwaited();
  section.Number("total_blocking_keys", awaited.keys);
  section.Number("total_blocking_keys_on_nokey", awaited.keys_to_end);
}

void AppendOnlyLines(const AppendOnly::Info& info, Section& section) {
  section.Number("aof_enabled", info.is_enabled ? 1 : 0);
  section.Number("aof_rewrite_in_progress", info.is_rewriting ? 1 : 0);
  section.Number("aof_rewrite_scheduled", info.is_scheduled ? 1 : 0);
  section.Number("aof_last_rewrite_time_sec", info.last_rewrite_s);
  section.Number("aof_current_rewrite_time_sec", info.current_rewrite_s);
  section.Line("aof_last_bgrewrite_status", info.last_rewrite_succeeded ? "ok" : "err");
  section.Number("aof_rewrites", info.rewrites);
  section.Number("aof_rewrites_consecutive_failures", info.consecutive_failures);
  section.Line("aof_last_write_status", info.last_write_succeeded ? "ok" : "err");
  section.Number("aof_last_cow_size", info.last_copied_bytes);
  section.Number("module_fork_in_progress", 0);
  section.Number("module_fork_last_cow_size", 0);
  if (!info.is_enabled) return;
  section.Number("aof_current_size", info.bytes);
  section.Number("aof_base_size", info.base_bytes);
  section.Number("aof_pending_rewrite", 0);
  section.Number("aof_buffer_length", info.buffered_bytes);
  section.Number("aof_pending_bio_fsync", info.is_syncing ? 1 : 0);
  section.Number("aof_delayed_fsync", info.delayed_writes);
}

void PersistenceSection(Call& call, Section& section) {
  const Persistence::Info info = CoreOf(call).server->persistence().info();
  section.Number("loading", 0);
  section.Number("async_loading", 0);
  section.Number("rdb_changes_since_last_save", info.changes);
  section.Number("rdb_bgsave_in_progress", info.in_progress ? 1 : 0);
  section.Number("rdb_last_save_time", info.last_save_s);
  section.Line("rdb_last_bgsave_status", info.last_succeeded ? "ok" : "err");
  section.Number("rdb_last_bgsave_time_sec", info.last_duration_s);
  section.Number("rdb_current_bgsave_time_sec", info.running_s);
  section.Number("rdb_saves", info.saves);
  section.Number("rdb_last_cow_size", info.last_copied_bytes);
  section.Number("rdb_last_load_keys_expired", info.expired_keys);
  section.Number("rdb_last_load_keys_loaded", info.loaded_keys);
  section.Number("rdb_bgsave_scheduled", info.scheduled ? 1 : 0);
  AppendOnlyLines(CoreOf(call).append_only->info(), section);
}

void StatsSection(Call& call, Section& section) {
  Core& core = CoreOf(call);
  Server& server = *core.server;
  const keyspace::ShardStats keyspace = core.keyspace->TotalStats();
  const Server::Rates rates = server.rates();
  section.Number("total_connections_received", Sum(server, &WorkerStats::connections_received));
  section.Number("total_commands_processed", Sum(server, &WorkerStats::commands_processed));
  section.Number("instantaneous_ops_per_sec", static_cast<int64_t>(rates.operations));
  section.Number("total_net_input_bytes", Sum(server, &WorkerStats::input_bytes));
  section.Number("total_net_output_bytes", Sum(server, &WorkerStats::output_bytes));
  section.Number("total_net_repl_input_bytes", 0);  // it follows nobody
  section.Fraction("instantaneous_input_kbps", rates.input_bytes / 1024);
  section.Fraction("instantaneous_output_kbps", rates.output_bytes / 1024);
  section.Fraction("instantaneous_input_repl_kbps", 0);
  section.Number("rejected_connections", server.rejected_connections());
  section.Number("sync_full", core.replicas->full_syncs());
  section.Number("sync_partial_ok", 0);  // there is no backlog
  section.Number("sync_partial_err", core.replicas->refused_partial_syncs());
  section.Number("expired_keys", keyspace.expired);
  section.Number("expired_subkeys", keyspace.expired_parts);
  section.Number("evicted_keys", keyspace.evicted);
  section.Number("evicted_clients", 0);  // maxmemory-clients is not supported
  section.Number("keyspace_hits", keyspace.hits);
  section.Number("keyspace_misses", keyspace.misses);
  section.Number("pubsub_channels", core.messaging->NameCount(NameKind::kChannel));
  section.Number("pubsub_patterns", core.messaging->NameCount(NameKind::kPattern));
  section.Number("pubsubshard_channels", core.messaging->NameCount(NameKind::kShardChannel));
  section.Number("latest_fork_usec", server.persistence().background().last_fork_us());
  section.Number("total_forks", server.persistence().background().forks());
  size_t migration_targets = 0;
  for (const auto& worker : server.workers()) {
    migration_targets += worker->migration_targets().idle_count();
  }
  section.Number("migrate_cached_sockets", migration_targets);
  section.Number("slave_expires_tracked_keys", 0);
  // Nothing is moved to defragment memory.
  for (const char* name :
       {"active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits",
        "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time"}) {
    section.Number(name, 0);
  }
  section.Number("tracking_total_keys", core.tracking->key_count());
  section.Number("tracking_total_items", core.tracking->item_count());
  section.Number("tracking_total_prefixes", core.tracking->prefix_count());
  uint64_t errors = 0;
  for (const auto& worker : server.workers()) {
    std::lock_guard lock(worker->stats().errors_mutex);
    for (const auto& [code, count] : worker->stats().errors) errors += count;
  }
  section.Number("total_error_replies", errors);
  section.Number("protocol_errors", Sum(server, &WorkerStats::protocol_errors));
  section.Number("client_query_buffer_limit_disconnections",
                 Sum(server, &WorkerStats::query_limit_disconnections));
  section.Number("client_output_buffer_limit_disconnections",
                 Sum(server, &WorkerStats::output_limit_disconnections));
  section.Number("total_reads_processed", Sum(server, &WorkerStats::reads));
  section.Number("total_writes_processed", Sum(server, &WorkerStats::writes));
  section.Number("io_threaded_reads_processed", Sum(server, &WorkerStats::reads, 1));
  section.Number("io_threaded_writes_processed", Sum(server, &WorkerStats::writes, 1));
  section.Number("acl_access_denied_auth", core.acl_log.total(AclReason::kAuth));
  section.Number("acl_access_denied_cmd", core.acl_log.total(AclReason::kCommand));
  section.Number("acl_access_denied_key", core.acl_log.total(AclReason::kKey));
  section.Number("acl_access_denied_channel", core.acl_log.total(AclReason::kChannel));
}

void ReplicationSection(Call& call, Section& section) {
  section.Text(ReplicationInfo(CoreOf(call)));
}

void CpuSection(Call&, Section& section) {
  rusage usage{}, children{};
  getrusage(RUSAGE_SELF, &usage);
  getrusage(RUSAGE_CHILDREN, &children);
  const auto seconds = [](const timeval& time) {
    char text[32];
    std::snprintf(text, sizeof(text), "%ld.%06ld", static_cast<long>(time.tv_sec),
                  static_cast<long>(time.tv_usec));
    return std::string(text);
  };
  section.Line("used_cpu_sys", seconds(usage.ru_stime));
  section.Line("used_cpu_user", seconds(usage.ru_utime));
  section.Line("used_cpu_sys_children", seconds(children.ru_stime));
  section.Line("used_cpu_user_children", seconds(children.ru_utime));
}

void CommandStatsSection(Call& call, Section& section) {
  Core& core = CoreOf(call);
  const double us_per_cycle = core.cycles->UsPerCycle(call.clock.MonoUs());
  for (const Command& command : call.registry.rows()) {
    uint64_t calls = 0, cycles = 0, rejected = 0, failed = 0;
    for (const auto& worker : core.server->workers()) {
      const CommandStats& stats = worker->stats().commands[static_cast<size_t>(command.id)];
      calls += stats.calls.value();
      cycles += stats.cycles.value();
      rejected += stats.rejected.value();
      failed += stats.failed.value();
    }
    if (calls + rejected == 0) continue;
    const double us = static_cast<double>(cycles) * us_per_cycle;
    char text[160];
    std::snprintf(text, sizeof(text),
                  "calls=%llu,usec=%.0f,usec_per_call=%.2f,rejected_calls=%llu,failed_calls=%llu",
                  static_cast<unsigned long long>(calls), us,
                  calls > 0 ? us / static_cast<double>(calls) : 0.0,
                  static_cast<unsigned long long>(rejected),
                  static_cast<unsigned long long>(failed));
    section.Line("cmdstat_" + std::string(command.name), text);
  }
}

void LatencyStatsSection(Call& call, Section& section) {
  const Core& core = CoreOf(call);
  const std::vector<double> percentiles = core.server->settings().latency_tracking_info_percentiles;
  const double us_per_cycle = core.cycles->UsPerCycle(call.clock.MonoUs());
  for (const Command& command : call.registry.rows()) {
    base::Histogram latency;
    core.server->CollectLatency(command, &latency);
    if (latency.count() == 0) continue;
    std::string text;
    for (const double percentile : percentiles) {
      const double cycles = static_cast<double>(latency.Percentile(percentile / 100));
      char value[64];
      std::snprintf(value, sizeof value, "%sp%g=%.3f", text.empty() ? "" : ",", percentile,
                    cycles * us_per_cycle);
      text += value;
    }
    section.Line("latency_percentiles_usec_" + std::string(command.name), text);
  }
}

void ErrorStatsSection(Call& call, Section& section) {
  std::map<std::string, uint64_t> errors;
  for (const auto& worker : CoreOf(call).server->workers()) {
    std::lock_guard lock(worker->stats().errors_mutex);
    for (const auto& [code, count] : worker->stats().errors) errors[code] += count;
  }
  for (const auto& [code, count] : errors) {
    section.Line("errorstat_" + code, "count=" + std::to_string(count));
  }
}

void ClusterSection(Call&, Section& section) { section.Number("cluster_enabled", 0); }

struct SectionRow {
  std::string_view name;
  std::string_view title;
  bool is_default;
  void (*write)(Call& call, Section& section);
};

constexpr SectionRow kSections[] = {
    {"server", "Server", true, ServerSection},
    {"clients", "Clients", true, ClientsSection},
    {"memory", "Memory", true, MemorySection},
    {"persistence", "Persistence", true, PersistenceSection},
    {"stats", "Stats", true, StatsSection},
    {"replication", "Replication", true, ReplicationSection},
    {"cpu", "CPU", true, CpuSection},
    {"commandstats", "Commandstats", false, CommandStatsSection},
    {"latencystats", "Latencystats", false, LatencyStatsSection},
    {"errorstats", "Errorstats", true, ErrorStatsSection},
    {"cluster", "Cluster", true, ClusterSection},
    {"tiers", "Tiers", true, TiersSection},
    {"keyspace", "Keyspace", true, KeyspaceSection},
};

void Info(Call& call) {
  bool all = false, defaults = call.argc() == 1;
  std::set<std::string_view> wanted;
  for (size_t at = 1; at < call.argc(); ++at) {
    all |= call.Is(at, "all") || call.Is(at, "everything");
    defaults |= call.Is(at, "default");
    for (const SectionRow& row : kSections) {
      if (call.Is(at, row.name)) wanted.insert(row.name);
    }
  }
  std::string text;
  for (const SectionRow& row : kSections) {
    if (!all && !(defaults && row.is_default) && !wanted.contains(row.name)) continue;
    if (!text.empty()) text += "\r\n";
    text += "# " + std::string(row.title) + "\r\n";
    Section section(&text);
    row.write(call, section);
  }
  call.reply.Verbatim("txt", text);
}

constexpr Command kInfoCommands[] = {
    {.name = "info",
     .arity = -1,
     .flags = commands::kLoading | commands::kStale | commands::kTakesLocks,
     .categories = commands::kDangerous,
     .handler = Info,
     .group = "server",
     .since = "1.0.0",
     .syntax = "[section...]",
     .summary = "Describes the server, its clients, memory, statistics and tiers.",
     .tips = "nondeterministic_output request_policy:all_shards response_policy:special"},
};

}  // namespace

std::span<const Command> InfoCommands() { return kInfoCommands; }

}  // namespace terrace::server
