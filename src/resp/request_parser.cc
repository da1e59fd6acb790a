#include "resp/request_parser.h"

#include <cstring>
#include <optional>
#include <utility>

#include "base/release.h"

namespace terrace::resp {
namespace {

// A length line may be this long before it is taken for garbage.
constexpr size_t kLengthLineMax = 64 * 1024;
// Memory for the places of more arguments than these is given back once the request is complete.
constexpr size_t kRangesKept = 1024;
// What a client may send before it has authenticated.
constexpr int64_t kUnauthenticatedArgumentsMax = 10;
constexpr int64_t kUnauthenticatedBulkMax = 16384;

// The decimal integer of a length line; as strict as Redis: no blanks, no '+', no leading zeros.
std::optional<int64_t> ParseLength(std::string_view text) {
  if (text.empty() || text.size() > 20) return std::nullopt;
  const bool negative = text[0] == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || (text[0] == '0' && (text.size() > 1 || negative))) return std::nullopt;
  int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
        __builtin_add_overflow(value, int64_t{c - '0'}, &value)) {
      return std::nullopt;
    }
  }
  return negative ? -value : value;
}

// A length line "<kind><digits>\r\n": what it says, and how many bytes it takes. value is -1 when
// it is anything else.
struct LengthLine {
  int32_t value;
  int32_t bytes;
};

// At most five digits: longer ones are left to the careful path.
LengthLine ReadLengthOfDigits(const char* begin, const char* end, char kind) {
  constexpr LengthLine kOther = {-1, 0};
  const char* p = begin;
  if (end - p < 4 || *p++ != kind) return kOther;
  uint32_t value = static_cast<uint8_t>(*p - '0');
  if (value > 9 || (value == 0 && p[1] != '\r')) return kOther;
  for (int digits = 1; *++p != '\r'; ++digits) {
    const uint32_t digit = static_cast<uint8_t>(*p - '0');
    if (digit > 9 || digits == 5 || end - p < 2) return kOther;
    value = value * 10 + digit;
  }
  if (end - p < 2) return kOther;
  return {static_cast<int32_t>(value), static_cast<int32_t>(p + 2 - begin)};
}

// The same for the lengths of one and two digits that nearly all are, in a few instructions: a
// request has one for each argument and one more.
inline LengthLine ReadShortLength(const char* begin, const char* end, char kind) {
  if (end - begin >= 5) [[likely]] {
    const auto byte = [begin](int i) {
      return static_cast<uint32_t>(static_cast<uint8_t>(begin[i]));
    };
    const uint32_t head = byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;  // one load
    const uint32_t first = (head >> 8 & 0xff) - '0';
    const uint32_t marked = static_cast<uint8_t>(kind);
    if ((head & 0xffff00ff) == (marked | uint32_t{'\r'} << 16 | uint32_t{'\n'} << 24)) {
      if (first <= 9) return {static_cast<int32_t>(first), 4};
    } else if ((head & 0xff0000ff) == (marked | uint32_t{'\r'} << 24)) {
      const uint32_t second = (head >> 16 & 0xff) - '0';
      if (first - 1 <= 8 && second <= 9) return {static_cast<int32_t>(first * 10 + second), 5};
    }
  }
  return ReadLengthOfDigits(begin, end, kind);
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Appends the byte an escape inside double quotes stands for; at is on the backslash and is left on
// the escape's last character.
void ReadEscape(std::string_view line, size_t* at, std::string* word) {
  const char next = line[*at + 1];
  if (next == 'x' && *at + 3 < line.size() && HexValue(line[*at + 2]) >= 0 &&
      HexValue(line[*at + 3]) >= 0) {
    word->push_back(static_cast<char>(HexValue(line[*at + 2]) * 16 + HexValue(line[*at + 3])));
    *at += 3;
    return;
  }
  constexpr std::string_view kNames = "nrtba", kBytes = "\n\r\t\b\a";
  const size_t known = kNames.find(next);
  word->push_back(known == std::string_view::npos ? next : kBytes[known]);
  *at += 1;
}

// Reads one quoted part beginning after its opening quote; false when it never closes.
bool ReadQuoted(std::string_view line, char quote, size_t* at, std::string* word) {
  for (size_t i = *at; i < line.size(); ++i) {
    const bool has_next = i + 1 < line.size();
    if (line[i] == '\\' && has_next && quote == '"') {
      ReadEscape(line, &i, word);
    } else if (line[i] == '\\' && has_next && line[i + 1] == '\'') {
      word->push_back('\'');
      ++i;
    } else if (line[i] == quote) {
      *at = i + 1;
      // A closing quote must end the word.
      return *at == line.size() || IsBlank(line[*at]);
    } else {
      word->push_back(line[i]);
    }
  }
  return false;
}

}  // namespace

bool SplitLine(std::string_view line, std::vector<std::string>* words) {
  size_t at = 0;
  while (true) {
    while (at < line.size() && IsBlank(line[at])) ++at;
    if (at == line.size()) return true;
    std::string word;
    while (at < line.size() && !IsBlank(line[at])) {
      const char c = line[at++];
      if (c == '"' || c == '\'') {
        if (!ReadQuoted(line, c, &at, &word)) return false;
      } else {
        word.push_back(c);
      }
    }
    words->push_back(std::move(word));
  }
}

void RequestParser::Reset() {
  position_ = 0;
  arguments_left_ = -1;
  bulk_bytes_ = -1;
  bytes_wanted_ = 0;
  ranges_.clear();
  if (ranges_.capacity() > kRangesKept) base::Release(&ranges_);
}

