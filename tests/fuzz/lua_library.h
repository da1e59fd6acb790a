#pragma once

// LuaLibrary: one of the libraries of scripts in a Lua state of its own, for fuzz targets that hand
// arbitrary bytes to it. Lua errors are answers; what must hold is asserted by the script itself.
//
// Threads: loop-confined.

#include <cstdio>
#include <lua.hpp>
#include <string>
#include <string_view>

#include "base/check.h"
#include "scripting/sandbox.h"

namespace terrace::scripting {

class LuaLibrary {
 public:
  // code: a script that finds the library in `lib` and the bytes in its first parameter. REQUIRES:
  // it compiles.
  LuaLibrary(void (*push)(lua_State*), std::string_view code) : lua_(luaL_newstate()) {
    OpenBaseLibraries(lua_);
    push(lua_);
    lua_setglobal(lua_, "lib");
    TERRACE_CHECK(luaL_loadbuffer(lua_, code.data(), code.size(), "=fuzz") == 0);
  }
  ~LuaLibrary() { lua_close(lua_); }
  LuaLibrary(const LuaLibrary&) = delete;
  LuaLibrary& operator=(const LuaLibrary&) = delete;

  // What the script returns, empty unless it is a string.
  std::string Run(std::string_view input) {
    lua_pushvalue(lua_, 1);
    lua_pushlstring(lua_, input.data(), input.size());
    const bool failed = lua_pcall(lua_, 1, 0, 0) != 0;
    if (failed) std::fprintf(stderr, "%s\n", lua_tostring(lua_, -1));
    TERRACE_CHECK(!failed);
    std::string result;
    if (lua_type(lua_, -1) == LUA_TSTRING) result = lua_tostring(lua_, -1);
    lua_settop(lua_, 1);
    lua_gc(lua_, LUA_GCCOLLECT, 0);
    return result;
  }

 private:
  lua_State* const lua_;
};

}  // namespace terrace::scripting
