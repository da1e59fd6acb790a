#pragma once

// Document: a configuration file as lists of named texts with their places, so that nobody else
// needs to know the TOML library.
//
// Ownership: plain values.
// Threads:   a pure function.
// Errors:    ParseDocument answers the first thing that is not TOML, with its place.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::server {

// Counted from 1; 0: the whole file.
struct Position {
  int line = 0;
  int column = 0;
  int flag = 0;  // not in the file but in this one of the flags that are tables of tiers

  auto operator<=>(const Position&) const = default;
};

struct ConfigError {
  enum class Severity : uint8_t { kError, kWarning };

  std::string file;
  Position at;
  std::string message;
  Severity severity = Severity::kError;
};

// "terrace.toml:12:3: error: ..."
std::string ToText(const ConfigError& error);

struct DocumentValue {
  enum class Kind : uint8_t { kBoolean, kInteger, kFloat, kString, kArray, kOther };

  std::string name;  // of a table inside the section: "breaker.open_ms"
  std::string text;  // true is "yes", an array is its elements with a blank between
  std::vector<std::string> elements;  // of an array
  Kind kind = Kind::kOther;
  Position name_at;
  Position value_at;
};

struct DocumentSection {
  std::string name;         // empty: above the first section
  bool is_element = false;  // [[name]], one for each element
  Position at;
  std::vector<DocumentValue> values;
};

struct Document {
  std::vector<DocumentSection> sections;
};

// error->file stays empty.
[[nodiscard]] std::optional<Document> ParseDocument(std::string_view text, ConfigError* error);

}  // namespace terrace::server
