#include "scripting/script_flags.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "commands/registry.h"
#include "resp/request_parser.h"

namespace terrace::scripting {
namespace {

bool StartsWithWord(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && commands::SameName(text.substr(0, word.size()), word);
}

// The flags of "no-writes,allow-oom", or the error.
std::string ParseFlags(std::string_view list, uint32_t* flags) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view name = list.substr(0, end);
    const uint32_t flag = FindFlag(name, NameCase::kExact);
    if (flag == 0) return "Unexpected flag in script shebang: " + std::string(name);
    *flags |= flag;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return "";
}

}  // namespace

std::span<const FlagName> FlagNames() {
  static constexpr FlagName kNames[] = {
      {kNoWrites, "no-writes"},
      {kAllowOom, "allow-oom"},
      {kAllowStale, "allow-stale"},
      {kNoCluster, "no-cluster"},
      {kAllowCrossSlotKeys, "allow-cross-slot-keys"},
  };
  return kNames;
}

uint32_t FindFlag(std::string_view name, NameCase name_case) {
  for (const FlagName& known : FlagNames()) {
    if (known.name == name) return known.flag;
    if (name_case == NameCase::kAny && commands::SameName(name, known.name)) return known.flag;
  }
  return 0;
}

std::string ParseScriptHead(std::string_view body, ScriptHead* head) {
  *head = {};
  if (!body.starts_with("#!")) return "";
  const size_t end = body.find('\n');
  if (end == body.npos) return "Invalid script shebang";
  std::vector<std::string> words;
  if (!resp::SplitLine(body.substr(0, end), &words) || words.empty()) {
    return "Invalid engine in script shebang";
  }
  if (words[0] != "#!lua") return "Unexpected engine in script shebang: " + words[0];
  head->flags = 0;
  head->bytes = end;
  for (size_t i = 1; i < words.size(); ++i) {
    constexpr std::string_view kOption = "flags=";
    if (!words[i].starts_with(kOption)) return "Unknown lua shebang option: " + words[i];
    std::string error = ParseFlags(std::string_view(words[i]).substr(kOption.size()), &head->flags);
    if (!error.empty()) return error;
  }
  return "";
}

std::string ParseLibraryHead(std::string_view code, LibraryHead* head) {
  *head = {};
  if (!code.starts_with("#!")) return "Missing library metadata";
  const size_t end = code.find('\n');
  if (end == code.npos) return "Invalid library metadata";
  std::vector<std::string> words;
  if (!resp::SplitLine(code.substr(0, end), &words) || words.empty()) {
    return "Invalid library metadata";
  }
  head->engine = words[0].substr(2);
  head->bytes = end;
  std::optional<std::string> name;
  for (size_t i = 1; i < words.size(); ++i) {
    constexpr std::string_view kOption = "name=";
    if (!StartsWithWord(words[i], kOption)) return "Invalid metadata value given: " + words[i];
    if (name) return "Invalid metadata value, name argument was given multiple times";
    name = words[i].substr(kOption.size());
  }
  if (!name) return "Library name was not given";
  head->name = *name;
  return "";
}

bool IsFunctionName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace terrace::scripting
