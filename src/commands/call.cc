#include "commands/call.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/numbers.h"
#include "base/saturate.h"
#include "commands/registry.h"

namespace terrace::commands {

std::optional<int64_t> Call::Integer(size_t argument) {
  const std::optional<int64_t> value = base::ParseInt64(args[argument]);
  if (!value) reply.NotAnInteger();
  return value;
}

std::optional<int64_t> Call::NonNegativeInteger(size_t argument) {
  const std::optional<int64_t> value = base::ParseInt64(args[argument]);
  if (value.value_or(-1) >= 0) return value;
  reply.Error("ERR value is out of range, must be positive");
  return std::nullopt;
}

std::optional<int64_t> Call::NegatableInteger(size_t argument) {
  const std::optional<int64_t> value = Integer(argument);
  if (value != std::numeric_limits<int64_t>::min()) return value;
  reply.Error(
      "ERR value is out of range, value must between -9223372036854775807 and "
      "9223372036854775807");
  return std::nullopt;
}

std::optional<int> Call::DatabaseIndex(size_t argument) {
  const std::optional<int64_t> index = Integer(argument);
  if (!index) return std::nullopt;
  if (!std::in_range<int>(*index)) {
    using IntLimits = std::numeric_limits<int>;
    reply.Error("ERR value is out of range, value must between " +
                std::to_string(IntLimits::min()) + " and " + std::to_string(IntLimits::max()));
    return std::nullopt;
  }
  if (*index < 0 || *index >= db.keyspace().database_count()) {
    reply.Error("ERR DB index is out of range");
    return std::nullopt;
  }
  return static_cast<int>(*index);
}

int64_t Call::ToDeadlineMs(int64_t unix_ms) const {
  return std::max<int64_t>(base::SaturatingSubtract(unix_ms, clock.WallAheadMs()), 0);
}

bool Call::Is(size_t argument, std::string_view word) const {
  return SameName(args[argument], word);
}

}  // namespace terrace::commands
