#include "commands/random_picks.h"

#include <limits>

namespace terrace::commands {
namespace {

// With a negative count an element may come again, so nothing but this bounds the reply.
constexpr int64_t kRepeatedPicksMax = 10'000'000;

}  // namespace

std::optional<int64_t> ParsePickCount(Call& call, size_t argument, PickRange range) {
  const std::optional<int64_t> count = call.NegatableInteger(argument);
  if (!count) return std::nullopt;
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  if (*count < -kRepeatedPicksMax ||
      (range == PickRange::kHalved && (*count < -kMax / 2 || *count > kMax / 2))) {
    call.reply.Error("ERR value is out of range");
    return std::nullopt;
  }
  return count;
}

}  // namespace terrace::commands
