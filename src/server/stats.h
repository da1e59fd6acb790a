#pragma once

// WorkerStats: what one worker counts. Written by its thread only, summed when INFO asks.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/counter.h"
#include "base/histogram.h"

namespace terrace::server {

struct CommandStats {
  base::Counter calls;
  base::Counter cycles;
  base::Counter rejected;
  base::Counter failed;

  // How long calls took, in cycles. A command that is never used costs nothing.
  void RecordLatency(uint64_t took_cycles) {
    base::Histogram* histogram = latency_.load(std::memory_order_relaxed);
    if (histogram == nullptr) [[unlikely]]
      histogram = MakeHistogram();
    histogram->RecordAlone(took_cycles);
  }
  // nullptr when there was no call yet.
  base::Histogram* latency() const { return latency_.load(std::memory_order_acquire); }

 private:
  base::Histogram* MakeHistogram();

  std::atomic<base::Histogram*> latency_{nullptr};
  std::unique_ptr<base::Histogram> owned_latency_;  // published by latency_
};

struct WorkerStats {
  explicit WorkerStats(size_t command_count) : commands(command_count) {}

  base::Counter connections_received;
  base::Counter commands_processed;
  base::Counter input_bytes;
  base::Counter output_bytes;
  base::Counter reads;   // calls that brought something
  base::Counter writes;  // likewise
  base::Counter protocol_errors;
  base::Counter output_limit_disconnections;
  base::Counter query_limit_disconnections;
  std::vector<CommandStats> commands;  // by Command::id

  // CONFIG RESETSTAT. From another thread a count may slip through; that is accepted.
  void Reset();

  // Error replies by their code. Rare enough for a lock.
  std::mutex errors_mutex;
  std::map<std::string, uint64_t, std::less<>> errors;
};

}  // namespace terrace::server
