#pragma once

// WorkerStats: what one worker counts. Written by its thread only, summed when INFO asks.

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/counter.h"

namespace terrace::server {

struct CommandStats {
  base::Counter calls;
  base::Counter cycles;
  base::Counter rejected;
  base::Counter failed;
};

struct WorkerStats {
  explicit WorkerStats(size_t command_count) : commands(command_count) {}

  base::Counter connections_received;
  base::Counter commands_processed;
  base::Counter input_bytes;
  base::Counter output_bytes;
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
