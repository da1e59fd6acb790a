#pragma once

// MonitorLine: a command as clients of MONITOR see it: when, which database, who, and every
// argument quoted. What AUTH and HELLO carry as credentials is not shown.
//
// Threads: a pure function.
// Units:   wall_us: microseconds since 1970.

#include <cstdint>
#include <string>
#include <string_view>

#include "commands/command.h"

namespace terrace::server {

// source: an address, "unix:<path>" or "lua".
std::string MonitorLine(const commands::Command& command, commands::Args args, int database,
                        std::string_view source, int64_t wall_us);

}  // namespace terrace::server
