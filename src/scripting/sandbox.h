#pragma once

// The sandbox of a Lua state: which of Lua's own functions scripts have, tables they may read but
// not change, and globals that must exist.
//
// Lua 5.1 has no read-only tables. A protected table is an empty one whose metatable leads reads to
// the contents and refuses writes; the basic functions that look behind metatables (rawset, next,
// setmetatable ...) are replaced by ones that know of it.

#include <lua.hpp>

namespace terrace::scripting {

// Opens the basic library, table, string, math and os.clock, without what reaches files, processes,
// byte code or the sandbox itself.
void OpenBaseLibraries(lua_State* lua);

// Replaces the table on top by its protected form. Contents may still be changed by who has them.
void Protect(lua_State* lua);
// Likewise, with every table in it and its string metatable's functions.
void ProtectFields(lua_State* lua);
// Pushes what is behind a protected table; pushes nothing and answers false for anything else.
bool PushContents(lua_State* lua, int index);

// Reading a field that the table on top does not have becomes an error.
void RequireFields(lua_State* lua);

// Gives the metatable that all strings share a protected form.
void ProtectStrings(lua_State* lua);

// For xpcall: turns what was raised into a table with err, source and line.
int HandleError(lua_State* lua);

}  // namespace terrace::scripting
