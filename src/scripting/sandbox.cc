#include "scripting/sandbox.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace terrace::scripting {
namespace {

// In the metatable of a protected table, leads to the contents. Scripts cannot make such a key.
constexpr char kContentsKey = 0;

void PushContentsKey(lua_State* lua) {
  lua_pushlightuserdata(lua, const_cast<char*>(&kContentsKey));
}

// From within a C function: Lua adds no position to the errors of these.
int RaiseReadOnly(lua_State* lua) {
  lua_pushliteral(lua, "Attempt to modify a readonly table");
  return lua_error(lua);
}

int RefuseWrite(lua_State* lua) { return luaL_error(lua, "Attempt to modify a readonly table"); }

int RefuseMissing(lua_State* lua) {
  if (lua_gettop(lua) != 2) {
    return luaL_error(lua, "Wrong number of arguments to luaProtectedTableError");
  }
  if (lua_isstring(lua, -1) == 0) {
    return luaL_error(lua, "Second argument to luaProtectedTableError must be a string or number");
  }
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                    lua_tostring(lua, -1));
}

// Replaces a protected table among the arguments by its contents, for functions that only read it.
void ReadContents(lua_State* lua, int index) {
  if (PushContents(lua, index)) lua_replace(lua, index);
}

// ---- Basic functions that look behind metatables -----------------------------------------------

int Next(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 2);
  ReadContents(lua, 1);
  if (lua_next(lua, 1) != 0) return 2;
  lua_pushnil(lua);
  return 1;
}

int Pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_pushvalue(lua, lua_upvalueindex(1));  // next
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

int RawGet(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  lua_settop(lua, 2);
  ReadContents(lua, 1);
  lua_rawget(lua, 1);
  return 1;
}

int RawSet(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  luaL_checkany(lua, 3);
  lua_settop(lua, 3);
  if (PushContents(lua, 1)) return RaiseReadOnly(lua);
  lua_rawset(lua, 1);
  return 1;
}

int GetMetatable(lua_State* lua) {
  luaL_checkany(lua, 1);
  if (PushContents(lua, 1)) {
    if (lua_getmetatable(lua, -1) == 0) {
      lua_pushnil(lua);
    } else {
      Protect(lua);
    }
    return 1;
  }
  if (lua_getmetatable(lua, 1) == 0) {
    lua_pushnil(lua);
    return 1;
  }
  luaL_getmetafield(lua, 1, "__metatable");  // pushes nothing when there is none
  return 1;
}

