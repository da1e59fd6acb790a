#include "server/acl_user.h"

#include <algorithm>
#include <utility>

#include "base/sha256.h"
#include "resp/request_parser.h"

namespace terrace::server {
namespace {

using commands::Args;
using commands::Command;
using commands::SameName;
using Denied = AclVerdict::Denied;

constexpr size_t kHashDigits = 64;

bool IsHash(std::string_view text) {
  return text.size() == kHashDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// In a time that does not tell how much was right. REQUIRES: both are hashes.
bool SameHash(std::string_view a, std::string_view b) {
  unsigned char difference = 0;
  for (size_t i = 0; i < kHashDigits; ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace

AclUser::AclUser(std::string name, uint64_t id, const commands::Registry* registry,
                 AclSelector::ChannelDefault channels)
    : name_(std::move(name)), id_(id), registry_(registry), channel_default_(channels) {
  selectors_.push_back(NewSelector());
}

AclSelector AclUser::NewSelector() const { return AclSelector(registry_, channel_default_); }

// ---- Rules -------------------------------------------------------------------------------------

AclError AclUser::Apply(std::string_view rule) {
  if (rule.empty()) return AclError::kNone;
  const std::string_view word = rule.substr(0, rule.find('\0'));
  const auto is = [word](std::string_view name) { return SameName(word, name); };
  if (is("on") || is("off")) {
    is_enabled_ = is("on");
  } else if (is("skip-sanitize-payload") || is("sanitize-payload")) {
    sanitizes_payload_ = is("sanitize-payload");
  } else if (is("nopass") || is("resetpass")) {
    needs_no_password_ = is("nopass");
    password_hashes_.clear();
  } else if (std::string_view("><#!").find(rule[0]) != std::string_view::npos) {
    return ChangePasswords(rule);
  } else if (rule.starts_with('(') && rule.ends_with(')')) {
    return AddSelector(rule);
  } else if (is("clearselectors")) {
    selectors_.erase(selectors_.begin() + 1, selectors_.end());
  } else if (is("reset")) {
    Reset();
  } else {
    return selectors_[0].Apply(rule);
  }
  return AclError::kNone;
}

AclError AclUser::ChangePasswords(std::string_view rule) {
  const bool is_hash = rule[0] == '#' || rule[0] == '!';
  if (is_hash && !IsHash(rule.substr(1))) return AclError::kBadHash;
  std::string hash(rule.substr(1));
  if (!is_hash) hash = base::Sha256Hex(hash);
  const auto known = std::find(password_hashes_.begin(), password_hashes_.end(), hash);
  if (rule[0] == '<' || rule[0] == '!') {
    if (known == password_hashes_.end()) return AclError::kUnknownPassword;
    password_hashes_.erase(known);
    return AclError::kNone;
  }
  if (known == password_hashes_.end()) password_hashes_.push_back(std::move(hash));
  needs_no_password_ = false;
  return AclError::kNone;
}

AclError AclUser::AddSelector(std::string_view rule) {
  AclSelector selector = NewSelector();
  std::vector<std::string> rules;
  // As in Redis, quotes that are not closed leave nothing.
  if (!resp::SplitLine(rule.substr(1, rule.size() - 2), &rules)) rules.clear();
  for (const std::string& inner : rules) {
    const AclError error = selector.Apply(inner);
    if (error != AclError::kNone) return error;
  }
  selectors_.push_back(std::move(selector));
  return AclError::kNone;
}

void AclUser::Reset() {
  is_enabled_ = false;
  needs_no_password_ = false;
  sanitizes_payload_ = true;
  password_hashes_.clear();
  selectors_.assign(1, NewSelector());
}

std::string AclUser::ApplyAll(std::span<const std::string_view> rules) {
  std::vector<std::string> merged;
  std::string unmatched;
  if (!MergeSelectorRules(rules, &merged, &unmatched)) {
    return "Unmatched parenthesis in acl selector starting at '" + unmatched + "'.";
  }
  for (const std::string& rule : merged) {
    const AclError error = Apply(rule);
    if (error == AclError::kNone) continue;
    return "Error in ACL SETUSER modifier '" + rule + "': " + std::string(TextOf(error));
  }
  return "";
}

bool MergeSelectorRules(std::span<const std::string_view> rules, std::vector<std::string>* merged,
                        std::string* unmatched) {
  bool is_open = false;
  for (const std::string_view rule : rules) {
    if (is_open) {
      merged->back().append(" ").append(rule);
      is_open = !rule.ends_with(')');
      continue;
    }
    merged->emplace_back(rule);
    is_open = rule.starts_with('(') && !rule.ends_with(')');
    if (is_open) *unmatched = rule;
  }
  return !is_open;
}

std::string_view TextOf(AclError error) {
  switch (error) {
    case AclError::kNone:
      return "";
    case AclError::kSyntax:
      return "Syntax error";
    case AclError::kUnknownCommand:
      return "Unknown command or category name in ACL";
    case AclError::kAfterAllKeys:
      return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
             "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    case AclError::kAfterAllChannels:
      return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
             "does not have any effect. Try 'resetchannels' to start with an empty list of "
             "channels";
    case AclError::kFirstArgumentOfSubcommand:
      return "Allowing first-arg of a subcommand is not supported";
    case AclError::kUnknownPassword:
      return "The password you are trying to remove from the user does not exist";
    case AclError::kBadHash:
      return "The password hash must be exactly 64 characters and contain only lowercase "
             "hexadecimal characters";
  }
  return "";
}

// ---- Checks ------------------------------------------------------------------------------------

bool AclUser::Accepts(std::string_view password) const {
  if (!is_enabled_) return false;
  if (needs_no_password_) return true;
  const std::string hash = base::Sha256Hex(password);
  return std::any_of(password_hashes_.begin(), password_hashes_.end(),
                     [&](const std::string& known) { return SameHash(known, hash); });
}

// What is told is the worst that any selector has to say, of the last argument.
AclVerdict AclUser::Check(const Command& command, Args args) const {
  AclRequest request(command, args);
  AclVerdict worst{Denied::kCommand, 0};
  for (const AclSelector& selector : selectors_) {
    const AclVerdict verdict = selector.Check(request);
    if (verdict.allows()) return verdict;
    if (verdict.denied > worst.denied ||
        (verdict.denied == worst.denied && verdict.argument > worst.argument)) {
      worst = verdict;
    }
  }
  return worst;
}

bool AclUser::MayRunEverything() const {
  return std::any_of(selectors_.begin(), selectors_.end(),
                     [](const AclSelector& selector) { return selector.MayRunEverything(); });
}

bool AclUser::MayAccess(std::string_view key, uint8_t permissions) const {
  return std::any_of(selectors_.begin(), selectors_.end(), [&](const AclSelector& selector) {
    return selector.MayAccess(key, permissions);
  });
}

bool AclUser::MayUseChannel(std::string_view channel, bool is_pattern) const {
  return std::any_of(selectors_.begin(), selectors_.end(), [&](const AclSelector& selector) {
    return selector.MayUseChannel(channel, is_pattern);
  });
}

bool AclUser::MayRunOverEveryKey(const Command& command, Args args, uint8_t permissions) const {
  AclRequest request(command, args);
  return std::any_of(selectors_.begin(), selectors_.end(), [&](const AclSelector& selector) {
    return selector.Check(request).allows() && selector.MayAccessEveryKey(permissions);
  });
}

bool AclUser::KeepsChannelsOf(const AclUser& other) const {
  const auto has_every = [](const AclSelector& selector) { return selector.MayUseEveryChannel(); };
  if (std::any_of(selectors_.begin(), selectors_.end(), has_every)) return true;
  if (std::any_of(other.selectors_.begin(), other.selectors_.end(), has_every)) return false;
  const auto has = [this](const std::string& channel) {
    return std::any_of(selectors_.begin(), selectors_.end(), [&](const AclSelector& selector) {
      const auto& channels = selector.channels();
      return std::find(channels.begin(), channels.end(), channel) != channels.end();
    });
  };
  return std::all_of(
      other.selectors_.begin(), other.selectors_.end(), [&](const AclSelector& selector) {
        return std::all_of(selector.channels().begin(), selector.channels().end(), has);
      });
}

std::string DeniedText(const AclVerdict& verdict, const AclUser& user, const Command& command,
                       Args args, AclDetail detail) {
  const std::string who = "User " + user.name() + " has no permissions to ";
  if (verdict.denied == Denied::kCommand) {
    return who + "run the '" + std::string(command.name) + "' command";
  }
  const std::string_view what = verdict.denied == Denied::kKey ? "key" : "channel";
  if (detail == AclDetail::kBrief) return "No permissions to access a " + std::string(what);
  return who + "access the '" + std::string(args[verdict.argument]) + "' " + std::string(what);
}

// ---- Descriptions ------------------------------------------------------------------------------

std::vector<std::string_view> AclUser::FlagNames() const {
  std::vector<std::string_view> names = {is_enabled_ ? "on" : "off"};
  if (needs_no_password_) names.push_back("nopass");
  names.push_back(sanitizes_payload_ ? "sanitize-payload" : "skip-sanitize-payload");
  return names;
}

std::string AclUser::Describe() const {
  std::string text;
  for (const std::string_view flag : FlagNames()) text.append(flag).append(" ");
  for (const std::string& hash : password_hashes_) text += "#" + hash + " ";
  text += selectors_[0].Describe();
  for (size_t i = 1; i < selectors_.size(); ++i) text += " (" + selectors_[i].Describe() + ")";
  return text;
}

}  // namespace terrace::server
