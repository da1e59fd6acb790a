#include "tiers/http_freshness.h"

#include <time.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string_view>

namespace terrace::tiers {
namespace {

// RFC 9111 1.2.2: what overflows counts as this much, about 68 years.
constexpr int64_t kDeltaSecondsMax = 2147483648;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
}

// Nothing when the text is not a number of seconds.
std::optional<int64_t> ParseDeltaSeconds(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  if (text.empty()) return std::nullopt;
  int64_t seconds = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    seconds = std::min(seconds * 10 + (c - '0'), kDeltaSecondsMax);
  }
  return seconds;
}

// The preferred form of a date only; servers send no other.
std::optional<int64_t> ParseHttpDate(const std::string& text) {
  tm fields{};
  const char* end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return timegm(&fields);
}

struct CacheControl {
  bool storable = true;
  std::optional<int64_t> max_age;
  std::optional<int64_t> s_maxage;
};

// Of several ages the smallest counts; one that is no number makes the response stale.
void Lower(std::string_view argument, std::optional<int64_t>* seconds) {
  const int64_t given = ParseDeltaSeconds(argument).value_or(0);
  *seconds = std::min(given, seconds->value_or(given));
}

void ReadDirective(std::string_view directive, CacheControl* result) {
  const size_t equals = directive.find('=');
  const std::string_view name = Trimmed(directive.substr(0, equals));
  const std::string_view argument =
      equals == std::string_view::npos ? "" : Trimmed(directive.substr(equals + 1));
  if (EqualsIgnoringCase(name, "no-store") || EqualsIgnoringCase(name, "no-cache") ||
      EqualsIgnoringCase(name, "private")) {
    result->storable = false;
  } else if (EqualsIgnoringCase(name, "max-age")) {
    Lower(argument, &result->max_age);
  } else if (EqualsIgnoringCase(name, "s-maxage")) {
    Lower(argument, &result->s_maxage);
  }
}

// Splits at the commas outside of quotes.
CacheControl ReadCacheControl(std::string_view text) {
  CacheControl result;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && quoted && text[i] == '\\') {
      ++i;
    } else if (i < text.size() && text[i] == '"') {
      quoted = !quoted;
    } else if (i == text.size() || (text[i] == ',' && !quoted)) {
      ReadDirective(text.substr(begin, i - begin), &result);
      begin = i + 1;
    }
  }
  return result;
}

std::optional<int64_t> LifetimeSeconds(const CacheControl& control, const FreshnessHeaders& headers,
                                       int64_t wall_ms) {
  if (control.s_maxage) return control.s_maxage;
  if (control.max_age) return control.max_age;
  if (headers.expires.empty()) return std::nullopt;
  const std::optional<int64_t> expires = ParseHttpDate(headers.expires);
  if (!expires) return 0;  // "Expires: 0" and the like mean: in the past
  return std::max<int64_t>(*expires - ParseHttpDate(headers.date).value_or(wall_ms / 1000), 0);
}

}  // namespace

HttpFreshness ReadHttpFreshness(const FreshnessHeaders& headers, int64_t wall_ms) {
  const CacheControl control = ReadCacheControl(headers.cache_control);
  HttpFreshness result;
  result.storable = control.storable;
  if (const std::optional<int64_t> lifetime = LifetimeSeconds(control, headers, wall_ms)) {
    // Of several ages the first counts.
    const std::string_view age = std::string_view(headers.age).substr(0, headers.age.find(','));
    const int64_t age_seconds = ParseDeltaSeconds(Trimmed(age)).value_or(0);
    result.ttl_ms = std::max<int64_t>(*lifetime - age_seconds, 0) * 1000;
  }
  return result;
}

}  // namespace terrace::tiers
