#pragma once

// AclUsers: the users by name. There is always one named "default", whom connections are until they
// authenticate.
//
// Promises:  a user that was handed out never changes: a change puts another in its place, with the
//            same id, and increments the generation. Who asks for the generation first and for the
//            user then has seen every change up to that generation.
// Threads:   internally locked; its mutex is a leaf. The generation and default_is_open() are read
//            without a lock.
// See:       docs/acl.md

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl_user.h"

namespace terrace::server {

class AclUsers {
 public:
  using User = std::shared_ptr<const AclUser>;
  static constexpr std::string_view kDefaultName = "default";

  // generation: incremented by every change, never 0. The default user may do everything, without
  // a password.
  AclUsers(const commands::Registry* registry, std::atomic<uint64_t>* generation);

  uint64_t generation() const { return generation_->load(std::memory_order_acquire); }
  // May connections that have not authenticated run commands?
  bool default_is_open() const { return default_is_open_.load(std::memory_order_relaxed); }
  void SetChannelDefault(AclSelector::ChannelDefault channels);

  User Find(std::string_view name) const;  // null when there is none
  std::vector<User> All() const;           // by name

  // Makes the user if there is none and applies all rules, or changes nothing and says why.
  struct Changed {
    std::string error;  // without a code; empty: done
    User before;        // null: it was created
    User after;
  };
  Changed Set(std::string_view name, std::span<const std::string_view> rules);
  // Of the default user: this password and no other; "": none is needed.
  void SetDefaultPassword(std::string_view password);
  // False when there is none. REQUIRES: it is not the default one.
  bool Delete(std::string_view name);

  // For users that are read from a file or from the settings: each is made anew, so that it is
  // another than one of the same name before. The default user stays the same one, with the rights
  // that it has there, or else all.
  struct Definition {
    std::string name;
    std::vector<std::string> rules;  // selectors in one piece
  };
  // A user as the definition says, in no table; what cannot be applied is left out and reported.
  struct Refused {
    std::string rule;
    AclError error;
  };
  AclUser Make(const Definition& definition, std::vector<Refused>* refused) const;
  // Replaces all. REQUIRES: no two definitions have the same name; their rules can be applied.
  void Replace(std::span<const Definition> definitions);
  // Adds or replaces these. REQUIRES: as above.
  void Add(std::span<const Definition> definitions);

 private:
  using Table = std::map<std::string, User, std::less<>>;

  AclUser MakeLocked(const Definition& definition, uint64_t id,
                     std::vector<Refused>* refused) const;
  User MakeDefault() const;
  void AddLocked(std::span<const Definition> definitions);
  void PutLocked(AclUser user);
  void Publish();

  const commands::Registry* const registry_;
  std::atomic<uint64_t>* const generation_;
  std::atomic<bool> default_is_open_{true};
  mutable std::mutex mutex_;
  Table users_;  // guarded by mutex_, and all below
  uint64_t last_id_ = kDefaultId;
  AclSelector::ChannelDefault channel_default_ = AclSelector::ChannelDefault::kNone;

  static constexpr uint64_t kDefaultId = 1;
};

}  // namespace terrace::server
