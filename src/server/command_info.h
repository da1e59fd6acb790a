#pragma once

// COMMAND INFO: one row of the command table as it is told to clients.
//
// Threads: pure functions.

#include <string_view>

#include "commands/command.h"
#include "resp/reply.h"

namespace terrace::server {

// The ten parts of the description, with those of the subcommands.
void WriteCommandInfo(resp::Reply& reply, const commands::Command& command);

// Words between blanks as a set of simple strings.
void WriteWords(resp::Reply& reply, std::string_view words);

}  // namespace terrace::server
