#pragma once

// Replies of the regional tier on their way to a client. The connection to it speaks RESP2, which
// every server understands; for a client of RESP3 they are translated to what the server itself
// would have said.
//
// What RESP2 loses is lost in the same way for each command: nulls of two kinds, scores as text,
// maps and sets as arrays. Nulls are translated wherever they stand; the rest by the command's
// name, which only commands that write can need, since only they are relayed.

#include <string_view>

#include "resp/reply.h"

namespace terrace::server {

// command: its name in lower case; argument_count with the name. bytes: one complete, well-formed
// RESP2 reply.
void WriteRelayed(std::string_view command, size_t argument_count, std::string_view bytes,
                  resp::Reply& reply);

}  // namespace terrace::server
