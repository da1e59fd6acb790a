#include "server/acl_users.h"

#include <utility>

#include "base/check.h"

namespace terrace::server {

AclUsers::AclUsers(const commands::Registry* registry, std::atomic<uint64_t>* generation)
    : registry_(registry), generation_(generation) {
  users_.emplace(kDefaultName, MakeDefault());
}

AclUsers::User AclUsers::MakeDefault() const {
  AclUser user(std::string(kDefaultName), kDefaultId, registry_, channel_default_);
  for (const std::string_view rule : {"+@all", "allkeys", "allchannels", "on", "nopass"}) {
    TERRACE_CHECK(user.Apply(rule) == AclError::kNone);
  }
  return std::make_shared<const AclUser>(std::move(user));
}

void AclUsers::SetChannelDefault(AclSelector::ChannelDefault channels) {
  std::lock_guard lock(mutex_);
  channel_default_ = channels;
}

AclUsers::User AclUsers::Find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  return found != users_.end() ? found->second : nullptr;
}

std::vector<AclUsers::User> AclUsers::All() const {
  std::lock_guard lock(mutex_);
  std::vector<User> all;
  for (const auto& [name, user] : users_) all.push_back(user);
  return all;
}

AclUsers::Changed AclUsers::Set(std::string_view name, std::span<const std::string_view> rules) {
  std::lock_guard lock(mutex_);
  Changed changed;
  const auto found = users_.find(name);
  if (found != users_.end()) changed.before = found->second;
  AclUser user = changed.before != nullptr
                     ? *changed.before
                     : AclUser(std::string(name), last_id_ + 1, registry_, channel_default_);
  user.set_channel_default(channel_default_);
  changed.error = user.ApplyAll(rules);
  if (!changed.error.empty()) return changed;
  if (changed.before == nullptr) ++last_id_;
  PutLocked(std::move(user));
  changed.after = users_.find(name)->second;
  Publish();
  return changed;
}

void AclUsers::SetDefaultPassword(std::string_view password) {
  const std::string rule = password.empty() ? "nopass" : ">" + std::string(password);
  const std::string_view rules[] = {"resetpass", rule};
  TERRACE_CHECK(Set(kDefaultName, rules).error.empty());
}

bool AclUsers::Delete(std::string_view name) {
  TERRACE_CHECK(name != kDefaultName);
  std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) return false;
  users_.erase(found);
  Publish();
  return true;
}

// ---- From definitions --------------------------------------------------------------------------

AclUser AclUsers::Make(const Definition& definition, std::vector<Refused>* refused) const {
  std::lock_guard lock(mutex_);
  return MakeLocked(definition, 0, refused);
}

AclUser AclUsers::MakeLocked(const Definition& definition, uint64_t id,
                             std::vector<Refused>* refused) const {
  AclUser user(definition.name, id, registry_, channel_default_);
  for (const std::string& rule : definition.rules) {
    const AclError error = user.Apply(rule);
    if (error != AclError::kNone) refused->push_back({rule, error});
  }
  return user;
}

void AclUsers::Replace(std::span<const Definition> definitions) {
  std::lock_guard lock(mutex_);
  users_.clear();
  users_.emplace(kDefaultName, MakeDefault());
  AddLocked(definitions);
}

void AclUsers::Add(std::span<const Definition> definitions) {
  std::lock_guard lock(mutex_);
  AddLocked(definitions);
}

void AclUsers::AddLocked(std::span<const Definition> definitions) {
  for (const Definition& definition : definitions) {
    const uint64_t id = definition.name == kDefaultName ? kDefaultId : ++last_id_;
    std::vector<Refused> refused;
    AclUser user = MakeLocked(definition, id, &refused);
    TERRACE_CHECK(refused.empty());
    PutLocked(std::move(user));
  }
  Publish();
}

void AclUsers::PutLocked(AclUser user) {
  auto shared = std::make_shared<const AclUser>(std::move(user));
  users_.insert_or_assign(shared->name(), shared);
}

// What connections compare is the last that changes.
void AclUsers::Publish() {
  default_is_open_.store(users_.find(kDefaultName)->second->is_open(), std::memory_order_relaxed);
  generation_->fetch_add(1, std::memory_order_release);
}

}  // namespace terrace::server
