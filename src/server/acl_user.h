#pragma once

// AclUser: a user: whether it may authenticate and how, and its selectors.
//
// Promises:  the words of rules and the texts of errors and descriptions are Redis 7.2's. A user
//            that others can see is const: changes are made to a copy (AclUsers).
// Ownership: copyable values; the registry must outlive them.
// Threads:   none inside; one that is shared is const.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl_selector.h"

namespace terrace::server {

class AclUser {
 public:
  // A user without any rights. id: no other user ever has it.
  AclUser(std::string name, uint64_t id, const commands::Registry* registry,
          AclSelector::ChannelDefault channels);

  const std::string& name() const { return name_; }
  uint64_t id() const { return id_; }

  // What new selectors, and this one after "reset", may do with channels from now on.
  void set_channel_default(AclSelector::ChannelDefault channels) { channel_default_ = channels; }

  [[nodiscard]] AclError Apply(std::string_view rule);
  // Applies rules where those of one selector may be spread over several ("(+get", "~a)"): all of
  // them, or those before the first that cannot be. "" or the text of the error.
  [[nodiscard]] std::string ApplyAll(std::span<const std::string_view> rules);

  bool is_enabled() const { return is_enabled_; }
  bool needs_no_password() const { return needs_no_password_; }
  // May clients be this user without having authenticated? Asked of the default user.
  bool is_open() const { return is_enabled_ && needs_no_password_; }
  bool Accepts(std::string_view password) const;

  AclVerdict Check(const commands::Command& command, commands::Args args) const;
  bool MayRunEverything() const;
  bool MayAccess(std::string_view key, uint8_t permissions) const;
  bool MayUseChannel(std::string_view channel, bool is_pattern) const;
  // Does one selector allow the command and access to every key?
  bool MayRunOverEveryKey(const commands::Command& command, commands::Args args,
                          uint8_t permissions) const;
  // May it use every channel that another may (so that nobody must be disconnected)?
  bool KeepsChannelsOf(const AclUser& other) const;

  // Its rules, as ACL LIST shows them.
  std::string Describe() const;
  std::vector<std::string_view> FlagNames() const;
  const std::vector<std::string>& password_hashes() const { return password_hashes_; }
  // The first one is that of the user itself.
  const std::vector<AclSelector>& selectors() const { return selectors_; }

 private:
  AclError AddSelector(std::string_view rule);
  AclError ChangePasswords(std::string_view rule);
  void Reset();
  AclSelector NewSelector() const;

  const std::string name_;
  const uint64_t id_;
  const commands::Registry* registry_;
  AclSelector::ChannelDefault channel_default_;
  bool is_enabled_ = false;
  bool needs_no_password_ = false;
  // Payloads of RESTORE are checked in any case; the flag is shown.
  bool sanitizes_payload_ = true;
  std::vector<std::string> password_hashes_;
  std::vector<AclSelector> selectors_;
};

std::string_view TextOf(AclError error);

// What is said of a command that was denied, with the name of the key or channel where it may be
// told.
enum class AclDetail : uint8_t { kBrief, kFull };
std::string DeniedText(const AclVerdict& verdict, const AclUser& user,
                       const commands::Command& command, commands::Args args, AclDetail detail);

// Joins the rules of selectors that are spread over several; false when a parenthesis is not
// closed, with *unmatched the rule that opened it.
bool MergeSelectorRules(std::span<const std::string_view> rules, std::vector<std::string>* merged,
                        std::string* unmatched);

}  // namespace terrace::server
