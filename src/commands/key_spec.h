#pragma once

// Keys: which arguments of a command are keys, and what it does with them. A row says it once;
// key extraction, locking and ACL read it, and COMMAND INFO tells it to clients as key specs.
//
// An ordinary row has one range: {1, 1, 1}, or {1, -1, 1, "RO"}. Others name their specs:
// {KeyAt(1, "OW update"), CountedKeys(2, "RO access")}.
//
// Threads: immutable.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace terrace::commands {

using Args = std::span<const std::string_view>;

// The access of an argument that a cluster routes by although it is no key: a shard channel.
inline constexpr std::string_view kNotKey = "not_key";

// Some of a command's keys.
struct KeySpec {
  enum class Form : uint8_t {
    kRange,      // arguments first, first + step, ... up to last (negative: from the end)
    kCounted,    // argument first says how many follow it
    kAfterWord,  // behind this word, looked for from argument first on (negative: from the end)
    kUnknown,    // clients cannot find them without asking
  };
  Form form = Form::kRange;
  bool is_incomplete = false;  // there may be more than it finds
  int first = 0;
  int last = 0;  // of kAfterWord: counted from the first key on (negative: from the end)
  int step = 0;
  int limit = 0;  // of kAfterWord up to the end: 2: keys are the first half of what is there
  // The words of Redis: RO, RW, OW (overwrites) or RM (removes), then access (tells the value to
  // the client), update, insert, delete. Empty: as the row's flags say it (see KeyAccess).
  std::string_view access;
  std::string_view word = {};
  std::string_view notes = {};
};

constexpr KeySpec KeyRange(int first, int last, int step, std::string_view access) {
  return {.first = first, .last = last, .step = step, .access = access};
}
constexpr KeySpec KeyAt(int at, std::string_view access) { return KeyRange(at, at, 1, access); }
constexpr KeySpec KeysFrom(int at, std::string_view access) { return KeyRange(at, -1, 1, access); }
constexpr KeySpec CountedKeys(int count_at, std::string_view access) {
  return {.form = KeySpec::Form::kCounted, .first = count_at, .step = 1, .access = access};
}
constexpr KeySpec KeyAfter(std::string_view word, int from, std::string_view access) {
  return {
      .form = KeySpec::Form::kAfterWord, .first = from, .step = 1, .access = access, .word = word};
}
constexpr KeySpec KeysAfter(std::string_view word, int from, int limit, std::string_view access) {
  KeySpec spec = KeyAfter(word, from, access);
  spec.last = -1;
  spec.limit = limit;
  return spec;
}
constexpr KeySpec UnknownKeys(std::string_view access) {
  return {.form = KeySpec::Form::kUnknown, .access = access};
}
constexpr KeySpec Incomplete(KeySpec spec) {
  spec.is_incomplete = true;
  return spec;
}
constexpr KeySpec Noted(KeySpec spec, std::string_view notes) {
  spec.notes = notes;
  return spec;
}

// Appends the positions of the keys; false when the arguments make no sense.
using KeyFinder = bool (*)(Args args, std::vector<int>* positions);

struct Keys {
  static constexpr size_t kSpecsMax = 3;

  constexpr Keys() = default;  // none
  constexpr Keys(int from, int to, int every, std::string_view access = {})
      : specs{KeyRange(from, to, every, access)}, spec_count(1) {
    Gather();
  }
  // The first spec is of one key, if there are others, and these are accessed alike.
  template <typename... More>
  constexpr Keys(const KeySpec& spec, const More&... more)  // NOLINT: rows list specs in braces
      : Keys(nullptr, spec, more...) {}
  // With a finder: clients read the specs, the server asks the finder. One is needed for keys
  // behind a word.
  template <typename... More>
  constexpr Keys(KeyFinder finder, const KeySpec& spec, const More&... more)
      : is_movable(finder != nullptr),
        find(finder),
        specs{spec, more...},
        spec_count(1 + sizeof...(more)) {
    static_assert(1 + sizeof...(more) <= kSpecsMax);
    Gather();
  }

  constexpr std::span<const KeySpec> all() const { return {specs.data(), spec_count}; }
  // Has it any key, maybe?
  constexpr bool any() const { return first != 0 || is_movable; }

  // What the ranges make together. first 0: nothing.
  int first = 0;
  int last = 0;
  int step = 0;
  // There are keys elsewhere: only FindKeys tells.
  bool is_movable = false;
  KeyFinder find = nullptr;
  std::array<KeySpec, kSpecsMax> specs{};
  size_t spec_count = 0;

 private:
  constexpr void Gather() {
    for (const KeySpec& one : all()) {
      if (one.access == kNotKey) continue;
      if (one.form != KeySpec::Form::kRange) {
        is_movable = true;
      } else if (first == 0) {
        first = one.first;
        last = one.last;
        step = one.step;
      } else if (one.first == last + 1) {
        last = one.last;
      }
    }
  }
};

// Appends what the finder finds, or else the ranges and the counted keys; false when the arguments
// make no sense. REQUIRES: keys.is_movable.
[[nodiscard]] bool FindMovableKeys(const Keys& keys, Args args, std::vector<int>* positions);

}  // namespace terrace::commands
