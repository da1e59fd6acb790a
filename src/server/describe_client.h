#pragma once

// DescribeClient: a connection in the words of CLIENT LIST, without a line's end.
//
// Threads: any that may look at the connection's view.

#include <cstdint>
#include <string>

namespace terrace::server {

struct Connection;

std::string DescribeClient(const Connection& connection, int64_t now_ms);

}  // namespace terrace::server
