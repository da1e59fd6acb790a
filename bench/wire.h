#pragma once

// Replies of RESP and of memcached's text protocol, as far as the benches need to count them.

#include <cstddef>
#include <cstdlib>
#include <string_view>

namespace terrace::bench {

enum class ReplyKind { kIncomplete, kHit, kMiss, kError };

struct Reply {
  ReplyKind kind = ReplyKind::kIncomplete;
  size_t length = 0;       // bytes of the whole reply
  std::string_view value;  // of a hit with a value
};

// The reply at the front of input. Whatever is neither null nor an error is a hit.
inline Reply ReadRespReply(std::string_view input) {
  const size_t end = input.find("\r\n");
  if (end == std::string_view::npos) return {};
  if (input[0] == '+' || input[0] == ':') return {ReplyKind::kHit, end + 2, {}};
  if (input[0] != '$' && input[0] != '*') return {ReplyKind::kError, end + 2, {}};
  if (input[1] == '-') return {ReplyKind::kMiss, end + 2, {}};
  size_t count = 0;
  for (size_t i = 1; i < end; ++i) count = count * 10 + size_t(input[i] - '0');
  if (input[0] == '$') {
    const size_t length = end + 2 + count + 2;
    if (length > input.size()) return {};
    return {ReplyKind::kHit, length, input.substr(end + 2, count)};
  }
  size_t length = end + 2;
  for (; count > 0; --count) {
    const Reply element = ReadRespReply(input.substr(length));
    if (element.kind == ReplyKind::kIncomplete) return {};
    length += element.length;
  }
  return {ReplyKind::kHit, length, {}};
}

inline Reply ReadMemcacheReply(std::string_view input) {
  const size_t end = input.find("\r\n");
  if (end == std::string_view::npos) return {};
  const std::string_view line = input.substr(0, end);
  if (line == "STORED") return {ReplyKind::kHit, end + 2, {}};
  if (line == "END") return {ReplyKind::kMiss, end + 2, {}};
  if (line.substr(0, 6) != "VALUE ") return {ReplyKind::kError, end + 2, {}};
  const size_t value_bytes = std::strtoul(line.data() + line.rfind(' '), nullptr, 10);
  const size_t length = end + 2 + value_bytes + 2 + 5;  // ... \r\n END\r\n
  if (length > input.size()) return {};
  return {ReplyKind::kHit, length, input.substr(end + 2, value_bytes)};
}

}  // namespace terrace::bench
