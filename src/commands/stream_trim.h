#pragma once

// The options that XADD and XTRIM share: how far to trim, and for XADD the id of the new entry.

#include <cstddef>
#include <optional>

#include "commands/call.h"
#include "keyspace/types/stream.h"

namespace terrace::commands {

struct StreamAddOptions {
  std::optional<keyspace::StreamTrim> trim;
  bool create = true;
  keyspace::StreamNewId id;
  size_t id_argument = 0;
};

// From argument 2 on: up to the id for XADD, to the end for XTRIM. Replies the error and returns
// nullopt when they make no sense.
enum class StreamOptionsOf : uint8_t { kXadd, kXtrim };
std::optional<StreamAddOptions> ParseStreamOptions(Call& call, StreamOptionsOf command);

}  // namespace terrace::commands
