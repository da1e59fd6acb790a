#include "commands/scan_options.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <string>

#include "base/glob.h"

namespace terrace::commands {

bool ScanOptions::Matches(std::string_view text) const {
  // "*" matches even the empty text, which no other pattern but the empty one does.
  return pattern == "*" || base::GlobMatch(pattern, text);
}

// As loose as strtoul is: a sign is accepted and an empty text is zero.
std::optional<uint64_t> ParseScanCursor(Call& call, size_t argument) {
  std::string_view text = call.args[argument];
  // As C reads an unsigned number, and so Redis 7.2: nothing counts as 0, and a sign is allowed.
  if (text.empty()) return 0;
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  uint64_t cursor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (error == std::errc() && end == text.data() + text.size()) {
    return negative ? 0 - cursor : cursor;
  }
  call.reply.Error("ERR invalid cursor");
  return std::nullopt;
}

std::optional<ScanOptions> ParseScanOptions(Call& call, size_t first_argument, ScanExtra extra) {
  ScanOptions options;
  for (size_t i = first_argument; i < call.argc(); ++i) {
    const bool has_value = i + 1 < call.argc();
    if (call.Is(i, "count") && has_value) {
      const std::optional<int64_t> count = call.Integer(++i);
      if (!count) return std::nullopt;
      if (*count < 1) {
        call.reply.SyntaxError();
        return std::nullopt;
      }
      options.count = static_cast<uint64_t>(*count);
    } else if (call.Is(i, "match") && has_value) {
      options.pattern = call.args[++i];
    } else if (extra == ScanExtra::kType && call.Is(i, "type") && has_value) {
      options.type = call.args[++i];
    } else if ((extra == ScanExtra::kNoValues && call.Is(i, "novalues")) ||
               (extra == ScanExtra::kNoScores && call.Is(i, "noscores"))) {
      options.no_values = true;
    } else {
      call.reply.SyntaxError();
      return std::nullopt;
    }
  }
  return options;
}

void ReplyCursor(Call& call, uint64_t cursor) {
  char text[20];
  const auto result = std::to_chars(text, text + sizeof(text), cursor);
  call.reply.Bulk({text, static_cast<size_t>(result.ptr - text)});
}

void ReplyEmptyScan(Call& call) {
  call.reply.Array(2);
  ReplyCursor(call, 0);
  call.reply.Array(0);
}

}  // namespace terrace::commands
