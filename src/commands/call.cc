#include "commands/call.h"

#include "base/numbers.h"
#include "commands/registry.h"

namespace terrace::commands {

std::optional<int64_t> Call::Integer(size_t argument) {
  const std::optional<int64_t> value = base::ParseInt64(args[argument]);
  if (!value) reply.NotAnInteger();
  return value;
}

bool Call::Is(size_t argument, std::string_view word) const {
  return SameName(args[argument], word);
}

}  // namespace terrace::commands
