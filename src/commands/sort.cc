// SORT: the elements of a list, set or sorted set in order, or what other keys say about them.
//
// BY and GET name keys that the arguments do not show, so the whole keyspace is locked. On routes
// with lower tiers such keys are looked up locally only.

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/call.h"
#include "commands/registry.h"
#include "keyspace/types/hash.h"
#include "keyspace/types/list.h"
#include "keyspace/types/set.h"
#include "keyspace/types/zset.h"

namespace terrace::commands {
namespace {

using keyspace::Entry;
using keyspace::List;
using keyspace::Type;

constexpr keyspace::KeyEvent kSortstore{'l', "sortstore"};

enum class Access : uint8_t { kReadOnly, kMayStore };

struct SortOptions {
  bool descending = false;
  bool by_text = false;
  int64_t offset = 0;
  int64_t count = -1;                  // negative: all
  std::optional<std::string_view> by;  // a pattern
  bool keeps_order = false;            // BY something that no element changes
  std::vector<std::string_view> get;   // patterns
  size_t store_argument = 0;           // 0: reply the elements
};

struct Element {
  std::string text;
  double weight = 0;
  std::optional<std::string> weight_text;
};

// nullopt after an error.
std::optional<SortOptions> ParseOptions(Call& call, Access access) {
  SortOptions options;
  // BY and GET name keys that nobody has checked.
  const auto is_denied = [&] {
    return call.executor != nullptr && !call.executor->MayReadEveryKey(call.command, call.args);
  };
  const auto deny = [&](std::string_view option) {
    call.reply.Error("ERR " + std::string(option) +
                     " option of SORT denied due to insufficient ACL permissions.");
    return std::nullopt;
  };
  for (size_t i = 2; i < call.argc(); ++i) {
    const size_t left = call.argc() - i - 1;
    if (call.Is(i, "asc")) {
      options.descending = false;
    } else if (call.Is(i, "desc")) {
      options.descending = true;
    } else if (call.Is(i, "alpha")) {
      options.by_text = true;
    } else if (call.Is(i, "limit") && left >= 2) {
      const auto offset = call.Integer(i + 1);
      if (!offset) return std::nullopt;
      const auto count = call.Integer(i + 2);
      if (!count) return std::nullopt;
      options.offset = *offset;
      options.count = *count;
      i += 2;
    } else if (access == Access::kMayStore && call.Is(i, "store") && left >= 1) {
      options.store_argument = ++i;
    } else if (call.Is(i, "by") && left >= 1) {
      options.by = call.args[++i];
      if (options.by->find('*') == std::string_view::npos) {
        options.keeps_order = true;
      } else if (is_denied()) {
        return deny("BY");
      }
    } else if (call.Is(i, "get") && left >= 1) {
      if (is_denied()) return deny("GET");
      options.get.push_back(call.args[++i]);
    } else {
      call.reply.SyntaxError();
      return std::nullopt;
    }
  }
  return options;
}

// ---- Patterns ----------------------------------------------------------------------------------

// A pattern such as "weight_*" or "object_*->field", taken apart.
struct Pattern {
  bool is_element = false;  // "#"
  bool has_star = false;
  std::string_view prefix;
  std::string_view postfix;
  std::string_view field;  // empty: the key's string
};

Pattern TakeApart(std::string_view text) {
  Pattern pattern;
  pattern.is_element = text == "#";
  const size_t star = text.find('*');
  if (star == std::string_view::npos) return pattern;
  pattern.has_star = true;
  pattern.prefix = text.substr(0, star);
  pattern.postfix = text.substr(star + 1);
  const size_t arrow = pattern.postfix.find("->");
  // An arrow at the very end is part of the key.
  if (arrow != std::string_view::npos && arrow + 2 < pattern.postfix.size()) {
    pattern.field = pattern.postfix.substr(arrow + 2);
    pattern.postfix = pattern.postfix.substr(0, arrow);
  }
  return pattern;
}

// What the pattern says about an element; nullopt when nothing.
std::optional<std::string> Lookup(Call& call, const Pattern& pattern, std::string_view element) {
  if (pattern.is_element) return std::string(element);
  if (!pattern.has_star) return std::nullopt;
  std::string name(pattern.prefix);
  name.append(element).append(pattern.postfix);
  const Entry* const entry = call.db.Read(call.db.keyspace().MakeKey(name));
  if (entry == nullptr) return std::nullopt;
  if (pattern.field.empty()) {
    if (!entry->is_string()) return std::nullopt;
    return std::string(entry->string());
  }
  if (entry->type() != Type::kHash) return std::nullopt;
  base::Int64Text buffer;
  const auto* const hash = static_cast<const keyspace::Hash*>(entry->object());
  const auto value = hash->Get(pattern.field, call.now_ms(), buffer);
  if (!value) return std::nullopt;
  return std::string(*value);
}

// ---- Sorting -----------------------------------------------------------------------------------

std::vector<Element> Load(const Entry* entry, const SortOptions& options) {
  std::vector<Element> elements;
  if (entry == nullptr) return elements;
  const auto add = [&](std::string_view text) { elements.push_back({std::string(text), 0, {}}); };
  elements.reserve(entry->object()->size());
  if (entry->type() == Type::kList) {
    const auto& list = *static_cast<const List*>(entry->object());
    base::Int64Text buffer;
    for (List::Cursor at = list.Seek(0); at.valid(); at = list.Next(at)) {
      add(list.Get(at).Text(buffer));
    }
  } else if (entry->type() == Type::kSet) {
    static_cast<const keyspace::Set*>(entry->object())->ForEach(add);
    return elements;  // has no order that could be turned round
  } else {
    static_cast<const keyspace::Zset*>(entry->object())
        ->ForEach([&](const keyspace::Zset::Entry& item) { add(item.member); });
  }
  if (options.keeps_order && options.descending) std::reverse(elements.begin(), elements.end());
  return elements;
}

// As C reads it: leading blanks are skipped, and nothing is 0.
std::optional<double> ParseWeight(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const double value = std::strtod(text.c_str(), &end);
  if (*end != '\0' || errno == ERANGE || std::isnan(value)) return std::nullopt;
  return value;
}

// False when an element has no number to sort by.
bool Weigh(Call& call, const SortOptions& options, std::vector<Element>& elements) {
  const Pattern pattern = TakeApart(options.by.value_or("#"));
  bool all_numbers = true;
  for (Element& element : elements) {
    std::optional<std::string> text = Lookup(call, pattern, element.text);
    if (!text) continue;
    if (options.by_text) {
      element.weight_text = std::move(text);
    } else if (const auto weight = ParseWeight(*text)) {
      element.weight = *weight;
    } else {
      all_numbers = false;
    }
  }
  return all_numbers;
}

bool IsBefore(const Element& a, const Element& b, bool by_text) {
  if (by_text) return a.weight_text < b.weight_text;  // nothing comes before everything
  if (a.weight != b.weight) return a.weight < b.weight;
  return a.text < b.text;
}

// The part of the elements that LIMIT leaves.
std::pair<size_t, size_t> Limit(const SortOptions& options, size_t size) {
  const auto total = static_cast<int64_t>(size);
  const int64_t begin = std::clamp<int64_t>(options.offset, 0, total);
  const int64_t count = options.count < 0 ? total : std::min(options.count, total);
  return {static_cast<size_t>(begin), static_cast<size_t>(std::min(begin + count, total))};
}

// Calls emit with the text of each element, or with what GET says about it.
template <typename Emit>
void ForEachResult(Call& call, const SortOptions& options, std::span<const Element> elements,
                   Emit emit) {
  std::vector<Pattern> patterns;
  for (const std::string_view text : options.get) patterns.push_back(TakeApart(text));
  for (const Element& element : elements) {
    if (patterns.empty()) emit(std::optional<std::string_view>(element.text));
    for (const Pattern& pattern : patterns) {
      const std::optional<std::string> found = Lookup(call, pattern, element.text);
      emit(found ? std::optional<std::string_view>(*found) : std::nullopt);
    }
  }
}

void Store(Call& call, const SortOptions& options, std::span<const Element> elements) {
  const keyspace::Key target = call.key(options.store_argument);
  auto list = std::make_unique<List>();
  ForEachResult(call, options, elements, [&](std::optional<std::string_view> value) {
    list->Push(keyspace::ListEnd::kTail, value.value_or(""), call.limits.encoding);
  });
  const size_t size = list->size();
  if (size == 0) {
    call.db.Remove(target, keyspace::events::kDel);
  } else {
    call.db.SetObject(target, std::move(list), keyspace::kNoDeadline, kSortstore);
  }
  call.reply.Integer(static_cast<int64_t>(size));
}

void RunSort(Call& call, Access access) {
  auto options = ParseOptions(call, access);
  if (!options) return;
  const Entry* const entry = call.db.Read(call.key(1));
  if (entry != nullptr && entry->type() != Type::kList && entry->type() != Type::kSet &&
      entry->type() != Type::kZset) {
    return call.reply.WrongType();
  }
  // What is stored, or what a script does, must not depend on the chance order of a set.
  if (options->keeps_order && (options->store_argument != 0 || call.in_script) &&
      entry != nullptr && entry->type() == Type::kSet) {
    options->keeps_order = false;
    options->by_text = true;
    options->by.reset();
  }
  std::vector<Element> elements = Load(entry, *options);
  if (!options->keeps_order) {
    if (!Weigh(call, *options, elements)) {
      return call.reply.Error("ERR One or more scores can't be converted into double");
    }
    std::stable_sort(elements.begin(), elements.end(), [&](const Element& a, const Element& b) {
      return options->descending ? IsBefore(b, a, options->by_text)
                                 : IsBefore(a, b, options->by_text);
    });
  }
  const auto [begin, end] = Limit(*options, elements.size());
  const auto shown = std::span<const Element>(elements).subspan(begin, end - begin);
  if (options->store_argument != 0) return Store(call, *options, shown);
  call.reply.Array(shown.size() * std::max<size_t>(options->get.size(), 1));
  ForEachResult(call, *options, shown, [&](std::optional<std::string_view> value) {
    if (value) {
      call.reply.Bulk(*value);
    } else {
      call.reply.Null();
    }
  });
}

void Sort(Call& call) { RunSort(call, Access::kMayStore); }
void SortRo(Call& call) { RunSort(call, Access::kReadOnly); }

// The key to sort and the last one to store in.
bool FindSortKeys(Args args, std::vector<int>* positions) {
  if (args.size() < 2) return false;
  positions->push_back(1);
  int store = 0;
  for (size_t i = 2; i < args.size(); ++i) {
    if (SameName(args[i], "limit")) {
      i += 2;
    } else if (SameName(args[i], "get") || SameName(args[i], "by")) {
      ++i;
    } else if (SameName(args[i], "store") && i + 1 < args.size()) {
      store = static_cast<int>(++i);
    }
  }
  if (store != 0) positions->push_back(store);
  return true;
}

constexpr KeySpec kPatternKeys = Noted(
    UnknownKeys("RO access"),
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from "
    "the content of the key we sort");
constexpr KeySpec kSortTarget =
    Noted(UnknownKeys("OW update"),
          "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear "
          "anywhere in the argument array");

constexpr Command kSortCommands[] = {
    {.name = "sort",
     .arity = -2,
     .flags = kWrite | kDenyOom | kMovableKeys | kAllShards,
     .categories = kList | kSet | kSortedSet | kDangerous,
     .keys = {FindSortKeys, KeyAt(1, "RO access"), kPatternKeys, kSortTarget},
     .resolve = Resolve::kValue,
     .handler = Sort,
     .group = "generic",
     .since = "1.0.0",
     .syntax = "key [BY by-pattern=pattern@1] [LIMIT (offset count)] "
               "[GET get-pattern=pattern@1]... [order: ASC|DESC] [sorting=ALPHA] "
               "[STORE destination]",
     .summary = "Returns or stores the elements of a list, set or sorted set in order.",
     .complexity = "O(N+M*log(M)), N: elements, M: elements answered"},
    {.name = "sort_ro",
     .arity = -2,
     .flags = kReadOnly | kMovableKeys | kAllShards,
     .categories = kList | kSet | kSortedSet | kDangerous,
     .keys = {KeyAt(1, "RO access"), kPatternKeys},
     .resolve = Resolve::kValue,
     .handler = SortRo,
     .group = "generic",
     .since = "7.0.0",
     .syntax = "key [BY by-pattern=pattern@1] [LIMIT (offset count)] "
               "[GET get-pattern=pattern@1]... [order: ASC|DESC] [sorting=ALPHA]",
     .summary = "Returns the elements of a list, set or sorted set in order.",
     .complexity = "O(N+M*log(M)), N: elements, M: elements answered"},
};

}  // namespace

std::span<const Command> SortCommands() { return kSortCommands; }

}  // namespace terrace::commands
