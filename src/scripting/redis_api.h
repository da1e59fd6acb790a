#pragma once

// The table that scripts know as `redis`: call, pcall, log and the rest.
//
// Errors: Lua errors; what a command answers is raised by redis.call and returned by redis.pcall.

#include <lua.hpp>

namespace terrace::scripting {

class Vm;

// Pushes the table that scripts and functions have.
void PushRedisTable(lua_State* lua, const Vm& vm);
// Pushes the table that the code of a library has while it is loaded.
void PushLibraryTable(lua_State* lua, const Vm& vm);

// math.random and math.randomseed, whose sequence depends on the seed alone.
int MathRandom(lua_State* lua);
int MathRandomSeed(lua_State* lua);

}  // namespace terrace::scripting
