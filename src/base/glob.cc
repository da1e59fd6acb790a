#include "base/glob.h"

#include <cstddef>
#include <utility>

namespace terrace::base {
namespace {

// Redis gives up at the star behind these, unless it ends the pattern.
constexpr int kStarsMax = 1000;

// Only ASCII letters fold: a key is bytes, not text in some locale.
uint8_t Fold(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte >= 'A' && byte <= 'Z' ? static_cast<uint8_t>(byte + ('a' - 'A')) : byte;
}

bool SameByte(char a, char b, GlobCase glob_case) {
  return glob_case == GlobCase::kSensitive ? a == b : Fold(a) == Fold(b);
}

bool InRange(char from, char to, char c, GlobCase glob_case) {
  auto low = static_cast<uint8_t>(from);
  auto high = static_cast<uint8_t>(to);
  auto byte = static_cast<uint8_t>(c);
  if (low > high) std::swap(low, high);
  if (glob_case == GlobCase::kInsensitive) {
    low = Fold(static_cast<char>(low));
    high = Fold(static_cast<char>(high));
    byte = Fold(c);
  }
  return byte >= low && byte <= high;
}

// Matches c against the class whose first byte after '[' is pattern[at]; moves at behind it.
bool MatchClass(std::string_view pattern, size_t& at, char c, GlobCase glob_case) {
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool matched = false;
  for (; at < pattern.size(); ++at) {
    const size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {
      ++at;
      // An escaped member is compared as it stands even when case is ignored; so does Redis.
      matched = matched || pattern[at] == c;
    } else if (pattern[at] == ']') {
      ++at;
      return matched != negated;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      matched = matched || InRange(pattern[at], pattern[at + 2], c, glob_case);
      at += 2;
    } else {
      matched = matched || SameByte(pattern[at], c, glob_case);
    }
  }
  return matched != negated;
}

// Matches one pattern element other than '*' against c; moves at behind the element.
bool MatchOne(std::string_view pattern, size_t& at, char c, GlobCase glob_case) {
  char element = pattern[at++];
  if (element == '?') return true;
  if (element == '[') return MatchClass(pattern, at, c, glob_case);
  if (element == '\\' && at < pattern.size()) element = pattern[at++];
  return SameByte(element, c, glob_case);
}

}  // namespace

bool GlobMatch(std::string_view pattern, std::string_view text, GlobCase glob_case) {
  if (text.empty()) return pattern.empty();

  // Every element but '*' consumes exactly one byte. So when the part behind the latest star does
  // not fit, only that star needs to take one byte more: an earlier star taking more could not
  // help. That is what keeps the time quadratic at worst.
  constexpr size_t kNoStar = std::string_view::npos;
  size_t pattern_at = 0;
  size_t text_at = 0;
  size_t after_star = kNoStar;
  size_t star_text_end = 0;
  int stars = 0;
  while (text_at < text.size()) {
    if (pattern_at < pattern.size() && pattern[pattern_at] == '*') {
      while (pattern_at < pattern.size() && pattern[pattern_at] == '*') ++pattern_at;
      if (pattern_at == pattern.size()) return true;
      if (++stars > kStarsMax) return false;
      after_star = pattern_at;
      star_text_end = text_at;
      continue;
    }
    if (pattern_at < pattern.size() && MatchOne(pattern, pattern_at, text[text_at], glob_case)) {
      ++text_at;
      continue;
    }
    if (after_star == kNoStar) return false;
    pattern_at = after_star;
    text_at = ++star_text_end;
  }
  while (pattern_at < pattern.size() && pattern[pattern_at] == '*') ++pattern_at;
  return pattern_at == pattern.size();
}

bool IsGlob(std::string_view pattern) {
  return pattern.find_first_of("*?[\\") != std::string_view::npos;
}

}  // namespace terrace::base
