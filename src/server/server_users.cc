// Server: the users as they are read and written.

#include <cstring>

#include "base/files.h"
#include "server/acl_file.h"
#include "server/server.h"
#include "server/settings_outside.h"

namespace terrace::server {

std::string Server::LoadUsers() {
  const std::string error = ReadUsers(settings(), users_);
  loaded_generation_ = users_.generation();
  for (const AclUsers::User& user : users_.All()) {
    if (!user->is_enabled()) log_.Notice("user_is_off", {{"name", user->name()}});
  }
  return error;
}

std::string Server::ReloadUsers() { return ReadUsersOfFile(settings(), users_); }

std::string Server::SaveUsers() const {
  const int error = base::ReplaceFile(AclPath(), AclText(users_.All()));
  return error == 0 ? "" : std::strerror(error);
}

std::string Server::AclPath() const { return AclPathOf(settings()); }

// CONFIG REWRITE keeps the users, too, where no ACL file does.
void Server::NoteUsers() {
  if (!settings_.aclfile.empty() || users_.generation() == loaded_generation_) return;
  settings_.user.clear();
  for (const AclUsers::User& user : users_.All()) {
    settings_.user.push_back(user->name() + " " + user->Describe());
  }
  config_.NoteChanged("user");
}

}  // namespace terrace::server
