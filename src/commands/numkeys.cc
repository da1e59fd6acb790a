#include "commands/numkeys.h"

#include <limits>

#include "base/numbers.h"

namespace terrace::commands {

std::optional<size_t> ParseNumkeys(Call& call, size_t argument, std::string_view error) {
  const auto count = base::ParseInt64(call.args[argument]);
  if (!count || *count < 1) {
    call.reply.Error(error);
    return std::nullopt;
  }
  if (static_cast<uint64_t>(*count) > call.argc() - argument - 1) {
    call.reply.Error("ERR Number of keys can't be greater than number of args");
    return std::nullopt;
  }
  return static_cast<size_t>(*count);
}

std::optional<MultiPop> ParseMultiPop(Call& call, size_t numkeys_argument, std::string_view head,
                                      std::string_view tail) {
  MultiPop arguments;
  const auto fail = [&](std::string_view error) {
    call.reply.Error(error);
    return std::nullopt;
  };
  const auto key_count = base::ParseInt64(call.args[numkeys_argument]);
  if (!key_count || *key_count < 1) return fail("ERR numkeys should be greater than 0");
  arguments.first_key = numkeys_argument + 1;
  if (static_cast<uint64_t>(*key_count) >= call.argc() - arguments.first_key) {
    return fail("ERR syntax error");
  }
  arguments.key_count = static_cast<size_t>(*key_count);
  size_t at = arguments.first_key + arguments.key_count;
  arguments.at_tail = call.Is(at, tail);
  if (!arguments.at_tail && !call.Is(at, head)) return fail("ERR syntax error");
  if (++at == call.argc()) return arguments;
  if (!call.Is(at, "count") || at + 1 == call.argc()) return fail("ERR syntax error");
  const auto count = base::ParseInt64(call.args[at + 1]);
  if (!count || *count < 1) return fail("ERR count should be greater than 0");
  if (at + 2 != call.argc()) return fail("ERR syntax error");
  arguments.count = static_cast<size_t>(*count);
  return arguments;
}

std::optional<uint64_t> ParseCardLimit(Call& call, size_t argument) {
  uint64_t limit = std::numeric_limits<uint64_t>::max();
  for (size_t i = argument; i < call.argc(); ++i) {
    if (!call.Is(i, "limit") || i + 1 == call.argc()) {
      call.reply.SyntaxError();
      return std::nullopt;
    }
    const auto value = base::ParseInt64(call.args[++i]);
    if (!value || *value < 0) {
      call.reply.Error("ERR LIMIT can't be negative");
      return std::nullopt;
    }
    // The last one counts, and none is what 0 means.
    limit = *value > 0 ? static_cast<uint64_t>(*value) : std::numeric_limits<uint64_t>::max();
  }
  return limit;
}

}  // namespace terrace::commands
