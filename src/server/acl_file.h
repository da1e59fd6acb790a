#pragma once

// Users as lines of text: "user NAME RULE RULE ...", in the ACL file, and without the first word in
// the settings.
//
// Promises:  a text with any mistake in it gives no definitions at all; all mistakes are told.
// Errors:    texts for people, as ACL LOAD and the start of the server show them.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl_users.h"

namespace terrace::server {

struct AclDefinitions {
  std::vector<AclUsers::Definition> users;
  std::string errors;  // empty: none
};

// What stands in an ACL file. path: as errors name it.
AclDefinitions ReadAclText(std::string_view text, const std::string& path, const AclUsers& users);
// Reads the file; one that cannot be read is an error.
AclDefinitions ReadAclFile(const std::string& path, const AclUsers& users);
// Those of the settings: each "NAME RULE RULE ...".
AclDefinitions ReadAclSettings(std::span<const std::string> lines, const AclUsers& users);

std::string AclText(std::span<const AclUsers::User> users);
}  // namespace terrace::server
