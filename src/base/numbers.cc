#include "base/numbers.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace terrace::base {
namespace {

// Redis refuses longer texts for long doubles; doubles are bounded by the size of a bulk string.
constexpr size_t kLongDoubleCharsMax = 5 * 1024;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// strtod and strtold want a terminating zero, which a view into an input buffer does not have.
template <typename Float>
std::optional<Float> ParseWithLibc(std::string_view text, Float (*parse)(const char*, char**)) {
  if (text.empty() || std::isspace(static_cast<unsigned char>(text[0]))) return std::nullopt;
  char small[128];
  std::string large;
  const char* begin = small;
  if (text.size() < sizeof(small)) {
    std::memcpy(small, text.data(), text.size());
    small[text.size()] = '\0';
  } else {
    large.assign(text);
    begin = large.c_str();
  }
  char* end = nullptr;
  errno = 0;
  const Float value = parse(begin, &end);
  if (end != begin + text.size() || std::isnan(value)) return std::nullopt;
  // A subnormal result also sets ERANGE, and is accepted.
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

// Only plain decimals, so that from_chars and strtod agree on what the text means.
bool IsPlainDecimal(std::string_view text) {
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  if (text.empty() || !IsDigit(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return IsDigit(c) || c == '.'; });
}

// Lays out `digits` times 10^exponent10 the way Redis 7.2 does.
size_t LayOut(std::string_view digits, int exponent10, char* out) {
  const int count = static_cast<int>(digits.size());
  const int leading = exponent10 + count - 1;  // the exponent in scientific notation
  const int magnitude = std::abs(leading);
  if (exponent10 >= 0 && magnitude < count + 7) {
    std::memcpy(out, digits.data(), digits.size());
    std::memset(out + count, '0', static_cast<size_t>(exponent10));
    return static_cast<size_t>(count + exponent10);
  }
  char* at = out;
  if (exponent10 < 0 && (exponent10 > -7 || magnitude < 4)) {
    const int whole = count + exponent10;  // digits before the point
    if (whole > 0) {
      at = std::copy_n(digits.data(), whole, at);
      *at++ = '.';
      at = std::copy(digits.begin() + whole, digits.end(), at);
    } else {
      *at++ = '0';
      *at++ = '.';
      at = std::fill_n(at, -whole, '0');
      at = std::copy(digits.begin(), digits.end(), at);
    }
    return static_cast<size_t>(at - out);
  }
  *at++ = digits[0];
  if (count > 1) {
    *at++ = '.';
    at = std::copy(digits.begin() + 1, digits.end(), at);
  }
  *at++ = 'e';
  *at++ = leading < 0 ? '-' : '+';
  at = std::to_chars(at, at + 4, magnitude).ptr;
  return static_cast<size_t>(at - out);
}

}  // namespace

std::optional<int64_t> ParseInt64(std::string_view text) {
  if (text.empty() || text.size() > kInt64CharsMax) return std::nullopt;
  const bool negative = text[0] == '-';
  const std::string_view digits = negative ? text.substr(1) : text;
  if (digits.empty()) return std::nullopt;
  if (digits[0] == '0') {
    if (text.size() == 1) return 0;
    return std::nullopt;
  }
  uint64_t value = 0;
  for (const char c : digits) {
    if (!IsDigit(c)) return std::nullopt;
    if (__builtin_mul_overflow(value, 10u, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value)) return std::nullopt;
  }
  const uint64_t limit =
      static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) + (negative ? 1 : 0);
  if (value > limit) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - value : value);
}

std::optional<double> ParseDouble(std::string_view text) {
  if (IsPlainDecimal(text)) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return value;
  }
  return ParseWithLibc<double>(text, std::strtod);
}

std::optional<long double> ParseLongDouble(std::string_view text) {
  if (text.size() >= kLongDoubleCharsMax) return std::nullopt;
  return ParseWithLibc<long double>(text, std::strtold);
}

std::optional<int64_t> ExactInt64(double value) {
  constexpr double kLimit = 0x1p62;
  if (!(value >= -kLimit && value <= kLimit)) return std::nullopt;
  const int64_t whole = static_cast<int64_t>(value);
  if (static_cast<double>(whole) != value) return std::nullopt;
  return whole;
}

std::string_view FormatInt64(int64_t value, Int64Text& buffer) {
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), static_cast<size_t>(result.ptr - buffer.data())};
}

std::string_view FormatDouble(double value, DoubleText& buffer) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  char* const begin = buffer.data();
  if (const auto whole = ExactInt64(value)) {
    const auto result = std::to_chars(begin, begin + buffer.size(), *whole);
    return {begin, static_cast<size_t>(result.ptr - begin)};
  }
  // to_chars gives the shortest digits as d.ddde[+-]xx; only the layout differs.
  char scientific[kDoubleCharsMax];
  const char* const end = std::to_chars(scientific, scientific + sizeof(scientific),
                                        std::fabs(value), std::chars_format::scientific)
                              .ptr;
  char digits[kDoubleCharsMax];
  size_t count = 0;
  const char* at = scientific;
  for (; *at != 'e'; ++at) {
    if (*at != '.') digits[count++] = *at;
  }
  const char* const sign = at + 1;
  int exponent = 0;
  std::from_chars(sign + 1, end, exponent);
  if (*sign == '-') exponent = -exponent;

  char* out = begin;
  if (value < 0) *out++ = '-';
  out += LayOut({digits, count}, exponent - static_cast<int>(count) + 1, out);
  return {begin, static_cast<size_t>(out - begin)};
}

std::string_view FormatDouble17(double value, DoubleText& buffer) {
  if (!std::isfinite(value)) return FormatDouble(value, buffer);
  const int length = std::snprintf(buffer.data(), buffer.size(), "%.17g", value);
  return {buffer.data(), static_cast<size_t>(length)};
}

std::string_view FormatFixed(double value, int decimals, FixedText& buffer) {
  TERRACE_CHECK(decimals >= 1 && decimals <= 17);
  double scale = 1;
  for (int i = 0; i < decimals; ++i) scale *= 10;
  const int64_t scaled = std::llrint(value * scale);
  const uint64_t magnitude =
      scaled < 0 ? 0 - static_cast<uint64_t>(scaled) : static_cast<uint64_t>(scaled);
  char digits[24];
  const auto result = std::to_chars(digits, digits + sizeof(digits), magnitude);
  const std::string_view text(digits, static_cast<size_t>(result.ptr - digits));
  const size_t fraction = static_cast<size_t>(decimals);
  char* at = buffer.data();
  if (scaled < 0) *at++ = '-';
  if (text.size() > fraction) {
    at = std::copy(text.begin(), text.end() - decimals, at);
  } else {
    *at++ = '0';
  }
  *at++ = '.';
  if (text.size() < fraction) at = std::fill_n(at, fraction - text.size(), '0');
  at = std::copy(text.end() - static_cast<long>(std::min(fraction, text.size())), text.end(), at);
  return {buffer.data(), static_cast<size_t>(at - buffer.data())};
}

std::string FormatLongDouble(long double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char text[kLongDoubleCharsMax];
  const int length = std::snprintf(text, sizeof(text), "%.17Lf", value);
  TERRACE_CHECK(length > 0 && static_cast<size_t>(length) < sizeof(text));
  std::string_view result(text, static_cast<size_t>(length));
  result = result.substr(0, result.find_last_not_of('0') + 1);
  if (result.back() == '.') result.remove_suffix(1);
  return std::string(result == "-0" ? "0" : result);
}

}  // namespace terrace::base