RequestParser::Status RequestParser::Fail(std::string text) {
  error_ = std::move(text);
  return Status::kError;
}

RequestParser::Status RequestParser::Parse(std::string_view input, const RequestLimits& limits,
                                           std::vector<std::string_view>* args, size_t* consumed) {
  if (input.empty()) return Status::kIncomplete;
  if (arguments_left_ < 0) {
    if (ParseWhole(input, limits, args, consumed)) return Status::kComplete;
    if (input[0] != '*') return ParseInline(input, limits, args, consumed);
    const Status header = ParseHeader(input, limits);
    if (header != Status::kComplete) return header;
  }
  while (arguments_left_ > 0) {
    const Status bulk = ParseBulk(input, limits);
    if (bulk != Status::kComplete) return bulk;
  }
  was_inline_ = false;
  for (const Range& range : ranges_) args->push_back(input.substr(range.offset, range.size));
  *consumed = position_;
  Reset();
  return Status::kComplete;
}

// The fast path: a request that is all there and has nothing unusual about it, in one pass and
// without keeping state. False, and nothing changed, for every other.
bool RequestParser::ParseWhole(std::string_view input, const RequestLimits& limits,
                               std::vector<std::string_view>* args, size_t* consumed) {
  constexpr int32_t kArgumentsMax = 64;
  const char* at = input.data();
  const char* const end = at + input.size();
  const LengthLine count = ReadShortLength(at, end, '*');
  if (count.value <= 0 || count.value > kArgumentsMax || limits.unauthenticated) return false;
  at += count.bytes;
  const size_t before = args->size();
  for (int32_t i = 0; i < count.value; ++i) {
    const LengthLine size = ReadShortLength(at, end, '$');
    at += size.bytes;
    if (size.value < 0 || end - at < size.value + 2 || size.value > limits.bulk_bytes_max) {
      args->resize(before);
      return false;
    }
    args->emplace_back(at, static_cast<size_t>(size.value));
    at += size.value + 2;
  }
  was_inline_ = false;
  *consumed = static_cast<size_t>(at - input.data());
  return true;
}

RequestParser::Status RequestParser::ParseHeader(std::string_view input,
                                                 const RequestLimits& limits) {
  const size_t end = input.find('\r');
  if (end == std::string_view::npos || end + 1 >= input.size()) {
    if (input.size() > kLengthLineMax) return Fail("Protocol error: too big mbulk count string");
    return Status::kIncomplete;
  }
  const std::optional<int64_t> count = ParseLength(input.substr(1, end - 1));
  if (!count || *count > limits.arguments_max) {
    return Fail("Protocol error: invalid multibulk length");
  }
  if (limits.unauthenticated && *count > kUnauthenticatedArgumentsMax) {
    return Fail("Protocol error: unauthenticated multibulk length");
  }
  position_ = end + 2;
  arguments_left_ = *count < 0 ? 0 : *count;
  return Status::kComplete;
}

RequestParser::Status RequestParser::ParseBulk(std::string_view input,
                                               const RequestLimits& limits) {
  if (bulk_bytes_ < 0) {
    if (position_ >= input.size()) return Status::kIncomplete;
    const char* const begin = input.data() + position_;
    const size_t left = input.size() - position_;
    const auto* cr = static_cast<const char*>(std::memchr(begin, '\r', left));
    if (cr == nullptr || static_cast<size_t>(cr - begin) + 1 >= left) {
      if (left > kLengthLineMax) return Fail("Protocol error: too big bulk count string");
      return Status::kIncomplete;
    }
    if (*begin != '$') {
      return Fail("Protocol error: expected '$', got '" + std::string(1, *begin) + "'");
    }
    const auto size = ParseLength({begin + 1, static_cast<size_t>(cr - begin - 1)});
    if (!size || *size < 0 || *size > limits.bulk_bytes_max) {
      return Fail("Protocol error: invalid bulk length");
    }
    if (limits.unauthenticated && *size > kUnauthenticatedBulkMax) {
      return Fail("Protocol error: unauthenticated bulk length");
    }
    bulk_bytes_ = *size;
    position_ += static_cast<size_t>(cr - begin) + 2;
  }
  const auto size = static_cast<size_t>(bulk_bytes_);
  bytes_wanted_ = position_ + size + 2;
  if (input.size() < bytes_wanted_) return Status::kIncomplete;
  ranges_.push_back({position_, size});
  position_ += size + 2;
  bulk_bytes_ = -1;
  bytes_wanted_ = 0;
  --arguments_left_;
  return Status::kComplete;
}

RequestParser::Status RequestParser::ParseInline(std::string_view input,
                                                 const RequestLimits& limits,
                                                 std::vector<std::string_view>* args,
                                                 size_t* consumed) {
  const size_t newline = input.find('\n');
  if (newline == std::string_view::npos) {
    if (input.size() > limits.inline_bytes_max) {
      return Fail("Protocol error: too big inline request");
    }
    return Status::kIncomplete;
  }
  std::string_view line = input.substr(0, newline);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  inline_arguments_.clear();
  if (!SplitLine(line, &inline_arguments_)) {
    return Fail("Protocol error: unbalanced quotes in request");
  }
  for (const std::string& argument : inline_arguments_) args->push_back(argument);
  was_inline_ = true;
  *consumed = newline + 1;
  Reset();
  return Status::kComplete;
}

}  // namespace terrace::resp
