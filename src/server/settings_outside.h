#pragma once

// What settings name outside themselves: files, and users with their rules.
//
// Errors: "" or what is wrong, a line each.

#include <string>

#include "server/acl_users.h"
#include "server/settings.h"

namespace terrace::server {

// Can the log be written, and the certificates of origins be read?
std::string CheckFiles(const Settings& settings);

// Adds the users of the settings, or takes those of the ACL file that they name.
std::string ReadUsers(const Settings& settings, AclUsers& users);

// Takes the users of the ACL file that the settings name, in place of those there are.
std::string ReadUsersOfFile(const Settings& settings, AclUsers& users);

// Would ReadUsers succeed?
std::string CheckUsers(const Settings& settings);

// The path of the ACL file.
std::string AclPathOf(const Settings& settings);

}  // namespace terrace::server
