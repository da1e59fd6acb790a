#include "server/stats.h"

namespace terrace::server {

base::Histogram* CommandStats::MakeHistogram() {
  owned_latency_ = std::make_unique<base::Histogram>();
  latency_.store(owned_latency_.get(), std::memory_order_release);
  return owned_latency_.get();
}

void WorkerStats::Reset() {
  for (base::Counter* counter :
       {&connections_received, &commands_processed, &input_bytes, &output_bytes, &reads, &writes,
        &protocol_errors, &output_limit_disconnections, &query_limit_disconnections}) {
    counter->Set(0);
  }
  for (CommandStats& command : commands) {
    command.calls.Set(0);
    command.cycles.Set(0);
    command.rejected.Set(0);
    command.failed.Set(0);
    if (base::Histogram* latency = command.latency()) latency->Reset();
  }
  std::lock_guard lock(errors_mutex);
  errors.clear();
}

}  // namespace terrace::server
