#pragma once

// What of a command's doings ACL cannot see when the regional tier runs it; see docs/acl.md.

#include <string>

#include "commands/command.h"

namespace terrace::server {

struct Connection;

// "" or the error for a command that its user may run, but not there. The regional tier knows none
// of our users, so what a command does beyond its arguments is refused to users with limits.
// REQUIRES: AclUser::Check has allowed the command.
[[nodiscard]] std::string WhyDeniedBelow(const Connection& connection,
                                         const commands::Command& command, commands::Args args);

}  // namespace terrace::server
