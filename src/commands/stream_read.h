#pragma once

// XREAD and XREADGROUP, taken apart: parsing, and serving what is there. Whether to wait when
// nothing is there is the caller's question.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "commands/call.h"
#include "keyspace/types/stream_id.h"

namespace terrace::commands {

struct StreamReadOptions {
  bool in_group = false;  // XREADGROUP
  std::string_view group;
  std::string_view consumer;
  bool acknowledged = false;              // NOACK: what is read is not pending
  uint64_t count_max = 0;                 // per stream; 0: all
  std::optional<int64_t> block_until_ms;  // kNoDeadline: forever
  size_t first_key = 0;
  size_t stream_count = 0;
  // Per stream, read what lies behind this id; kNewOnly stands for ">".
  std::vector<keyspace::StreamId> after;
};

inline constexpr keyspace::StreamId kNewOnly = keyspace::StreamId::Max();

// Key positions for the rows.
[[nodiscard]] bool FindStreamKeys(Args args, std::vector<int>* positions);

// Replies the error and returns nullopt when the arguments make no sense, or name streams or groups
// that cannot be read.
std::optional<StreamReadOptions> ParseStreamRead(Call& call);

// Replies what there is to read; false, and no reply, when there is nothing.
bool ServeStreamRead(Call& call, const StreamReadOptions& options);

}  // namespace terrace::commands
