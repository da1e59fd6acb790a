#pragma once

// Secrets: arguments that nobody is to see but the server: user names with their passwords, and
// what SETUSER and CONFIG SET make of them.
//
// Threads: a pure function.

#include <cstddef>
#include <string_view>

#include "commands/command.h"

namespace terrace::server {

// What MONITOR and the slow log show in its place.
inline constexpr std::string_view kRedacted = "(redacted)";

bool IsSecret(const commands::Command& command, commands::Args args, size_t at);

}  // namespace terrace::server
