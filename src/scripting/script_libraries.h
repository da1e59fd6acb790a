#pragma once

// The libraries that scripts have beside Lua's own, with the names, formats and error texts of
// Redis's: bit, struct, cmsgpack, cjson. Each function leaves the library's table on the stack.
//
// Errors: Lua errors.

#include <lua.hpp>

namespace terrace::scripting {

// Operations on 32-bit integers, as LuaBitOp defines them.
void PushBitLibrary(lua_State* lua);
// pack, unpack and size of binary records, as Lua's struct 0.2 defines them.
void PushStructLibrary(lua_State* lua);
// MessagePack.
void PushMessagePackLibrary(lua_State* lua);
// JSON, by lua-cjson.
void PushJsonLibrary(lua_State* lua);

}  // namespace terrace::scripting
