#include <initializer_list>

#include "scripting/sandbox.h"
#include "scripting/script_libraries.h"

extern "C" int luaopen_cjson(lua_State* lua);

namespace terrace::scripting {
namespace {

// cjson counts bytes in an int and needs six for one at the worst, so that strings of hundreds of
// megabytes would make it write beyond its buffer. A state this small cannot hold such a string.
constexpr int kStateKilobytesMax = 256 * 1024;

// Calls the function that it closes over.
int Guarded(lua_State* lua) {
  if (lua_gc(lua, LUA_GCCOUNT, 0) > kStateKilobytesMax) {
    lua_gc(lua, LUA_GCCOLLECT, 0);
    if (lua_gc(lua, LUA_GCCOUNT, 0) > kStateKilobytesMax) {
      return luaL_error(lua, "cjson: the script holds too much memory");
    }
  }
  if (PushContents(lua, 1)) lua_replace(lua, 1);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  if (lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0) == 0) return lua_gettop(lua);
  // An error names the line that called it: that of the script, not this function.
  luaL_where(lua, 1);
  lua_insert(lua, -2);
  lua_concat(lua, 2);
  return lua_error(lua);
}

// Replaces the functions of the module on top that read or write JSON by guarded ones.
void Guard(lua_State* lua) {
  for (const char* name : {"encode", "decode"}) {
    lua_getfield(lua, -1, name);
    lua_pushcclosure(lua, Guarded, 1);
    lua_setfield(lua, -2, name);
  }
}

// cjson.new: a module with settings of its own.
int New(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_call(lua, 0, 1);
  Guard(lua);
  return 1;
}

}  // namespace

void PushJsonLibrary(lua_State* lua) {
  lua_pushcfunction(lua, luaopen_cjson);
  lua_call(lua, 0, 1);
  Guard(lua);
  lua_getfield(lua, -1, "new");
  lua_pushcclosure(lua, New, 1);
  lua_setfield(lua, -2, "new");
}

}  // namespace terrace::scripting
