#include "commands/numkeys.h"

#include <limits>

#include "base/numbers.h"

namespace terrace::commands {
namespace {

bool AppendCounted(Args args, size_t count_at, std::vector<int>* positions) {
  if (count_at >= args.size()) return false;
  const auto count = base::ParseInt64(args[count_at]);
  if (!count || *count < 1) return false;
  if (static_cast<uint64_t>(*count) > args.size() - count_at - 1) return false;
  for (int i = 1; i <= *count; ++i) positions->push_back(static_cast<int>(count_at) + i);
  return true;
}

}  // namespace

bool FindNumkeysAtOne(Args args, std::vector<int>* positions) {
  return AppendCounted(args, 1, positions);
}

bool FindNumkeysAtTwo(Args args, std::vector<int>* positions) {
  return AppendCounted(args, 2, positions);
}

bool FindDestinationAndNumkeys(Args args, std::vector<int>* positions) {
  positions->push_back(1);
  return AppendCounted(args, 2, positions);
}

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
    if (*value > 0) limit = static_cast<uint64_t>(*value);
  }
  return limit;
}

}  // namespace terrace::commands
