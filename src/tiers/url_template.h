#pragma once

// UrlTemplate: turns keys into URLs of one fixed server. Keys come from clients, so this is the
// place that keeps a key from choosing what is asked of whom.
//
// Promises:  every URL has the scheme, host and port of the template and consists of printable
//            ASCII; key bytes appear only in its path and query, percent-encoded unless they are
//            unreserved (RFC 3986). Decoded, its path has no "." or ".." component, also where a
//            server decodes %2F or takes a backslash for a slash: a key that would make one is
//            absent.
// Threads:   immutable.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::tiers {

class UrlTemplate {
 public:
  // Longer URLs are not asked for: servers refuse them anyway.
  static constexpr size_t kUrlBytesMax = 8000;

  enum class Expansion {
    kUrl,      // *url is set
    kAbsent,   // the key has no such part, or one that can name nothing
    kTooLong,  // the URL would be longer than kUrlBytesMax
  };

  // Nothing when the template is bad; *problem then says why, for the operator.
  static std::optional<UrlTemplate> Parse(std::string_view text, std::string* problem);

  Expansion Expand(std::string_view key, std::string* url) const;

 private:
  static constexpr int kWholeKey = -1;

  // Literal text, then a piece of the key unless it is the last one.
  struct Piece {
    std::string literal;
    std::optional<int> part;  // kWholeKey or the index of a part
  };

  UrlTemplate() = default;

  std::vector<Piece> pieces_;
  size_t path_offset_ = 0;  // where the path begins, in the template and in each URL
};

// Appends bytes, each as %XX unless it is a letter, a digit or one of marks.
void AppendPercentEncoded(std::string_view bytes, std::string_view marks, std::string* out);

}  // namespace terrace::tiers
