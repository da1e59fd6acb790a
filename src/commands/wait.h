#pragma once

// Wait: what a handler that finds nothing to serve asks for: to be run again when a key may serve
// it. See docs/waiting.md.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/command.h"
#include "keyspace/entry.h"
#include "keyspace/type.h"
#include "resp/reply.h"

namespace terrace::commands {

struct Wait {
  std::vector<size_t> keys;  // the arguments that name what it waits for; none: for time only
  keyspace::Type type = keyspace::Type::kString;  // what one of them must hold
  bool wants_end = false;  // run it also when one of them goes or holds something else
  int64_t deadline_ms = keyspace::kNoDeadline;  // on NowMs time
  // What to reply when the time is over.
  void (*give_up)(resp::Reply& reply) = nullptr;
  // Arguments that meant something at first and stand for that from now on ("$" of XREAD).
  std::vector<std::pair<size_t, std::string>> replaced;
  bool requested = false;
};

// Could this command ask to wait, with these arguments?
[[nodiscard]] bool MayWait(const Command& command, Args args);

// The moment at which a timeout given in this argument ends; kNoDeadline for a timeout of 0.
// Replies the error and returns nullopt when it is none.
std::optional<int64_t> ParseTimeoutSeconds(Call& call, size_t argument);
std::optional<int64_t> ParseTimeoutMs(Call& call, size_t argument);

inline void GiveUpWithNullArray(resp::Reply& reply) { reply.NullArray(); }

}  // namespace terrace::commands
