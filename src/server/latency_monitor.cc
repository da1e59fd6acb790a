#include "server/latency_monitor.h"

#include <algorithm>

namespace terrace::server {

void LatencyMonitor::Add(std::string_view event, LatencySample sample) {
  std::lock_guard lock(mutex_);
  auto found = events_.find(event);
  if (found == events_.end()) found = events_.emplace(event, Series{}).first;
  Series& series = found->second;
  series.max_ms = std::max(series.max_ms, sample.latency_ms);
  if (!series.samples.empty() && series.samples.back().unix_s == sample.unix_s) {
    LatencySample& last = series.samples.back();
    last.latency_ms = std::max(last.latency_ms, sample.latency_ms);
    return;
  }
  series.samples.push_back(sample);
  if (series.samples.size() > kSamplesMax) series.samples.pop_front();
}

std::vector<LatencyEvent> LatencyMonitor::Latest() const {
  std::lock_guard lock(mutex_);
  std::vector<LatencyEvent> latest;
  for (const auto& [name, series] : events_) {
    latest.push_back({name, series.samples.back(), series.max_ms});
  }
  return latest;
}

std::vector<LatencySample> LatencyMonitor::History(std::string_view event) const {
  std::lock_guard lock(mutex_);
  const auto found = events_.find(event);
  if (found == events_.end()) return {};
  return {found->second.samples.begin(), found->second.samples.end()};
}

bool LatencyMonitor::Reset(std::string_view event) {
  std::lock_guard lock(mutex_);
  const auto found = events_.find(event);
  if (found == events_.end()) return false;
  events_.erase(found);
  return true;
}

size_t LatencyMonitor::ResetAll() {
  std::lock_guard lock(mutex_);
  const size_t count = events_.size();
  events_.clear();
  return count;
}

}  // namespace terrace::server
