#pragma once

// The table that scripts know as `redis`, and as `server`, the name it has in Valkey: call, pcall,
// log and the rest. Errors name the function as the script did.
//
// Errors: Lua errors; what a command answers is raised by redis.call and returned by redis.pcall.

#include <lua.hpp>

namespace terrace::scripting {

class Vm;

// Sets the tables that scripts and functions have, as fields of the table on top.
void SetCommandTables(lua_State* lua, const Vm& vm);
// Sets those that the code of a library has while it is loaded, protected.
void SetLibraryTables(lua_State* lua, const Vm& vm);

// math.random and math.randomseed, whose sequence depends on the seed alone.
int MathRandom(lua_State* lua);
int MathRandomSeed(lua_State* lua);

}  // namespace terrace::scripting
