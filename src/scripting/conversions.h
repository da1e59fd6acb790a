#pragma once

// Conversions between RESP replies and Lua values, in both protocols, by the rules of Redis's
// scripting documentation.
//
// Errors: a Lua error is raised when Lua's stack cannot grow as deep as a reply is.

#include <lua.hpp>
#include <string_view>

#include "resp/reply.h"

namespace terrace::scripting {

// Pushes the value of one reply. REQUIRES: bytes are a whole reply as resp::Reply writes it.
void PushReply(lua_State* lua, std::string_view bytes);

// Pushes what redis.pcall answers for an error: a table whose err is the text with its code.
// text: "-CODE message", or a message without a code, which gets ERR.
void PushError(lua_State* lua, std::string_view text);
// Marks the error table on top as counted already: it came out of a command of the script.
void MarkCounted(lua_State* lua);

// Writes the value on top as a reply and pops it. protocol is the one that the script has chosen
// for itself: it says what booleans become. Calls no metamethod.
void WriteReply(lua_State* lua, int protocol, resp::Reply& reply);

// What a script's error table says.
struct ErrorInfo {
  std::string_view text;  // with its code; points into the table
  std::string_view source;
  std::string_view line;
  bool counted = false;  // in the statistics, by the command that failed
};
// Of the table at this index, which must stay on the stack while the result is used; pushes the
// strings behind the views.
ErrorInfo ReadError(lua_State* lua, int index);

// An error reply that statistics do not count again when it was counted where it happened.
void WriteError(resp::Reply& reply, std::string_view text, bool counted);

}  // namespace terrace::scripting
