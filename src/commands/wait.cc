#include "commands/wait.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/numbers.h"
#include "commands/call.h"
#include "commands/registry.h"

namespace terrace::commands {
namespace {

std::optional<int64_t> Deadline(Call& call, int64_t timeout_ms) {
  if (timeout_ms < 0) {
    call.reply.Error("ERR timeout is negative");
    return std::nullopt;
  }
  if (timeout_ms == 0) return keyspace::kNoDeadline;
  if (timeout_ms > std::numeric_limits<int64_t>::max() - call.now_ms()) {
    call.reply.Error("ERR timeout is out of range");
    return std::nullopt;
  }
  return call.now_ms() + timeout_ms;
}

}  // namespace

bool MayWait(const Command& command, Args args) {
  if (!command.has(kBlocking)) return false;
  if (command.name != "xread" && command.name != "xreadgroup") return true;
  for (const std::string_view arg : args) {
    if (SameName(arg, "streams")) return false;
    if (SameName(arg, "block")) return true;
  }
  return false;
}

std::optional<int64_t> WaitMs(const Command& command, Args args) {
  if (command.name == "xread" || command.name == "xreadgroup") {
    size_t at = 1;
    while (at + 1 < args.size() && !SameName(args[at], "block")) ++at;
    const std::optional<int64_t> ms = base::ParseInt64(args[std::min(at + 1, args.size() - 1)]);
    if (ms == 0) return std::nullopt;
    return std::max<int64_t>(0, ms.value_or(0));
  }
  const bool timeout_first = command.name == "blmpop" || command.name == "bzmpop";
  const std::optional<long double> seconds =
      base::ParseLongDouble(timeout_first ? args[1] : args.back());
  if (seconds == 0) return std::nullopt;
  const long double ms = std::ceil(std::max(0.0L, seconds.value_or(0)) * 1000);
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  return ms < static_cast<long double>(kMax) ? static_cast<int64_t>(ms) : kMax;
}

std::optional<int64_t> ParseTimeoutSeconds(Call& call, size_t argument) {
  const std::optional<long double> seconds = base::ParseLongDouble(call.args[argument]);
  if (!seconds) {
    call.reply.Error("ERR timeout is not a float or out of range");
    return std::nullopt;
  }
  const long double ms = std::ceil(*seconds * 1000);
  if (ms > static_cast<long double>(std::numeric_limits<int64_t>::max())) {
    call.reply.Error("ERR timeout is out of range");
    return std::nullopt;
  }
  // Anything far below is as negative as -1.
  return Deadline(call, ms < 0 ? -1 : static_cast<int64_t>(ms));
}

std::optional<int64_t> ParseTimeoutMs(Call& call, size_t argument) {
  const std::optional<int64_t> ms = base::ParseInt64(call.args[argument]);
  if (!ms) {
    call.reply.Error("ERR timeout is not an integer or out of range");
    return std::nullopt;
  }
  return Deadline(call, *ms);
}

void WaitForKeys(Call& call, keyspace::Type type, size_t first_key, size_t key_count,
                 int64_t deadline_ms) {
  Wait wait;
  for (size_t i = 0; i < key_count; ++i) wait.keys.push_back(first_key + i);
  wait.type = type;
  wait.deadline_ms = deadline_ms;
  wait.give_up = GiveUpWithNullArray;
  call.Block(std::move(wait));
}

}  // namespace terrace::commands
