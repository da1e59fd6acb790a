#pragma once

// AclSelector: one set of rights of a user: which commands, which keys, which channels. A user's
// command may run when one of its selectors allows all of it.
//
// Promises:  the words of rules, the order in which they take effect, and the texts that describe
//            them are Redis 7.2's.
// Ownership: copyable values; the registry must outlive them.
// Threads:   none inside; one that is shared is const.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "commands/command.h"
#include "commands/registry.h"

namespace terrace::server {

// Why a rule could not be applied.
enum class AclError : uint8_t {
  kNone,
  kSyntax,
  kUnknownCommand,  // or category
  kAfterAllKeys,
  kAfterAllChannels,
  kFirstArgumentOfSubcommand,
  kUnknownPassword,
  kBadHash,
};

// Whether a command may run, and if not, for what.
struct AclVerdict {
  enum class Denied : uint8_t { kNothing, kCommand, kKey, kChannel };  // later ones are worse
  Denied denied = Denied::kNothing;
  size_t argument = 0;  // of the key or channel

  bool allows() const { return denied == Denied::kNothing; }
};

// A command line and where the keys in it are, which is found when it is first asked for.
class AclRequest {
 public:
  AclRequest(const commands::Command& the_command, commands::Args the_args)
      : command(the_command), args(the_args) {}
  const std::vector<int>& key_positions();

  const commands::Command& command;
  const commands::Args args;

 private:
  bool has_positions_ = false;
  std::vector<int> positions_;
};

class AclSelector {
 public:
  enum class ChannelDefault : uint8_t { kNone, kAll };

  AclSelector(const commands::Registry* registry, ChannelDefault channels);

  [[nodiscard]] AclError Apply(std::string_view rule);

  AclVerdict Check(AclRequest& request) const;
  bool MayRunEverything() const { return all_commands_ && all_keys_ && all_channels_; }
  bool MayAccess(std::string_view key, uint8_t permissions) const;
  bool MayAccessEveryKey(uint8_t permissions) const;
  bool MayUseChannel(std::string_view channel, bool is_pattern) const;
  bool MayUseEveryChannel() const { return all_channels_; }
  const std::vector<std::string>& channels() const { return channels_; }

  // As rules that would make an equal one: all of it, or a part.
  std::string Describe() const;
  std::string DescribeCommands() const;
  std::string DescribeKeys() const;
  std::string DescribeChannels() const;

 private:
  struct KeyPattern {
    std::string pattern;
    uint8_t permissions;
  };

  void AllowEverything(bool allow);
  AclError AddKeyPattern(std::string_view rule);
  AclError AddChannel(std::string_view rule);
  AclError AllowCommand(std::string_view name);
  AclError AllowArgument(std::string_view name, size_t bar);
  AclError DenyCommand(std::string_view name);
  AclError ChangeCategory(std::string_view category, bool allow);
  void Change(const commands::Command& command, bool allow);
  void Remember(std::string_view rule, bool allow);
  AclVerdict CheckCommand(const AclRequest& request) const;

  const commands::Registry* registry_;
  bool all_commands_ = false;  // and those to come
  bool all_keys_ = false;
  bool all_channels_ = false;
  bool begins_with_all_ = false;  // command_rules_ take away from all commands
  std::vector<bool> allowed_;     // by Command::id
  // Of commands that are not allowed otherwise, by Command::id.
  std::map<int, std::vector<std::string>> first_arguments_;
  std::vector<KeyPattern> key_patterns_;
  std::vector<std::string> channels_;
  std::vector<std::string> command_rules_;  // "+get", "-@set", in the order of their effect
};

// Does the text hold a blank or a zero byte? Names and patterns may not.
bool AclHasBlanks(std::string_view text);

}  // namespace terrace::server
