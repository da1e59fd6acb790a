#include <cstddef>
#include <initializer_list>

#include "scripting/json_bound.h"
#include "scripting/sandbox.h"
#include "scripting/script_libraries.h"

extern "C" int luaopen_cjson(lua_State* lua);

namespace terrace::scripting {
namespace {

// lua-cjson counts in an int, and doubles its buffer until a text fits.
constexpr size_t kEncodedMax = 1'000'000'000;
// No string of a client is longer.
constexpr size_t kDecodedMax = size_t{512} << 20;
// A module keeps its buffer for the next text, unless it has grown beyond this.
constexpr size_t kBufferKeptMax = 1 << 20;

// Calls the function that is the first upvalue. False: its error is on top.
bool Call(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  return lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0) == 0;
}

// Ends a function of Lua as the one that was called ended: with its results, or its error.
int Finish(lua_State* lua, bool fine) {
  if (fine) return lua_gettop(lua);
  // An error names the line that called it: that of the script, not this function.
  luaL_where(lua, 1);
  lua_insert(lua, -2);
  lua_concat(lua, 2);
  return lua_error(lua);
}

// The fourth upvalue is encode_keep_buffer, which answers what is set; switched off, it frees.
void FreeBuffer(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(4));
  lua_call(lua, 0, 1);
  const bool kept = lua_toboolean(lua, -1) != 0;
  lua_pop(lua, 1);
  if (!kept) return;
  for (const int keep : {0, 1}) {
    lua_pushvalue(lua, lua_upvalueindex(4));
    lua_pushboolean(lua, keep);
    lua_call(lua, 1, 0);
  }
}

// The second and the third upvalue are the functions of JsonSettings.
int Encode(lua_State* lua) {
  if (PushContents(lua, 1)) lua_replace(lua, 1);
  if (lua_gettop(lua) != 1) return Finish(lua, Call(lua));
  const JsonSettings settings{lua_upvalueindex(2), lua_upvalueindex(3)};
  const size_t bound = JsonBound(lua, settings, kEncodedMax);
  if (bound > kEncodedMax) {
    return luaL_error(lua, "Cannot serialise, text may exceed %d bytes",
                      static_cast<int>(kEncodedMax));
  }
  const bool fine = Call(lua);
  if (bound > kBufferKeptMax) FreeBuffer(lua);
  return Finish(lua, fine);
}

int Decode(lua_State* lua) {
  if (lua_type(lua, 1) == LUA_TSTRING && lua_objlen(lua, 1) > kDecodedMax) {
    return luaL_error(lua, "Cannot read JSON of more than %d bytes", static_cast<int>(kDecodedMax));
  }
  return Finish(lua, Call(lua));
}

// Replaces the functions of the module on top that read or write JSON by guarded ones.
void Guard(lua_State* lua) {
  lua_getfield(lua, -1, "encode");
  lua_getfield(lua, -2, "encode_max_depth");
  lua_getfield(lua, -3, "encode_sparse_array");
  lua_getfield(lua, -4, "encode_keep_buffer");
  lua_pushcclosure(lua, Encode, 4);
  lua_setfield(lua, -2, "encode");
  lua_getfield(lua, -1, "decode");
  lua_pushcclosure(lua, Decode, 1);
  lua_setfield(lua, -2, "decode");
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
