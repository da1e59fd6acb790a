#include "server/memory_report.h"

#include <algorithm>

#include "server/append_only.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

void AddClients(const Server& server, MemoryReport* report) {
  for (const auto& worker : server.workers()) {
    worker->VisitClients([&](const Connection& connection) {
      const ClientView& view = connection.view;
      (view.is_replica ? report->replicas : report->clients) +=
          sizeof(Connection) + view.input_capacity + view.output_bytes;
    });
  }
}

// Scripts, libraries, and the Lua states of all workers.
void AddScripts(const Core& core, MemoryReport* report) {
  for (const auto& worker : core.server->workers()) {
    report->script_vms += worker->scripts().vm_bytes();
    report->function_vms += worker->functions().vm_bytes();
  }
  report->scripts = core.scripts->bytes();
  report->functions = core.libraries->current()->bytes();
}

}  // namespace

double MemoryReport::dataset_share() const {
  return used > startup ? std::min(Ratio(dataset, used - startup), 1.0) : 1;
}

MemoryReport ReadMemoryReport(const Core& core) {
  const keyspace::Keyspace& keyspace = *core.keyspace;
  MemoryReport report;
  report.overhead = keyspace.other_bytes();
  report.dataset = static_cast<uint64_t>(std::max<int64_t>(0, keyspace.used_bytes()));
  report.used =
      static_cast<uint64_t>(std::max<int64_t>(0, keyspace.used_bytes() + keyspace.other_bytes()));
  report.peak = std::max<uint64_t>(report.used, core.server->memory_peak());
  report.startup = core.server->startup_bytes();
  report.allocator = base::ReadMemoryStats();
  report.resident = base::ReadResidentBytes();
  report.append_buffer = core.append_only->info().buffered_bytes;
  AddClients(*core.server, &report);
  AddScripts(core, &report);
  return report;
}

double Ratio(uint64_t part, uint64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

int64_t Difference(uint64_t more, uint64_t less) {
  return static_cast<int64_t>(more) - static_cast<int64_t>(less);
}

}  // namespace terrace::server
