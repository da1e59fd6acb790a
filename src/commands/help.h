#pragma once

// ReplyHelp: the answer of every HELP subcommand.

#include <span>
#include <string_view>

#include "commands/call.h"

namespace terrace::commands {

// Answers a heading with the command's name, these lines, and the lines on HELP itself.
void ReplyHelp(Call& call, std::span<const std::string_view> lines);

}  // namespace terrace::commands
