#include "tiers/url_template.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tiers/origin.h"

namespace terrace::tiers {
namespace {

constexpr std::string_view kUnreservedMarks = "-._~";
constexpr int kPartIndexMax = 99;

bool IsAlphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string PercentDecoded(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      decoded.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

// Would a server that decodes and then normalises this path leave the place it seems to name? Some
// also cut path parameters (";x") off a component first.
bool HasDotComponent(std::string_view path) {
  const std::string decoded = PercentDecoded(path);
  size_t begin = 0;
  while (begin <= decoded.size()) {
    const size_t end = std::min(decoded.find_first_of("/\\", begin), decoded.size());
    std::string_view component(decoded.data() + begin, end - begin);
    component = component.substr(0, component.find(';'));
    if (component == "." || component == "..") return true;
    begin = end + 1;
  }
  return false;
}

// Nothing when the key has no part of that index.
std::optional<std::string_view> PartOf(std::string_view key, int index) {
  for (; index > 0; --index) {
    const size_t colon = key.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    key.remove_prefix(colon + 1);
  }
  return key.substr(0, key.find(':'));
}

bool StartsWithIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() &&
         std::equal(lower.begin(), lower.end(), text.begin(),
                    [](char want, char have) { return want == (have | 0x20) || want == have; });
}

std::string CheckHost(std::string_view host, bool in_brackets) {
  if (host.empty()) return "has no host";
  for (const char c : host) {
    const bool good = in_brackets ? (HexDigit(c) >= 0 || c == ':' || c == '.')
                                  : (IsAlphanumeric(c) || c == '-' || c == '.' || c == '_');
    if (!good) return "has a character in its host that no host name has";
  }
  return "";
}

std::string CheckAuthority(std::string_view authority) {
  if (authority.find('{') != std::string_view::npos) {
    return "must have a fixed host: {key} may only stand in the path and the query";
  }
  if (authority.find('@') != std::string_view::npos) {
    return "must not contain a user name or password: use the authorization setting";
  }
  std::string_view host = authority;
  std::string_view port;
  bool has_port = false;
  bool in_brackets = false;
  if (!authority.empty() && authority.front() == '[') {
    const size_t bracket = authority.find(']');
    if (bracket == std::string_view::npos) return "has an IPv6 host without its ]";
    in_brackets = true;
    host = authority.substr(1, bracket - 1);
    const std::string_view rest = authority.substr(bracket + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return "has text between its host and its path";
    if (has_port) port = rest.substr(1);
  } else if (const size_t colon = authority.find(':'); colon != std::string_view::npos) {
    has_port = true;
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (std::string problem = CheckHost(host, in_brackets); !problem.empty()) return problem;
  if (has_port) {
    int number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size() || number < 1 || number > 65535) {
      return "has a port that is not a number from 1 to 65535";
    }
  }
  return "";
}

// Where the path begins; 0 with *problem set when what comes before it is bad.
size_t CheckUpToPath(std::string_view text, std::string* problem) {
  size_t authority_begin = 0;
  if (StartsWithIgnoringCase(text, "http://")) authority_begin = 7;
  if (StartsWithIgnoringCase(text, "https://")) authority_begin = 8;
  if (authority_begin == 0) {
    *problem = "must begin with http:// or https://";
    return 0;
  }
  for (const char c : text) {
    if (c <= 0x20 || c >= 0x7f || c == '\\') {
      *problem = "contains a space, a backslash or another character that must be percent-encoded";
      return 0;
    }
  }
  const size_t path_offset = text.find_first_of("/?#", authority_begin);
  if (path_offset == std::string_view::npos || text[path_offset] != '/') {
    const std::string_view authority = text.substr(authority_begin, path_offset - authority_begin);
    *problem = CheckAuthority(authority);
    if (problem->empty()) *problem = "needs a path: a / after the host";
    return 0;
  }
  *problem = CheckAuthority(text.substr(authority_begin, path_offset - authority_begin));
  return problem->empty() ? path_offset : 0;
}

// {key} is the whole key (whole_key), {key:N} its part N.
std::optional<int> ParsePlaceholder(std::string_view text, int whole_key) {
  if (text == "key") return whole_key;
  if (!text.starts_with("key:")) return std::nullopt;
  text.remove_prefix(4);
  int index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || index < 0 ||
      index > kPartIndexMax) {
    return std::nullopt;
  }
  return index;
}

}  // namespace

void AppendPercentEncoded(std::string_view bytes, std::string_view marks, std::string* out) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : bytes) {
    if (IsAlphanumeric(c) || marks.find(c) != std::string_view::npos) {
      out->push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out->push_back('%');
    out->push_back(kHex[byte >> 4]);
    out->push_back(kHex[byte & 15]);
  }
}

std::optional<UrlTemplate> UrlTemplate::Parse(std::string_view text, std::string* problem) {
  UrlTemplate result;
  result.path_offset_ = CheckUpToPath(text, problem);
  if (!problem->empty()) return std::nullopt;
  if (text.find('#') != std::string_view::npos) {
    *problem = "contains a #: fragments are not sent to servers";
    return std::nullopt;
  }
  for (size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (i + 2 >= text.size() || HexDigit(text[i + 1]) < 0 || HexDigit(text[i + 2]) < 0) {
      *problem = "has a % that is not followed by two hexadecimal digits";
      return std::nullopt;
    }
  }
  if (HasDotComponent(text.substr(result.path_offset_, text.find('?') - result.path_offset_))) {
    *problem = "has a . or .. in its path";
    return std::nullopt;
  }
  size_t at = 0;
  while (true) {
    const size_t brace = text.find_first_of("{}", at);
    Piece piece{std::string(text.substr(at, brace - at)), std::nullopt};
    if (brace == std::string_view::npos) {
      result.pieces_.push_back(std::move(piece));
      break;
    }
    const size_t close = text.find('}', brace);
    if (close != std::string_view::npos && text[brace] == '{') {
      piece.part = ParsePlaceholder(text.substr(brace + 1, close - brace - 1), kWholeKey);
    }
    if (!piece.part) {
      *problem = "has a brace that is not part of {key} or {key:N}, N from 0 to 99";
      return std::nullopt;
    }
    result.pieces_.push_back(std::move(piece));
    at = close + 1;
  }
  if (result.pieces_.size() == 1) {
    *problem = "contains no {key} or {key:N}: every key would have the same value";
    return std::nullopt;
  }
  return result;
}

UrlTemplate::Expansion UrlTemplate::Expand(std::string_view key, std::string* url) const {
  url->clear();
  for (const Piece& piece : pieces_) {
    url->append(piece.literal);
    if (!piece.part) continue;
    const std::optional<std::string_view> part =
        *piece.part == kWholeKey ? key : PartOf(key, *piece.part);
    if (!part || part->empty()) return Expansion::kAbsent;
    if (part->size() > kUrlBytesMax) return Expansion::kTooLong;
    AppendPercentEncoded(*part, kUnreservedMarks, url);
  }
  if (url->size() > kUrlBytesMax) return Expansion::kTooLong;
  const std::string_view path =
      std::string_view(*url).substr(path_offset_, url->find('?') - path_offset_);
  return HasDotComponent(path) ? Expansion::kAbsent : Expansion::kUrl;
}

std::string CheckUrlTemplate(const std::string& url) {
  std::string problem;
  UrlTemplate::Parse(url, &problem);
  return problem;
}

}  // namespace terrace::tiers
