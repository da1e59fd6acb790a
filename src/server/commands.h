#pragma once

// The command families of the server itself: connections, configuration, information. Their
// handlers reach the server through the session, which is always a Connection here.

#include <span>

#include "commands/call.h"
#include "commands/command.h"
#include "server/connection.h"
#include "server/core.h"

namespace terrace::server {

std::span<const commands::Command> ConnectionCommands();

std::span<const std::span<const commands::Command>> ServerFamilies();

Connection& ConnectionOf(commands::Call& call);
Core& CoreOf(commands::Call& call);

}  // namespace terrace::server