int SetMetatable(lua_State* lua) {
  const int type = lua_type(lua, 2);
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_argcheck(lua, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
  if (PushContents(lua, 1)) return RaiseReadOnly(lua);
  if (luaL_getmetafield(lua, 1, "__metatable") != 0) {
    luaL_error(lua, "cannot change a protected metatable");
  }
  lua_settop(lua, 2);
  lua_setmetatable(lua, 1);
  return 1;
}

// Lua's own computes the count in an int, which can overflow.
int Unpack(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  const int first = luaL_optint(lua, 2, 1);
  const int last =
      lua_isnoneornil(lua, 3) ? static_cast<int>(lua_objlen(lua, 1)) : luaL_checkint(lua, 3);
  if (first > last) return 0;
  const int64_t count = int64_t{last} - first + 1;
  if (count >= std::numeric_limits<int>::max() ||
      lua_checkstack(lua, static_cast<int>(count)) == 0) {
    return luaL_error(lua, "too many results to unpack");
  }
  for (int64_t i = first; i <= last; ++i) lua_rawgeti(lua, 1, static_cast<int>(i));
  return static_cast<int>(count);
}

// An error that a table describes comes out as its text, as scripts knew it before it was a table.
int PCall(lua_State* lua) {
  luaL_checkany(lua, 1);
  lua_pushboolean(lua, 1);
  lua_insert(lua, 1);
  if (lua_pcall(lua, lua_gettop(lua) - 2, LUA_MULTRET, 0) == 0) return lua_gettop(lua);
  lua_pushboolean(lua, 0);
  lua_replace(lua, 1);
  if (lua_istable(lua, -1)) {
    lua_getfield(lua, -1, "err");
    if (lua_isstring(lua, -1) != 0) {
      lua_replace(lua, -2);
    } else {
      lua_pop(lua, 1);
    }
  }
  return 2;
}

// ---- Loading code ------------------------------------------------------------------------------

// Byte code is not checked by Lua and can do anything; only text is loaded. The collector rests
// meanwhile, since Lua's parser holds a string that it would free.
int LoadText(lua_State* lua, std::string_view code, const char* chunk_name) {
  int failed = 1;
  if (code.starts_with(LUA_SIGNATURE[0])) {
    lua_pushliteral(lua, "attempt to load a binary chunk");
  } else {
    lua_gc(lua, LUA_GCSTOP, 0);
    failed = luaL_loadbuffer(lua, code.data(), code.size(), chunk_name);
    lua_gc(lua, LUA_GCRESTART, 0);
  }
  if (failed == 0) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}

int LoadString(lua_State* lua) {
  size_t size;
  const char* code = luaL_checklstring(lua, 1, &size);
  return LoadText(lua, {code, size}, luaL_optstring(lua, 2, code));
}

int Load(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  const char* const chunk_name = luaL_optstring(lua, 2, "=(load)");
  std::string code;
  for (;;) {
    lua_pushvalue(lua, 1);
    lua_call(lua, 0, 1);
    if (lua_isnil(lua, -1)) break;
    if (lua_isstring(lua, -1) == 0) {
      lua_pushnil(lua);
      lua_pushliteral(lua, "reader function must return a string");
      return 2;
    }
    size_t size;
    const char* piece = lua_tolstring(lua, -1, &size);
    if (size == 0) break;
    code.append(piece, size);
    lua_pop(lua, 1);
  }
  return LoadText(lua, code, chunk_name);
}

// ---- Functions of the table library ------------------------------------------------------------

int CallOriginal(lua_State* lua) {
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_insert(lua, 1);
  lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
  return lua_gettop(lua);
}
int CallUnlessReadOnly(lua_State* lua) {
  if (PushContents(lua, 1)) return RaiseReadOnly(lua);
  return CallOriginal(lua);
}
int CallOnContents(lua_State* lua) {
  ReadContents(lua, 1);
  return CallOriginal(lua);
}

// Puts function around a field of the table on top.
void WrapField(lua_State* lua, const char* name, lua_CFunction function) {
  lua_getfield(lua, -1, name);
  lua_pushcclosure(lua, function, 1);
  lua_setfield(lua, -2, name);
}

void OpenLibrary(lua_State* lua, lua_CFunction open, const char* name) {
  lua_pushcfunction(lua, open);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 0);
}

// Of the operating system scripts see how much processor time has passed, as in Redis 7.4.
void OpenClock(lua_State* lua) {
  OpenLibrary(lua, luaopen_os, LUA_OSLIBNAME);
  lua_getfield(lua, LUA_GLOBALSINDEX, LUA_OSLIBNAME);
  lua_createtable(lua, 0, 1);
  lua_getfield(lua, -2, "clock");
  lua_setfield(lua, -2, "clock");
  lua_setfield(lua, LUA_GLOBALSINDEX, LUA_OSLIBNAME);
  lua_pop(lua, 1);
}

constexpr luaL_Reg kReplaced[] = {
    {"next", Next},
    {"rawget", RawGet},
    {"rawset", RawSet},
    {"getmetatable", GetMetatable},
    {"setmetatable", SetMetatable},
    {"unpack", Unpack},
    {"pcall", PCall},
    {"loadstring", LoadString},
    {"load", Load},
    {nullptr, nullptr},
};
constexpr const char* kRemoved[] = {"dofile", "loadfile", "print"};

// tostring without metamethods.
std::string TextOf(lua_State* lua, int index) {
  switch (lua_type(lua, index)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
      lua_pushvalue(lua, index);
      break;
    case LUA_TBOOLEAN:
      lua_pushstring(lua, lua_toboolean(lua, index) != 0 ? "true" : "false");
      break;
    case LUA_TNIL:
      lua_pushliteral(lua, "nil");
      break;
    default:
      lua_pushfstring(lua, "%s: %p", luaL_typename(lua, index), lua_topointer(lua, index));
  }
  size_t size;
  const char* text = lua_tolstring(lua, -1, &size);
  std::string copy(text, size);
  lua_pop(lua, 1);
  return copy;
}

}  // namespace

