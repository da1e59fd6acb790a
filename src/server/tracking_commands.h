#pragma once

// The handlers of CLIENT's subcommands about tracking; their rows are in client_commands.cc.

#include "commands/call.h"

namespace terrace::server {

void ClientTracking(commands::Call& call);
void ClientTrackingInfo(commands::Call& call);
void ClientCaching(commands::Call& call);
void ClientGetRedirection(commands::Call& call);

}  // namespace terrace::server
