#pragma once

// ReadCommandLog: the commands of an append-only file, one after the other.
//
// Promises:  reads what Redis and Terrace write, believes nothing in it, and holds one command at a
//            time, and the commands of a transaction until its EXEC: a transaction without its end
//            is not given to the sink. Lines that begin with '#' are left out.
// Ownership: input and sink are borrowed for the call. Views given to the sink end with its call.
// Threads:   runs on the caller's thread; takes no locks.
// Units:     bytes.
// Errors:    texts with the offset in the file.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "replication/snapshot_reader.h"

namespace terrace::replication {

class CommandSink {
 public:
  virtual ~CommandSink() = default;
  // "" or why reading cannot go on.
  virtual std::string OnCommand(std::span<const std::string_view> arguments) = 0;
};

struct CommandLogRead {
  std::string error;          // "": everything that is whole was given to the sink
  bool is_truncated = false;  // something follows that is not whole
  uint64_t whole_bytes = 0;   // up to the end of the last whole command or transaction
  uint64_t commands = 0;
};

// offset: where in the file the input begins.
[[nodiscard]] CommandLogRead ReadCommandLog(ByteInput* input, uint64_t offset, CommandSink* sink);

}  // namespace terrace::replication