void OpenBaseLibraries(lua_State* lua) {
  OpenLibrary(lua, luaopen_base, "");
  OpenLibrary(lua, luaopen_table, LUA_TABLIBNAME);
  OpenLibrary(lua, luaopen_string, LUA_STRLIBNAME);
  OpenLibrary(lua, luaopen_math, LUA_MATHLIBNAME);
  OpenClock(lua);
  lua_pushvalue(lua, LUA_GLOBALSINDEX);
  luaL_register(lua, nullptr, kReplaced);
  lua_getfield(lua, -1, "next");
  lua_pushcclosure(lua, Pairs, 1);
  lua_setfield(lua, -2, "pairs");
  for (const char* name : kRemoved) {
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
  }
  lua_getfield(lua, -1, LUA_TABLIBNAME);
  for (const char* name : {"insert", "remove", "sort"}) WrapField(lua, name, CallUnlessReadOnly);
  for (const char* name : {"foreach", "foreachi", "maxn"}) WrapField(lua, name, CallOnContents);
  lua_pop(lua, 2);
}

void Protect(lua_State* lua) {
  lua_newtable(lua);
  lua_createtable(lua, 0, 3);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushcfunction(lua, RefuseWrite);
  lua_setfield(lua, -2, "__newindex");
  PushContentsKey(lua);
  lua_pushvalue(lua, -4);
  lua_rawset(lua, -3);
  lua_setmetatable(lua, -2);
  lua_remove(lua, -2);
}

void ProtectFields(lua_State* lua) {
  const int table = lua_gettop(lua);
  lua_pushnil(lua);
  while (lua_next(lua, table) != 0) {
    if (lua_istable(lua, -1) && lua_rawequal(lua, -1, table) == 0 && !PushContents(lua, -1)) {
      ProtectFields(lua);
      // Changing the value of a field that exists does not disturb the traversal.
      lua_pushvalue(lua, -2);
      lua_insert(lua, -2);
      lua_rawset(lua, table);
    }
    lua_settop(lua, table + 1);
  }
  Protect(lua);
}

bool PushContents(lua_State* lua, int index) {
  if (!lua_istable(lua, index) || lua_getmetatable(lua, index) == 0) return false;
  PushContentsKey(lua);
  lua_rawget(lua, -2);
  lua_remove(lua, -2);
  if (!lua_isnil(lua, -1)) return true;
  lua_pop(lua, 1);
  return false;
}

void RequireFields(lua_State* lua) {
  lua_createtable(lua, 0, 1);
  lua_pushcfunction(lua, RefuseMissing);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

void ProtectStrings(lua_State* lua) {
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  // What getmetatable shows: a protected table that leads to the protected functions.
  lua_createtable(lua, 0, 1);
  lua_getfield(lua, LUA_GLOBALSINDEX, LUA_STRLIBNAME);
  lua_setfield(lua, -2, "__index");
  Protect(lua);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);
}

int HandleError(lua_State* lua) {
  lua_settop(lua, 1);
  // The function that raised it, or its caller when that is one of ours.
  lua_Debug info;
  bool is_known = lua_getstack(lua, 1, &info) != 0 && lua_getinfo(lua, "Sl", &info) != 0;
  if (is_known && std::string_view(info.what) == "C") {
    is_known = lua_getstack(lua, 2, &info) != 0 && lua_getinfo(lua, "Sl", &info) != 0;
  }
  if (!lua_istable(lua, 1)) {
    const std::string text = "ERR " + TextOf(lua, 1);
    lua_createtable(lua, 0, 3);
    lua_pushlstring(lua, text.data(), text.size());
    lua_setfield(lua, -2, "err");
    lua_replace(lua, 1);
  }
  if (is_known && !PushContents(lua, 1)) {
    lua_pushliteral(lua, "source");
    lua_pushstring(lua, info.source);
    lua_rawset(lua, 1);
    lua_pushliteral(lua, "line");
    lua_pushinteger(lua, info.currentline);
    lua_rawset(lua, 1);
  }
  lua_settop(lua, 1);
  return 1;
}

}  // namespace terrace::scripting
