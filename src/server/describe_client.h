#pragma once

// DescribeClient: a connection in the words of CLIENT LIST, without a line's end.
//
// Threads: any that may look at the connection's view.

#include <cstdint>
#include <string>

#include "commands/dialect.h"

namespace terrace::server {

struct Connection;

// Does it wait? Not any more once somebody has served it, though its own loop may not know yet.
bool IsBlocked(const Connection& connection);

std::string DescribeClient(const Connection& connection, int64_t now_ms, commands::Dialect dialect);

}  // namespace terrace::server
