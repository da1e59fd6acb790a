#include "server/acl_selector.h"

#include <algorithm>
#include <utility>

#include "base/glob.h"
#include "base/letters.h"
#include "commands/categories.h"
#include "commands/key_access.h"

namespace terrace::server {
namespace {

using commands::Channels;
using commands::Command;
using commands::kKeyRead;
using commands::kKeyWrite;
using commands::SameName;
using Denied = AclVerdict::Denied;

constexpr uint8_t kReadWrite = kKeyRead | kKeyWrite;

// Words end at a zero byte, as everywhere in Redis.
std::string_view WordOf(std::string_view rule) { return rule.substr(0, rule.find('\0')); }

std::string_view PrefixOf(uint8_t permissions) {
  if (permissions == kReadWrite) return "~";
  return permissions == kKeyRead ? "%R~" : "%W~";
}

void Append(std::string_view word, std::string* text) {
  if (!text->empty()) *text += ' ';
  *text += word;
}

}  // namespace

bool AclHasBlanks(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return c == '\0' || c == ' ' || (c >= '\t' && c <= '\r'); });
}

const std::vector<int>& AclRequest::key_positions() {
  if (!std::exchange(has_positions_, true)) {
    if (!commands::FindKeys(command, args, &positions_)) positions_.clear();
  }
  return positions_;
}

AclSelector::AclSelector(const commands::Registry* registry, ChannelDefault channels)
    : registry_(registry),
      all_channels_(channels == ChannelDefault::kAll),
      allowed_(registry->rows().size()) {}

// ---- Rules -------------------------------------------------------------------------------------

AclError AclSelector::Apply(std::string_view rule) {
  const std::string_view word = WordOf(rule);
  const auto is = [word](std::string_view name) { return SameName(word, name); };
  if (is("allkeys") || is("~*")) {
    all_keys_ = true;
    key_patterns_.clear();
  } else if (is("resetkeys")) {
    all_keys_ = false;
    key_patterns_.clear();
  } else if (is("allchannels") || is("&*")) {
    all_channels_ = true;
    channels_.clear();
  } else if (is("resetchannels")) {
    all_channels_ = false;
    channels_.clear();
  } else if (is("allcommands") || is("+@all")) {
    AllowEverything(true);
  } else if (is("nocommands") || is("-@all")) {
    AllowEverything(false);
  } else if (word.starts_with('~') || word.starts_with('%')) {
    return AddKeyPattern(rule);
  } else if (word.starts_with('&')) {
    return AddChannel(rule);
  } else if (word.starts_with("+@") || word.starts_with("-@")) {
    return ChangeCategory(word.substr(1), word[0] == '+');
  } else if (word.starts_with('+')) {
    return AllowCommand(word.substr(1));
  } else if (word.starts_with('-')) {
    return DenyCommand(word.substr(1));
  } else {
    return AclError::kSyntax;
  }
  return AclError::kNone;
}

void AclSelector::AllowEverything(bool allow) {
  allowed_.assign(allowed_.size(), allow);
  all_commands_ = begins_with_all_ = allow;
  command_rules_.clear();
  first_arguments_.clear();
}

AclError AclSelector::AddKeyPattern(std::string_view rule) {
  if (all_keys_) return AclError::kAfterAllKeys;
  uint8_t permissions = rule[0] == '~' ? kReadWrite : 0;
  size_t at = 1;
  for (; rule[0] == '%'; ++at) {
    const char c = at < rule.size() ? static_cast<char>(std::toupper(rule[at])) : '\0';
    if (c == 'R' && (permissions & kKeyRead) == 0) {
      permissions |= kKeyRead;
    } else if (c == 'W' && (permissions & kKeyWrite) == 0) {
      permissions |= kKeyWrite;
    } else if (c == '~' && permissions != 0) {
      ++at;
      break;
    } else if (at == rule.size() && permissions != 0) {
      break;  // "%R" is "%R~"
    } else {
      return AclError::kSyntax;
    }
  }
  const std::string_view pattern = rule.substr(at);
  if (AclHasBlanks(pattern)) return AclError::kSyntax;
  const auto known = std::find_if(key_patterns_.begin(), key_patterns_.end(),
                                  [&](const auto& other) { return other.pattern == pattern; });
  if (known != key_patterns_.end()) {
    known->permissions |= permissions;
  } else {
    key_patterns_.push_back({std::string(pattern), permissions});
  }
  return AclError::kNone;
}

AclError AclSelector::AddChannel(std::string_view rule) {
  if (all_channels_) return AclError::kAfterAllChannels;
  const std::string_view pattern = rule.substr(1);
  if (AclHasBlanks(pattern)) return AclError::kSyntax;
  if (std::find(channels_.begin(), channels_.end(), pattern) == channels_.end()) {
    channels_.emplace_back(pattern);
  }
  return AclError::kNone;
}

AclError AclSelector::AllowCommand(std::string_view name) {
  const size_t bar = name.rfind('|');
  if (bar != name.npos) return AllowArgument(name, bar);
  const Command* const command = registry_->Find(name);
  if (command == nullptr) return AclError::kUnknownCommand;
  Change(*command, true);
  Remember(command->name, true);
  return AclError::kNone;
}

