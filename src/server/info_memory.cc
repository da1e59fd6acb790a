// INFO memory and INFO keyspace: where the bytes are, and how many keys there are.

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/memory.h"
#include "server/append_only.h"
#include "server/commands.h"
#include "server/info_section.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {

using commands::Call;

namespace {

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
  section.Number("used_memory_lua", script_vms);
  section.Number("used_memory_vm_eval", script_vms);
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

// How much of each shard's table is looked at. Keys lie there by their hash, so that the first ones
// are a fair sample of all.
constexpr int64_t kSampledKeysMax = 64;
constexpr int kSampledBucketsMax = 256;

// Of the keys with a deadline: what they have left on average, as far as a sample tells.
int64_t AverageTtlMs(keyspace::Keyspace& keyspace, int database, int64_t now_ms) {
  int64_t sampled = 0;
  double left_ms = 0;
  for (int i = 0; i < keyspace.shard_count(); ++i) {
    const keyspace::ShardLock lock(keyspace, keyspace::ShardSet{1} << i);
    const keyspace::Shard::Part* part = keyspace.shard(i).part(database);
    if (part == nullptr || part->deadline_count == 0) continue;
    const int64_t enough = sampled + kSampledKeysMax;
    const auto sample = [&](const keyspace::Entry* entry) {
      if (!entry->has_deadline()) return;
      ++sampled;
      left_ms += static_cast<double>(std::max<int64_t>(0, entry->deadline_ms() - now_ms));
    };
    uint32_t cursor = 0;
    for (int bucket = 0; bucket < kSampledBucketsMax && sampled < enough; ++bucket) {
      cursor = part->table.Scan(cursor, sample);
      if (cursor == 0) break;
    }
  }
  return sampled > 0 ? static_cast<int64_t>(left_ms / static_cast<double>(sampled)) : 0;
}

// Where the bytes of clients are.
struct ClientMemory {
  uint64_t normal = 0, replicas = 0;
};

ClientMemory ReadClientMemory(const Server& server) {
  ClientMemory memory;
  for (const auto& worker : server.workers()) {
    worker->VisitClients([&](const Connection& connection) {
      const ClientView& view = connection.view;
      (view.is_replica ? memory.replicas : memory.normal) +=
          sizeof(Connection) + view.input_capacity + view.output_bytes;
    });
  }
  return memory;
}

double Ratio(uint64_t part, uint64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

int64_t Difference(uint64_t more, uint64_t less) {
  return static_cast<int64_t>(more) - static_cast<int64_t>(less);
}

void AllocatorLines(const base::MemoryStats& allocator, uint64_t resident, Section& section) {
  section.Fraction("allocator_frag_ratio", Ratio(allocator.active, allocator.allocated));
  section.Number("allocator_frag_bytes", Difference(allocator.active, allocator.allocated));
  section.Fraction("allocator_rss_ratio", Ratio(allocator.resident, allocator.active));
  section.Number("allocator_rss_bytes", Difference(allocator.resident, allocator.active));
  section.Fraction("rss_overhead_ratio", Ratio(resident, allocator.resident));
  section.Number("rss_overhead_bytes", Difference(resident, allocator.resident));
}

// Of what has been allocated since the start.
std::string DatasetShare(uint64_t dataset, uint64_t used, uint64_t startup) {
  const double share = used > startup ? Ratio(dataset, used - startup) : 1;
  char text[32];
  std::snprintf(text, sizeof text, "%.2f%%", 100 * std::min(share, 1.0));
  return text;
}

}  // namespace

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

void MemorySection(Call& call, Section& section) {
  Core& core = CoreOf(call);
  const Server& server = *core.server;
  const keyspace::Keyspace& keyspace = *core.keyspace;
  const Settings settings = server.settings();
  const auto used =
      static_cast<uint64_t>(std::max<int64_t>(0, keyspace.used_bytes() + keyspace.other_bytes()));
  const auto dataset = static_cast<uint64_t>(std::max<int64_t>(0, keyspace.used_bytes()));
  const base::MemoryStats allocator = base::ReadMemoryStats();
  const uint64_t resident = base::ReadResidentBytes();
  const uint64_t peak = std::max<uint64_t>(used, server.memory_peak());
  const auto machine =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  char peak_share[32];
  std::snprintf(peak_share, sizeof peak_share, "%.2f%%", 100 * Ratio(used, peak));
  section.Number("used_memory", used);
  section.Line("used_memory_human", Human(used));
  section.Number("used_memory_rss", resident);
  section.Line("used_memory_rss_human", Human(resident));
  section.Number("used_memory_peak", peak);
  section.Line("used_memory_peak_human", Human(peak));
  section.Line("used_memory_peak_perc", peak_share);
  section.Number("used_memory_overhead", keyspace.other_bytes());
  section.Number("used_memory_startup", server.startup_bytes());
  section.Number("used_memory_dataset", dataset);
  section.Line("used_memory_dataset_perc", DatasetShare(dataset, used, server.startup_bytes()));
  section.Number("allocator_allocated", allocator.allocated);
  section.Number("allocator_active", allocator.active);
  section.Number("allocator_resident", allocator.resident);
  section.Number("total_system_memory", machine);
  section.Line("total_system_memory_human", Human(machine));
  ScriptMemory(core, section);
  section.Number("maxmemory", settings.maxmemory);
  section.Line("maxmemory_human", Human(settings.maxmemory));
  section.Line("maxmemory_policy", settings.maxmemory_policy);
  if (allocator.allocated > 0) AllocatorLines(allocator, resident, section);
  section.Fraction("mem_fragmentation_ratio", Ratio(resident, used));
  section.Number("mem_fragmentation_bytes", Difference(resident, used));
  section.Number("mem_not_counted_for_evict", 0);
  section.Number("mem_replication_backlog", 0);
  const ClientMemory clients = ReadClientMemory(server);
  section.Number("mem_clients_slaves", clients.replicas);
  section.Number("mem_clients_normal", clients.normal);
  section.Number("mem_cluster_links", 0);
  section.Number("mem_aof_buffer", core.append_only->info().buffered_bytes);
  section.Line("mem_allocator", base::AllocatorName());
  section.Number("active_defrag_running", 0);
  const keyspace::Reclaimer& reclaimer = call.db.keyspace().reclaimer();
  section.Number("lazyfree_pending_objects", reclaimer.pending_objects());
  section.Number("lazyfreed_objects", reclaimer.freed_objects());
}

void KeyspaceSection(Call& call, Section& section) {
  for (int index = 0; index < call.db.keyspace().database_count(); ++index) {
    const keyspace::Keyspace::Count count = call.db.keyspace().CountOf(index);
    if (count.keys == 0) continue;
    const int64_t average_ms = count.keys_with_deadline > 0
                                   ? AverageTtlMs(call.db.keyspace(), index, call.clock.NowMs())
                                   : 0;
    section.Line("db" + std::to_string(index), "keys=" + std::to_string(count.keys) + ",expires=" +
                                                   std::to_string(count.keys_with_deadline) +
                                                   ",avg_ttl=" + std::to_string(average_ms));
  }
}

}  // namespace terrace::server
