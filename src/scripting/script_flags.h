#pragma once

// The first line of a script or library ("#!lua flags=no-writes,allow-oom", "#!lua name=mylib"),
// and the flags by which scripts and functions say what they need.
//
// Threads: pure functions.
// Errors:  in Redis's words, without a code.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace terrace::scripting {

enum ScriptFlag : uint32_t {
  kNoWrites = 1u << 0,
  kAllowOom = 1u << 1,
  kAllowStale = 1u << 2,
  kNoCluster = 1u << 3,
  kAllowCrossSlotKeys = 1u << 4,
  // A script without a first line of its own: as before there were flags, what it may do is found
  // out command by command.
  kUndeclared = 1u << 5,
};

struct FlagName {
  ScriptFlag flag;
  std::string_view name;
};
// In the order in which FUNCTION LIST shows them.
std::span<const FlagName> FlagNames();

// The flag of this name (in any case when exact_case is false), or 0.
enum class NameCase : uint8_t { kExact, kAny };
uint32_t FindFlag(std::string_view name, NameCase name_case);

struct ScriptHead {
  uint32_t flags = kUndeclared;
  size_t bytes = 0;  // of the first line, without its line break
};
// "" or the error.
[[nodiscard]] std::string ParseScriptHead(std::string_view body, ScriptHead* head);

struct LibraryHead {
  std::string engine;
  std::string name;
  size_t bytes = 0;
};
[[nodiscard]] std::string ParseLibraryHead(std::string_view code, LibraryHead* head);

// Letters, digits and '_', at least one.
bool IsFunctionName(std::string_view name);

}  // namespace terrace::scripting
