#include "commands/command_syntax.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/letters.h"
#include "base/numbers.h"

namespace terrace::commands {
namespace {

constexpr std::string_view kStringType = "string";
constexpr std::string_view kKeyType = "key";
constexpr std::string_view kPureTokenType = "pure-token";
constexpr std::string_view kOneOfType = "oneof";
constexpr std::string_view kBlockType = "block";

constexpr std::string_view kEmptyToken = "\"\"";  // as it is spelt

// The values that are not strings, by what they are called.
constexpr std::string_view kKeyNames[] = {
    "key", "key1", "key2", "destination", "destkey", "dst", "newkey", "sourcekey", "source", "src",
};
constexpr std::string_view kIntegerNames[] = {
    "bit",       "bits",           "client-id",     "count",         "cursor",       "db",
    "decrement", "destination-db", "end",           "entries-added", "entries-read", "frequency",
    "increment", "index",          "index1",        "index2",        "len",          "limit",
    "maxage",    "milliseconds",   "min-idle-time", "min-match-len", "ms",           "num-matches",
    "numfields", "numkeys",        "numlocal",      "numreplicas",   "offset",       "port",
    "protover",  "rank",           "seconds",       "slot",          "start",        "stop",
    "ttl",       "version",        "weight",
};
constexpr std::string_view kDoubleNames[] = {
    "height", "latitude", "longitude", "radius", "score", "timeout", "width",
};
constexpr std::string_view kPatternNames[] = {"pattern"};
constexpr std::string_view kUnixTimeNames[] = {"unix-time-milliseconds", "unix-time-seconds"};

struct ValueType {
  std::string_view type;
  std::span<const std::string_view> names;
};
constexpr ValueType kValueTypes[] = {
    {kKeyType, kKeyNames},      {"integer", kIntegerNames},    {"double", kDoubleNames},
    {"pattern", kPatternNames}, {"unix-time", kUnixTimeNames}, {kStringType, {}},
};

// The type of a value that is shown like this.
std::string_view TypeOfValue(std::string_view shown) {
  for (const ValueType& values : kValueTypes) {
    if (std::find(values.names.begin(), values.names.end(), shown) != values.names.end()) {
      return values.type;
    }
  }
  return kStringType;
}

bool IsNameLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }
bool IsShownLetter(char c) { return IsNameLetter(c) || c == ':'; }
bool IsTokenLetter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '*' || c == '=' ||
         c == '~' || c == '$' || c == '"';
}

// One pass over the line, by recursive descent. An error moves to the end of the line, where every
// loop ends; the first one is kept.
class SyntaxParser {
 public:
  explicit SyntaxParser(std::string_view line) : rest_(line) {}

  Syntax Parse() {
    Syntax syntax;
    for (SkipBlanks(); !rest_.empty(); SkipBlanks()) syntax.arguments.push_back(ParseItem());
    if (!error_.empty()) return {{}, std::move(error_)};
    return syntax;
  }

 private:
  void SkipBlanks() {
    while (Take(" ")) {
    }
  }
  bool Take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  std::string_view TakeWhile(bool (*belongs)(char)) {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), belongs);
    const std::string_view taken = rest_.substr(0, static_cast<size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  bool NextIs(bool (*belongs)(char), size_t offset = 0) const {
    return rest_.size() > offset && belongs(rest_[offset]);
  }
  void Fail(std::string_view reason) {
    if (error_.empty()) error_ = std::string(reason) + " before '" + std::string(rest_) + "'";
    rest_ = {};
  }

  Argument ParseItem() {
    SkipBlanks();
    const bool in_brackets = rest_.starts_with('(') || rest_.starts_with('[');
    Argument item;
    if (in_brackets) {
      item = ParseBrackets({});
    } else if (NextIs(IsNameLetter)) {
      item = ParseNamed();
    } else {
      item = ParseToken({});
    }
    if (Take("...")) {
      item.is_multiple = true;
      item.repeats_token = in_brackets && item.token.has_value();
    }
    return item;
  }

  // A block, a choice, or what the brackets do not change but for making it optional.
  // default_name: of a block or choice that says none.
  Argument ParseBrackets(std::string default_name) {
    const bool is_optional = Take("[");
    if (!is_optional) Take("(");
    Argument group;
    group.name = TakeGroupName(std::move(default_name));
    group.arguments.push_back(ParseItem());
    const bool is_choice = rest_.starts_with('|');
    while (is_choice ? Take("|") : rest_.starts_with(' ')) group.arguments.push_back(ParseItem());
    if (!Take(is_optional ? "]" : ")")) Fail("the end of the brackets is missing");
    const bool is_group = group.arguments.size() > 1;
    if (is_group == group.name.empty()) Fail("a name is for several arguments, and they need one");
    if (is_group) {
      group.type = is_choice ? kOneOfType : kBlockType;
    } else {
      group = Argument(std::move(group.arguments.front()));
    }
    group.is_optional = group.is_optional || is_optional;
    return group;
  }

  std::string TakeGroupName(std::string default_name) {
    const std::string_view before = rest_;
    const std::string_view name = TakeWhile(IsNameLetter);
    if (!name.empty() && Take(": ")) return std::string(name);
    rest_ = before;
    return default_name;
  }

  // A token, with what is behind it. name: its own, if not the token's in lower case.
  Argument ParseToken(std::string_view name) {
    const std::string_view token = TakeWhile(IsTokenLetter);
    if (token.empty()) Fail("an argument is missing");
    Argument argument;
    if (name.empty() && rest_.starts_with(" (")) {
      Take(" ");
      argument = ParseBrackets(base::LowerCase(token));
    } else if (name.empty() && rest_.starts_with(' ') && NextIs(IsNameLetter, 1)) {
      Take(" ");
      argument = ParseNamed();
      if (argument.token) Fail("a token stands behind a token");
    } else {
      argument.name = name.empty() ? base::LowerCase(token) : name;
      argument.display_text = argument.name;
      argument.type = kPureTokenType;
    }
    argument.token = token == kEmptyToken ? "" : token;
    return argument;
  }

  // A value, or a token with a name.
  Argument ParseNamed() {
    std::string_view name = TakeWhile(IsShownLetter);
    std::string_view shown = name;
    if (Take("=")) {
      if (!NextIs(IsNameLetter)) return ParseToken(name);
      shown = TakeWhile(IsShownLetter);
    }
    Argument value;
    value.name = name;
    value.display_text = shown;
    value.type = TakeType(shown);
    value.key_spec_index = TakeKeySpec(value.type);
    return value;
  }

  std::string_view TakeType(std::string_view shown) {
    if (!Take("<")) return TypeOfValue(shown);
    const std::string_view type = TakeWhile(IsNameLetter);
    if (!Take(">")) Fail("the end of a type is missing");
    for (const ValueType& known : kValueTypes) {
      if (known.type == type) return known.type;
    }
    Fail("an unknown type stands");
    return {};
  }

  std::optional<int> TakeKeySpec(std::string_view type) {
    std::optional<int> index;
    if (Take("@")) {
      index = static_cast<int>(base::ParseInt64(TakeWhile(IsNameLetter)).value_or(-1));
      if (index < 0) Fail("the number of a key spec is missing");
    } else if (type == kKeyType) {
      index = next_key_spec_;
    }
    if (index) next_key_spec_ = std::max(next_key_spec_, *index + 1);
    return index;
  }

  std::string_view rest_;
  std::string error_;
  int next_key_spec_ = 0;
};

}  // namespace

Syntax ParseSyntax(std::string_view line) { return SyntaxParser(line).Parse(); }

}  // namespace terrace::commands
