#pragma once

// Wait: what a handler that finds nothing to serve asks for: to be run again when a key may serve
// it. See docs/waiting.md.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/command.h"
#include "commands/type_row.h"
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
  std::function<void(resp::Reply& reply)> give_up;
  // Arguments that meant something at first and stand for that from now on ("$" of XREAD).
  std::vector<std::pair<size_t, std::string>> replaced;
  bool requested = false;
};

// Could this command ask to wait, with these arguments?
[[nodiscard]] bool MayWait(const Command& command, Args args);

// How long such a command waits at most, in milliseconds; nothing: for ever. 0 also where the
// arguments make no sense.
[[nodiscard]] std::optional<int64_t> WaitMs(const Command& command, Args args);

// The moment at which a timeout given in this argument ends; kNoDeadline for a timeout of 0.
// Replies the error and returns nullopt when it is none.
std::optional<int64_t> ParseTimeoutSeconds(Call& call, size_t argument);
std::optional<int64_t> ParseTimeoutMs(Call& call, size_t argument);

// Waits for one of key_count keys from this argument on to hold a value of this type; a null array
// when the time is over.
void WaitForKeys(Call& call, keyspace::Type type, size_t first_key, size_t key_count,
                 int64_t deadline_ms);

// The row of a command that takes elements or waits for some.
constexpr Command BlockingRow(uint32_t category, std::string_view group, std::string_view name,
                              int arity, uint32_t flags, Keys keys, Handler handler,
                              std::string_view since, std::string_view syntax,
                              std::string_view summary) {
  return TypeRow{category, group}(name, arity, kWrite | kBlocking | flags, handler, since, syntax,
                                  summary, keys);
}

inline void GiveUpWithNullArray(resp::Reply& reply) { reply.NullArray(); }

}  // namespace terrace::commands
