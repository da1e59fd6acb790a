// What a request leaves behind in the statistics, the slow log and the latency monitor.

#include <string_view>
#include <utility>
#include <vector>

#include "commands/call.h"
#include "server/core.h"
#include "server/request.h"
#include "server/secrets.h"
#include "server/stats.h"

namespace terrace::server {

void RequestPath::Count(const commands::Command& command, commands::Args args,
                        uint64_t begin_cycles, const resp::Reply& reply) {
  CommandStats& stats = stats_->commands[static_cast<size_t>(command.id)];
  stats.calls.Add();
  running_->view.commands.Add();
  const uint64_t cycles = runtime::ReadCycles() - begin_cycles;
  stats.cycles.Add(cycles);
  const HotSettings& hot = core_->hot;
  if (hot.latency_tracking.load(std::memory_order_relaxed)) stats.RecordLatency(cycles);
  if (cycles >= hot.slow_cycles.load(std::memory_order_relaxed)) [[unlikely]] {
    NoteSlow(command, args, cycles);
  }
  if (reply.error_count() > 0) [[unlikely]] {
    stats.failed.Add();
    CountError(reply.last_error_code());
  }
}

void RequestPath::CountError(std::string_view code) {
  if (code.empty()) return;
  std::lock_guard lock(stats_->errors_mutex);
  const auto found = stats_->errors.find(code);
  if (found != stats_->errors.end()) {
    ++found->second;
    return;
  }
  // Codes come from our own texts and from scripts; a script must not fill memory with them.
  constexpr size_t kCodesMax = 128;
  if (stats_->errors.size() < kCodesMax) stats_->errors.emplace(code, 1);
}

void RequestPath::NoteSlow(const commands::Command& command, commands::Args args, uint64_t cycles) {
  // To the requests behind it in a pipeline, time has passed.
  if (nested_depth_ == 0) now_ms_ = core_->clock->NowMs();
  const double us_per_cycle = core_->cycles->UsPerCycle(core_->clock->MonoUs());
  const auto us = static_cast<int64_t>(static_cast<double>(cycles) * us_per_cycle);
  const int64_t unix_s = core_->clock->WallMs() / 1000;
  const int64_t monitor_ms = core_->hot.latency_threshold_ms.load(std::memory_order_relaxed);
  if (monitor_ms > 0 && us >= monitor_ms * 1000) {
    core_->latency_monitor.Add(command.has(commands::kFast) ? "fast-command" : "command",
                               {unix_s, us / 1000});
  }
  const int64_t slowlog_us = core_->hot.slowlog_us.load(std::memory_order_relaxed);
  if (slowlog_us < 0 || us < slowlog_us || command.has(commands::kSkipSlowlog)) return;
  SlowlogEntry entry;
  entry.unix_s = unix_s;
  entry.duration_us = us;
  entry.client_address = running_->view.peer_address;
  {
    std::lock_guard lock(running_->view.names_mutex);
    entry.client_name = running_->view.name;
  }
  std::vector<std::string_view> shown(args.begin(), args.end());
  for (size_t at = 0; at < shown.size(); ++at) {
    if (IsSecret(command, args, at)) shown[at] = kRedacted;
  }
  core_->slowlog.Add(shown, std::move(entry));
}

}  // namespace terrace::server
