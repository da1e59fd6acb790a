#pragma once

// Replies of the regional tier on their way to a client. The connection to it speaks RESP2, which
// every server understands; for a client of RESP3 they are translated to what the server itself
// would have said.
//
// What RESP2 loses is lost in the same way for each command: nulls of two kinds, scores as text,
// maps and sets as arrays. Nulls are translated wherever they stand; the rest by the command and
// its options. What a script returns is translated as to its nulls only.

#include <string_view>
#include <vector>

#include "commands/command.h"
#include "resp/reply.h"

namespace terrace::server {

// command: its name in lower case; args with the name. bytes: one complete, well-formed RESP2
// reply.
void WriteRelayed(std::string_view command, commands::Args args, std::string_view bytes,
                  resp::Reply& reply);

// The elements of a complete, well-formed RESP2 array, as complete replies.
std::vector<std::string_view> ElementsOf(std::string_view array);

}  // namespace terrace::server
