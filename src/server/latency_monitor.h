#pragma once

// LatencyMonitor: when something held up requests for longer than latency-monitor-threshold, and
// for how long, by event: "command", "fast-command", "expire-cycle", "eviction-cycle". For LATENCY.
//
// Threads: thread-safe.
// Units:   milliseconds; Unix seconds.

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::server {

struct LatencySample {
  int64_t unix_s = 0;
  int64_t latency_ms = 0;
};

struct LatencyEvent {
  std::string name;
  LatencySample latest;
  int64_t max_ms = 0;  // since the last reset
};

class LatencyMonitor {
 public:
  static constexpr size_t kSamplesMax = 160;  // of an event; the oldest leave

  // Within one second only the longest counts.
  void Add(std::string_view event, LatencySample sample);
  std::vector<LatencyEvent> Latest() const;
  std::vector<LatencySample> History(std::string_view event) const;
  // Forgets an event; false when there is none of that name.
  bool Reset(std::string_view event);
  // Returns how many events were forgotten.
  size_t ResetAll();

 private:
  struct Series {
    std::deque<LatencySample> samples;  // the newest at the back
    int64_t max_ms = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Series, std::less<>> events_;  // names are the few above
};

}  // namespace terrace::server