// A subcommand, or a first argument of a command that has none.
AclError AclSelector::AllowArgument(std::string_view name, size_t bar) {
  const Command* const command = registry_->FindFull(name.substr(0, bar));
  if (command == nullptr) return AclError::kUnknownCommand;
  if (command->name.find('|') != command->name.npos) return AclError::kFirstArgumentOfSubcommand;
  const std::string_view argument = name.substr(bar + 1);
  if (argument.empty()) return AclError::kSyntax;
  if (!command->subcommands.empty()) {
    const Command* const subcommand = registry_->FindFull(name);
    if (subcommand == nullptr) return AclError::kUnknownCommand;
    Change(*subcommand, true);
  } else {
    std::vector<std::string>& known = first_arguments_[command->id];
    const bool is_known = std::any_of(known.begin(), known.end(), [&](const std::string& other) {
      return base::SameWord(other, argument);
    });
    if (!is_known) known.emplace_back(argument);
  }
  Remember(name, true);
  return AclError::kNone;
}

AclError AclSelector::DenyCommand(std::string_view name) {
  const Command* const command = registry_->FindFull(name);
  if (command == nullptr) return AclError::kUnknownCommand;
  Change(*command, false);
  Remember(command->name, false);
  return AclError::kNone;
}

AclError AclSelector::ChangeCategory(std::string_view category, bool allow) {
  const auto bit = commands::FindCategory(category.substr(1));
  if (!bit) return AclError::kUnknownCommand;
  Remember(category, allow);
  for (const Command& command : registry_->rows()) {
    if ((commands::CategoriesOf(command) & *bit) != 0) Change(command, allow);
  }
  return AclError::kNone;
}

// With all its subcommands.
void AclSelector::Change(const Command& command, bool allow) {
  const auto set = [&](const Command& row) { allowed_[static_cast<size_t>(row.id)] = allow; };
  set(command);
  for (const Command& subcommand : command.subcommands) set(subcommand);
  if (!allow) all_commands_ = false;
  first_arguments_.erase(command.id);
}

// A rule takes the place of an earlier one for the same, and of those for its subcommands.
void AclSelector::Remember(std::string_view rule, bool allow) {
  const std::string name = base::LowerCase(rule);
  std::erase_if(command_rules_, [&](std::string_view other) {
    other.remove_prefix(1);
    return other == name || other.starts_with(name + "|");
  });
  command_rules_.push_back((allow ? "+" : "-") + name);
}

// ---- Checks ------------------------------------------------------------------------------------

AclVerdict AclSelector::Check(AclRequest& request) const {
  const AclVerdict command = CheckCommand(request);
  if (!command.allows()) return command;
  if (!all_keys_) {
    const std::vector<int>& positions = request.key_positions();
    for (size_t i = 0; i < positions.size(); ++i) {
      const auto at = static_cast<size_t>(positions[i]);
      const uint8_t permissions = commands::KeyPermissions(request.command, request.args, i);
      if (!MayAccess(request.args[at], permissions)) return {Denied::kKey, at};
    }
  }
  const Channels channels = request.command.channels;
  if (all_channels_ || channels == Channels::kNone) return {};
  const size_t end =
      channels == Channels::kFirst ? std::min<size_t>(2, request.args.size()) : request.args.size();
  for (size_t at = 1; at < end; ++at) {
    if (!MayUseChannel(request.args[at], channels == Channels::kPatterns)) {
      return {Denied::kChannel, at};
    }
  }
  return {};
}

AclVerdict AclSelector::CheckCommand(const AclRequest& request) const {
  const Command& command = request.command;
  if (all_commands_ || command.has(commands::kNoAuth)) return {};
  if (allowed_[static_cast<size_t>(command.id)]) return {};
  const auto known = first_arguments_.find(command.id);
  if (known == first_arguments_.end() || request.args.size() < 2) return {Denied::kCommand, 0};
  for (const std::string& argument : known->second) {
    if (base::SameWord(argument, request.args[1])) return {};
  }
  return {Denied::kCommand, 0};
}

bool AclSelector::MayAccess(std::string_view key, uint8_t permissions) const {
  return all_keys_ ||
         std::any_of(key_patterns_.begin(), key_patterns_.end(), [&](const KeyPattern& pattern) {
           return (pattern.permissions & permissions) == permissions &&
                  base::GlobMatch(pattern.pattern, key);
         });
}

bool AclSelector::MayAccessEveryKey(uint8_t permissions) const {
  return all_keys_ ||
         std::any_of(key_patterns_.begin(), key_patterns_.end(), [&](const KeyPattern& pattern) {
           return (pattern.permissions & permissions) == permissions && pattern.pattern == "*";
         });
}

// Whether a pattern is within another cannot be told, so patterns are compared by their letters.
bool AclSelector::MayUseChannel(std::string_view channel, bool is_pattern) const {
  return all_channels_ ||
         std::any_of(channels_.begin(), channels_.end(), [&](const std::string& pattern) {
           return is_pattern ? pattern == channel : base::GlobMatch(pattern, channel);
         });
}

// ---- Descriptions ------------------------------------------------------------------------------

std::string AclSelector::Describe() const {
  std::string text;
  const std::string keys = DescribeKeys(), channels = DescribeChannels();
  if (!keys.empty()) Append(keys, &text);
  if (!all_channels_) Append("resetchannels", &text);
  if (!channels.empty()) Append(channels, &text);
  Append(DescribeCommands(), &text);
  return text;
}

std::string AclSelector::DescribeCommands() const {
  std::string text = begins_with_all_ ? "+@all" : "-@all";
  for (const std::string& rule : command_rules_) Append(rule, &text);
  return text;
}

std::string AclSelector::DescribeKeys() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyPattern& pattern : key_patterns_) {
    Append(std::string(PrefixOf(pattern.permissions)) + pattern.pattern, &text);
  }
  return text;
}

std::string AclSelector::DescribeChannels() const {
  if (all_channels_) return "&*";
  std::string text;
  for (const std::string& channel : channels_) Append("&" + channel, &text);
  return text;
}

}  // namespace terrace::server
