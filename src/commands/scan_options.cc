#include "commands/scan_options.h"

#include <algorithm>
#include <charconv>

#include "base/glob.h"
#include "base/numbers.h"

namespace terrace::commands {

bool ScanOptions::Matches(std::string_view text) const {
  // "*" matches even the empty text, which no other pattern but the empty one does.
  return pattern == "*" || base::GlobMatch(pattern, text);
}

namespace {

// As C reads an unsigned number, and so Redis 7.2: up to a byte of 0, nothing counts as 0, and a
// sign is allowed. Valkey refuses these, but lets spaces in front pass.
std::optional<uint64_t> CursorOf(std::string_view text, Dialect dialect) {
  text = text.substr(0, text.find('\0'));
  if (dialect == Dialect::kValkey80) {
    if (base::ParseInt64(text).value_or(0) < 0) return std::nullopt;
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
    if (text.empty()) return std::nullopt;
  }
  if (text.empty()) return 0;
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  uint64_t cursor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cursor);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return is_negative ? 0 - cursor : cursor;
}

// An option that makes HSCAN or ZSCAN leave out half of what it finds; false when it is none, or
// not of this scan. Valkey says of which one it is.
bool ParseHalving(Call& call, size_t argument, ScanExtra extra, ScanOptions* options) {
  const bool no_values = call.Is(argument, "novalues");
  if (!no_values && !call.Is(argument, "noscores")) {
    call.reply.SyntaxError();
    return false;
  }
  options->no_values = extra == (no_values ? ScanExtra::kNoValues : ScanExtra::kNoScores);
  if (options->no_values) return true;
  if (!call.speaks_valkey()) {
    call.reply.SyntaxError();
  } else if (no_values) {
    call.reply.Error("ERR NOVALUES option can only be used in HSCAN");
  } else {
    call.reply.Error("ERR NOSCORES option can only be used in ZSCAN");
  }
  return false;
}

}  // namespace

std::optional<uint64_t> ParseScanCursor(Call& call, size_t argument) {
  const auto cursor = CursorOf(call.args[argument], call.limits.dialect);
  if (!cursor) call.reply.Error("ERR invalid cursor");
  return cursor;
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
    } else if (!ParseHalving(call, i, extra, &options)) {
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
