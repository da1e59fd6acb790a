#include "base/units.h"

#include <charconv>
#include <limits>
#include <span>

namespace terrace::base {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr Unit kByteUnits[] = {
    {"", 1},
    {"b", 1},
    {"k", 1000},
    {"kb", 1ull << 10},
    {"m", 1000000},
    {"mb", 1ull << 20},
    {"g", 1000000000},
    {"gb", 1ull << 30},
    {"t", 1000000000000},
    {"tb", 1ull << 40},
};

constexpr Unit kDurationUnits[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

bool SameWord(std::string_view text, std::string_view lower_word) {
  if (text.size() != lower_word.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower_word[i]) return false;
  }
  return true;
}

std::optional<uint64_t> ParseWithUnit(std::string_view text, std::span<const Unit> units) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [unit_begin, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view name(unit_begin, static_cast<size_t>(end - unit_begin));
  for (const Unit& unit : units) {
    if (!SameWord(name, unit.name)) continue;
    uint64_t result = 0;
    if (__builtin_mul_overflow(number, unit.factor, &result)) return std::nullopt;
    return result;
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> ParseBytes(std::string_view text) {
  return ParseWithUnit(text, kByteUnits);
}

std::optional<int64_t> ParseDurationMs(std::string_view text) {
  const auto duration_ms = ParseWithUnit(text, kDurationUnits);
  if (!duration_ms || *duration_ms > uint64_t{std::numeric_limits<int64_t>::max()}) {
    return std::nullopt;
  }
  return static_cast<int64_t>(*duration_ms);
}

std::string FormatBytes(uint64_t bytes) {
  for (const Unit unit :
       {Unit{"tb", 1ull << 40}, {"gb", 1ull << 30}, {"mb", 1ull << 20}, {"kb", 1ull << 10}}) {
    if (bytes != 0 && bytes % unit.factor == 0) {
      return std::to_string(bytes / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(bytes);
}

std::string FormatDurationMs(int64_t duration_ms) {
  if (duration_ms == 0) return "0";
  for (const Unit unit : {Unit{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}}) {
    const auto factor = static_cast<int64_t>(unit.factor);
    if (duration_ms % factor == 0) {
      return std::to_string(duration_ms / factor) + std::string(unit.name);
    }
  }
  return std::to_string(duration_ms) + "ms";
}

}  // namespace terrace::base
