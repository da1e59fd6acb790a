// INFO: what the server knows about itself, in Redis's sections and one of its own: tiers.

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <set>

#include "base/memory.h"
#include "commands/registry.h"
#include "server/append_only.h"
#include "server/commands.h"
#include "server/describe_client.h"
#include "server/messaging.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/version.h"
#include "server/worker.h"
#include "tiers/regional_lease.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

// Text of one section, line by line.
class Section {
 public:
  explicit Section(std::string* text) : text_(text) {}
  void Line(std::string_view name, const std::string& value) {
    text_->append(name).append(":").append(value).append("\r\n");
  }
  // Whole lines.
  void Text(const std::string& lines) { text_->append(lines); }
  template <typename Integer>
  void Number(std::string_view name, Integer value) {
    Line(name, std::to_string(value));
  }
  void Fraction(std::string_view name, double value) {
    char digits[32];
    std::snprintf(digits, sizeof(digits), "%.2f", value);
    Line(name, digits);
  }

 private:
  std::string* text_;
};

uint64_t Sum(const Server& server, base::Counter WorkerStats::*counter) {
  uint64_t sum = 0;
  for (const auto& worker : server.workers()) sum += (worker->stats().*counter).value();
  return sum;
}

std::string Human(uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGT";
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f%c" : "%.2f%c", value, kUnits[unit]);
  return text;
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
  section.Line("multiplexing_api", "libuv");
  section.Number("process_id", getpid());
  section.Line("run_id", server.run_id());
  section.Number("tcp_port", settings.port);
  section.Number("server_time_usec", call.clock.WallUs());
  section.Number("uptime_in_seconds", uptime_s);
  section.Number("uptime_in_days", uptime_s / 86400);
  section.Number("hz", settings.hz);
  section.Number("configured_hz", settings.hz);
  section.Number("worker_threads", server.workers().size());
  section.Line("config_file", server.config_files().config_file);
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

// Scripts, libraries, and the Lua states of all workers.
void ScriptMemory(Core& core, Section& section) {
  size_t script_vms = 0, function_vms = 0;
  for (const auto& worker : core.server->workers()) {
    script_vms += worker->scripts().vm_bytes();
    function_vms += worker->functions().vm_bytes();
  }
  const scripting::LibraryStore::Set libraries = core.libraries->current();
  const size_t scripts = core.scripts->bytes();
  const size_t functions = libraries->bytes();
  section.Number("used_memory_vm_eval", script_vms);
  section.Number("used_memory_lua", script_vms);
  section.Line("used_memory_lua_human", Human(script_vms));
  section.Number("used_memory_scripts_eval", scripts);
  section.Number("number_of_cached_scripts", core.scripts->count());
  section.Number("number_of_functions", libraries->function_count());
  section.Number("number_of_libraries", libraries->libraries().size());
  section.Number("used_memory_vm_functions", function_vms);
  section.Number("used_memory_vm_total", script_vms + function_vms);
  section.Line("used_memory_vm_total_human", Human(script_vms + function_vms));
  section.Number("used_memory_functions", functions);
  section.Number("used_memory_scripts", scripts + functions);
  section.Line("used_memory_scripts_human", Human(scripts + functions));
}

void MemorySection(Call& call, Section& section) {
  Core& core = CoreOf(call);
  const keyspace::Keyspace& keyspace = *core.keyspace;
  const Settings settings = core.server->settings();
  const auto used =
      static_cast<uint64_t>(std::max<int64_t>(0, keyspace.used_bytes() + keyspace.other_bytes()));
  const base::MemoryStats allocator = base::ReadMemoryStats();
  const size_t resident = base::ReadResidentBytes();
  const uint64_t peak = std::max<uint64_t>(used, core.server->memory_peak());
  section.Number("used_memory", used);
  section.Line("used_memory_human", Human(used));
  section.Number("used_memory_rss", resident);
  section.Line("used_memory_rss_human", Human(resident));
  section.Number("used_memory_peak", peak);
  section.Line("used_memory_peak_human", Human(peak));
  section.Number("used_memory_dataset", keyspace.used_bytes());
  section.Number("used_memory_overhead", keyspace.other_bytes());
  ScriptMemory(core, section);
  section.Number("allocator_allocated", allocator.allocated);
  section.Number("allocator_active", allocator.active);
  section.Number("allocator_resident", allocator.resident);
  section.Number("mem_not_counted_for_evict", 0);
  section.Number("maxmemory", settings.maxmemory);
  section.Line("maxmemory_human", Human(settings.maxmemory));
  section.Line("maxmemory_policy", settings.maxmemory_policy);
  section.Fraction("mem_fragmentation_ratio",
                   used > 0 ? static_cast<double>(resident) / static_cast<double>(used) : 0);
  section.Line("mem_allocator", base::AllocatorName());
  const keyspace::Reclaimer& reclaimer = call.db.keyspace().reclaimer();
  section.Number("lazyfree_pending_objects", reclaimer.pending_objects());
  section.Number("lazyfreed_objects", reclaimer.freed_objects());
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
  section.Fraction("instantaneous_input_kbps", rates.input_bytes / 1024);
  section.Fraction("instantaneous_output_kbps", rates.output_bytes / 1024);
  section.Number("rejected_connections", server.rejected_connections());
  section.Number("expired_keys", keyspace.expired);
  section.Number("evicted_keys", keyspace.evicted);
  section.Number("keyspace_hits", keyspace.hits);
  section.Number("keyspace_misses", keyspace.misses);
  section.Number("latest_fork_usec", server.persistence().background().last_fork_us());
  section.Number("pubsub_channels", core.messaging->NameCount(NameKind::kChannel));
  section.Number("pubsub_patterns", core.messaging->NameCount(NameKind::kPattern));
  section.Number("pubsubshard_channels", core.messaging->NameCount(NameKind::kShardChannel));
  size_t migration_targets = 0;
  for (const auto& worker : server.workers()) {
    migration_targets += worker->migration_targets().idle_count();
  }
  section.Number("migrate_cached_sockets", migration_targets);
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
  section.Number("acl_access_denied_auth", core.acl_log.total(AclReason::kAuth));
  section.Number("acl_access_denied_cmd", core.acl_log.total(AclReason::kCommand));
  section.Number("acl_access_denied_key", core.acl_log.total(AclReason::kKey));
  section.Number("acl_access_denied_channel", core.acl_log.total(AclReason::kChannel));
}

void ReplicationSection(Call& call, Section& section) {
  section.Text(ReplicationInfo(CoreOf(call)));
}

void CpuSection(Call&, Section& section) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    char text[32];
    std::snprintf(text, sizeof(text), "%ld.%06ld", static_cast<long>(time.tv_sec),
                  static_cast<long>(time.tv_usec));
    return std::string(text);
  };
  section.Line("used_cpu_sys", seconds(usage.ru_stime));
  section.Line("used_cpu_user", seconds(usage.ru_utime));
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

