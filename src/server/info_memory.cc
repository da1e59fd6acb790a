// INFO memory and INFO keyspace: where the bytes are, and how many keys there are.

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "server/commands.h"
#include "server/info_section.h"
#include "server/memory_report.h"
#include "server/server.h"

namespace terrace::server {

using commands::Call;

namespace {

void ScriptMemory(Core& core, const MemoryReport& memory, Section& section) {
  const scripting::LibraryStore::Set libraries = core.libraries->current();
  const uint64_t vms = memory.script_vms + memory.function_vms;
  section.Number("used_memory_lua", memory.script_vms);
  section.Number("used_memory_vm_eval", memory.script_vms);
  section.Line("used_memory_lua_human", Human(memory.script_vms));
  section.Number("used_memory_scripts_eval", memory.scripts);
  section.Number("number_of_cached_scripts", core.scripts->count());
  section.Number("number_of_functions", libraries->function_count());
  section.Number("number_of_libraries", libraries->libraries().size());
  section.Number("used_memory_vm_functions", memory.function_vms);
  section.Number("used_memory_vm_total", vms);
  section.Line("used_memory_vm_total_human", Human(vms));
  section.Number("used_memory_functions", memory.functions);
  section.Number("used_memory_scripts", memory.scripts + memory.functions);
  section.Line("used_memory_scripts_human", Human(memory.scripts + memory.functions));
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

void AllocatorLines(const MemoryReport& memory, Section& section) {
  const base::MemoryStats& allocator = memory.allocator;
  section.Fraction("allocator_frag_ratio", Ratio(allocator.active, allocator.allocated));
  section.Number("allocator_frag_bytes", Difference(allocator.active, allocator.allocated));
  section.Fraction("allocator_rss_ratio", Ratio(allocator.resident, allocator.active));
  section.Number("allocator_rss_bytes", Difference(allocator.resident, allocator.active));
  section.Fraction("rss_overhead_ratio", Ratio(memory.resident, allocator.resident));
  section.Number("rss_overhead_bytes", Difference(memory.resident, allocator.resident));
}

std::string Percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f%%", 100 * share);
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
  const Settings settings = core.server->settings();
  const MemoryReport memory = ReadMemoryReport(core);
  const auto machine =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  section.Number("used_memory", memory.used);
  section.Line("used_memory_human", Human(memory.used));
  section.Number("used_memory_rss", memory.resident);
  section.Line("used_memory_rss_human", Human(memory.resident));
  section.Number("used_memory_peak", memory.peak);
  section.Line("used_memory_peak_human", Human(memory.peak));
  section.Line("used_memory_peak_perc", Percent(Ratio(memory.used, memory.peak)));
  section.Number("used_memory_overhead", memory.overhead);
  section.Number("used_memory_startup", memory.startup);
  section.Number("used_memory_dataset", memory.dataset);
  section.Line("used_memory_dataset_perc", Percent(memory.dataset_share()));
  section.Number("allocator_allocated", memory.allocator.allocated);
  section.Number("allocator_active", memory.allocator.active);
  section.Number("allocator_resident", memory.allocator.resident);
  section.Number("total_system_memory", machine);
  section.Line("total_system_memory_human", Human(machine));
  ScriptMemory(core, memory, section);
  section.Number("maxmemory", settings.maxmemory);
  section.Line("maxmemory_human", Human(settings.maxmemory));
  section.Line("maxmemory_policy", settings.maxmemory_policy);
  AllocatorLines(memory, section);
  section.Fraction("mem_fragmentation_ratio", Ratio(memory.resident, memory.used));
  section.Number("mem_fragmentation_bytes", Difference(memory.resident, memory.used));
  section.Number("mem_not_counted_for_evict", 0);
  section.Number("mem_replication_backlog", 0);
  section.Number("mem_total_replication_buffers", memory.replicas);
  section.Number("mem_clients_slaves", memory.replicas);
  section.Number("mem_clients_normal", memory.clients);
  section.Number("mem_cluster_links", 0);
  section.Number("mem_aof_buffer", memory.append_buffer);
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
    section.Line("db" + std::to_string(index),
                 "keys=" + std::to_string(count.keys) +
                     ",expires=" + std::to_string(count.keys_with_deadline) +
                     ",avg_ttl=" + std::to_string(average_ms) +
                     ",subexpiry=" + std::to_string(count.keys_with_part_deadlines));
  }
}

}  // namespace terrace::server
