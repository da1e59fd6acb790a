#include "server/settings_document.h"

#include <algorithm>
#include <utility>

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
// Its assertions doubt what is in a file, and errors are reported for that further on.
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>

namespace terrace::server {
namespace {

using Kind = DocumentValue::Kind;

Position PositionOf(const toml::source_region& source) {
  return {static_cast<int>(source.begin.line), static_cast<int>(source.begin.column)};
}

std::string FloatText(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// Sets text and kind from a node that is not a table.
void ReadValue(const toml::node& node, DocumentValue& value) {
  if (const auto* boolean = node.as_boolean()) {
    value.kind = Kind::kBoolean;
    value.text = boolean->get() ? "yes" : "no";
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Kind::kInteger;
    value.text = std::to_string(integer->get());
  } else if (const auto* number = node.as_floating_point()) {
    value.kind = Kind::kFloat;
    value.text = FloatText(number->get());
  } else if (const auto* string = node.as_string()) {
    value.kind = Kind::kString;
    value.text = string->get();
  } else if (const auto* array = node.as_array()) {
    value.kind = Kind::kArray;
    for (const toml::node& element : *array) {
      DocumentValue part;
      ReadValue(element, part);
      if (part.kind == Kind::kArray || part.kind == Kind::kOther) value.kind = Kind::kOther;
      if (!value.text.empty()) value.text += ' ';
      value.text += part.text;
      value.elements.push_back(std::move(part.text));
    }
  }
}

// Tables inside a section become names with a dot, so that a section is one flat list.
void ReadValues(const toml::table& table, const std::string& prefix, DocumentSection& section) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      ReadValues(*inner, name + ".", section);
      continue;
    }
    DocumentValue value;
    value.name = name;
    value.name_at = PositionOf(key.source());
    value.value_at = PositionOf(node.source());
    ReadValue(node, value);
    section.values.push_back(std::move(value));
  }
}

DocumentSection ReadSection(std::string_view name, const toml::table& table, bool is_element) {
  DocumentSection section{std::string(name), is_element, PositionOf(table.source()), {}};
  ReadValues(table, "", section);
  return section;
}

// The length of the delimiter of a string that begins here, or 0: " ' """ and '''.
size_t DelimiterAt(std::string_view at) {
  if (at.empty() || (at[0] != '"' && at[0] != '\'')) return 0;
  return at.size() >= 3 && at[1] == at[0] && at[2] == at[0] ? 3 : 1;
}

// The first character outside strings and comments that is not ASCII, which TOML does not allow
// there. Found here, as toml++ 3.3 asks of some of them whether they are blanks in a way that is
// undefined.
std::optional<Position> FindStrayCharacter(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  constexpr std::string_view kBeforeStrings = " \t\r\n=[{,.";
  Position at{1, 1};
  std::string_view closes;  // what ends the string or comment that we are in
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    size_t length = 1;
    if (closes.empty()) {
      if ((rest[0] & 0x80) != 0) return at;
      // A quote within a word begins nothing: that is an error, and the library reads on.
      const bool begins = i == 0 || kBeforeStrings.find(text[i - 1]) != std::string_view::npos;
      if (const size_t delimiter = DelimiterAt(rest); begins && delimiter > 0) {
        length = delimiter;
        closes = rest.substr(0, delimiter);
      } else if (rest[0] == '#') {
        closes = "\n";
      }
    } else if (rest.starts_with(closes) || (closes.size() == 1 && rest[0] == '\n')) {
      length = closes.size();
      closes = {};
    } else if (rest[0] == '\\' && closes[0] == '"' && rest.size() > 1) {
      length = 2;
    }
    for (const char c : text.substr(i, length)) {
      if (c == '\n') {
        ++at.line;
        at.column = 1;
      } else {
        at.column += (c & 0xC0) != 0x80;
      }
    }
    i += length;
  }
  return std::nullopt;
}

}  // namespace

std::string ToText(const ConfigError& error) {
  std::string text = error.file;
  if (error.at.line > 0) {
    text += ":" + std::to_string(error.at.line) + ":" + std::to_string(error.at.column);
  }
  if (!text.empty()) text += ": ";
  text += error.severity == ConfigError::Severity::kError ? "error: " : "warning: ";
  return text + error.message;
}

std::optional<Document> ParseDocument(std::string_view text, ConfigError* error) {
  if (const std::optional<Position> stray = FindStrayCharacter(text)) {
    error->at = *stray;
    error->message = "this character may stand in strings and comments only";
    return std::nullopt;
  }
  const toml::parse_result result = toml::parse(text);
  if (!result) {
    error->at = PositionOf(result.error().source());
    error->message = std::string(result.error().description());
    return std::nullopt;
  }
  Document document;
  DocumentSection top;
  for (const auto& [key, node] : result.table()) {
    if (const auto* table = node.as_table()) {
      document.sections.push_back(ReadSection(key.str(), *table, false));
      continue;
    }
    const auto* array = node.as_array();
    if (array != nullptr && !array->empty() && array->is_homogeneous<toml::table>()) {
      for (const toml::node& element : *array) {
        document.sections.push_back(ReadSection(key.str(), *element.as_table(), true));
      }
      continue;
    }
    DocumentValue value;
    value.name = key.str();
    value.name_at = PositionOf(key.source());
    value.value_at = PositionOf(node.source());
    ReadValue(node, value);
    top.values.push_back(std::move(value));
  }
  if (!top.values.empty()) document.sections.push_back(std::move(top));
  // The library keeps tables sorted by name; people read them from the top.
  std::ranges::stable_sort(document.sections, {}, &DocumentSection::at);
  for (DocumentSection& section : document.sections) {
    std::ranges::stable_sort(section.values, {}, &DocumentValue::name_at);
  }
  return document;
}

}  // namespace terrace::server