void KeyspaceSection(Call& call, Section& section) {
  for (int index = 0; index < call.db.keyspace().database_count(); ++index) {
    const keyspace::Keyspace::Count count = call.db.keyspace().CountOf(index);
    if (count.keys == 0) continue;
    section.Line("db" + std::to_string(index),
                 "keys=" + std::to_string(count.keys) +
                     ",expires=" + std::to_string(count.keys_with_deadline) + ",avg_ttl=0");
  }
}

std::string TierLine(const tiers::TierStats& stats) {
  return "hits=" + std::to_string(stats.hits.load()) +
         ",misses=" + std::to_string(stats.misses.load()) +
         ",errors=" + std::to_string(stats.errors.load()) +
         ",requests=" + std::to_string(stats.latency_us.count()) +
         ",p50_us=" + std::to_string(stats.latency_us.Percentile(0.5)) +
         ",p99_us=" + std::to_string(stats.latency_us.Percentile(0.99)) +
         ",p999_us=" + std::to_string(stats.latency_us.Percentile(0.999));
}

// Texts have lines of their own, as they may hold anything but a line's end.
void UpstreamLines(const std::string& line, const UpstreamHealth& upstream, Section& section) {
  const tiers::Health& now = upstream.now;
  section.Line(line, "name=" + upstream.name + ",kind=" + upstream.kind + ",state=" + now.state +
                         ",in_flight=" + std::to_string(now.in_flight) +
                         ",queued=" + std::to_string(now.queued) +
                         ",last_error_time=" + std::to_string(now.last_error_ms / 1000) +
                         ",last_refusal_time=" + std::to_string(now.last_refusal_ms / 1000));
  const auto add = [&](std::string_view name, std::string text) {
    if (text.empty()) return;
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
    section.Line(line + "_" + std::string(name), text);
  };
  add("last_error", now.last_error);
  add("last_refusal", now.last_refusal);
  add("warning", now.warning);
}

void TiersSection(Call& call, Section& section) {
  TierSystem& tiers = CoreOf(call).server->tiers();
  section.Number("routes", tiers.routes().routes().size());
  tiers::Resolver* resolver = tiers.resolver();
  if (resolver == nullptr) return;
  section.Number("parked_requests", resolver->parked_count());
  section.Number("fetches_in_flight", resolver->fetches().in_flight());
  section.Number("fetches_limited", resolver->fetches().limited());
  section.Number("spill_pending_bytes", resolver->spill().pending_bytes());
  section.Number("spill_tombstones", resolver->spill().tombstones());
  size_t index = 0;
  for (const UpstreamHealth& health : CoreOf(call).server->upstream_health()) {
    UpstreamLines("upstream" + std::to_string(index++), health, section);
  }
  index = 0;
  for (const auto& regional : tiers.regionals()) {
    const tiers::LeaseStats& leases = *regional->lease_stats();
    section.Line("leases" + std::to_string(index++),
                 "name=" + std::string(regional->name()) +
                     ",in_use=" + std::to_string(leases.in_use.load()) + ",idle=" +
                     std::to_string(leases.idle.load()) + ",max=" + std::to_string(leases.max) +
                     ",opened=" + std::to_string(leases.opened.load()) +
                     ",refused=" + std::to_string(leases.refused.load()));
  }
  for (const auto& route : tiers.routes().routes()) {
    const tiers::RouteStats& stats = route->stats;
    const std::string name = "route" + std::to_string(route->index);
    const auto number = [](const auto& atomic) { return std::to_string(atomic.load()); };
    section.Line(name, "prefix=" + route->prefix +
                           ",write=" + std::string(tiers::AuthorityName(route->authority)) +
                           ",local_hits=" + number(stats.local_hits) +
                           ",local_misses=" + number(stats.local_misses) + ",negative_hits=" +
                           number(stats.negative_hits) + ",fills=" + number(stats.fills) +
                           ",spills=" + number(stats.spills) + ",relays=" + number(stats.relays) +
                           ",coalesced=" + number(stats.coalesced) +
                           ",superseded=" + number(stats.superseded) +
                           ",fetches_in_flight=" + number(stats.fetches_in_flight) +
                           ",relays_in_flight=" + number(stats.relays_in_flight));
    if (route->regional != nullptr) section.Line(name + "_regional", TierLine(stats.regional));
    if (route->origin != nullptr) section.Line(name + "_origin", TierLine(stats.origin));
  }
}

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
     .summary = "Describes the server, its clients, memory, statistics and tiers."},
};

}  // namespace

std::span<const Command> InfoCommands() { return kInfoCommands; }

}  // namespace terrace::server
