#include "scripting/library_builder.h"

#include <optional>
#include <string_view>
#include <utility>

#include "commands/registry.h"
#include "scripting/script_flags.h"

namespace terrace::scripting {
namespace {

// Numbers count as strings, as they do for Lua.
std::optional<std::string> StringArgument(lua_State* lua, int index) {
  if (lua_isstring(lua, index) == 0) return std::nullopt;
  size_t size;
  const char* text = lua_tolstring(lua, index, &size);
  return std::string(text, size);
}

// Reads the table of flags on top; false when one is unknown.
bool ReadFlags(lua_State* lua, uint32_t* flags) {
  for (int i = 1;; ++i) {
    lua_rawgeti(lua, -1, i);
    if (lua_isnil(lua, -1)) break;
    const auto name = StringArgument(lua, -1);
    lua_pop(lua, 1);
    const uint32_t flag = name ? FindFlag(*name, NameCase::kAny) : 0;
    if (flag == 0) return false;
    *flags |= flag;
  }
  lua_pop(lua, 1);
  return true;
}

// Reads one named argument, whose value is on top; "" or the error.
std::string ReadNamed(lua_State* lua, const std::string& self, std::string_view name,
                      LibraryBuilder::Function* function, bool* has_name) {
  if (commands::SameName(name, "function_name")) {
    const auto text = StringArgument(lua, -1);
    if (!text) return "function_name argument given to " + self + " must be a string";
    function->name = *text;
    *has_name = true;
    return "";
  }
  if (commands::SameName(name, "description")) {
    const auto text = StringArgument(lua, -1);
    if (!text) return "description argument given to " + self + " must be a string";
    function->description = *text;
    function->has_description = true;
    return "";
  }
  if (commands::SameName(name, "callback")) {
    if (!lua_isfunction(lua, -1)) {
      return "callback argument given to " + self + " must be a function";
    }
    luaL_unref(lua, LUA_REGISTRYINDEX, function->reference);
    lua_pushvalue(lua, -1);
    function->reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    return "";
  }
  if (commands::SameName(name, "flags")) {
    if (!lua_istable(lua, -1)) {
      return "flags argument to " + self +
             " must be a table representing function "
             "flags";
    }
    return ReadFlags(lua, &function->flags) ? "" : "unknown flag given";
  }
  return "unknown argument given to " + self;
}

std::string ReadTable(lua_State* lua, const std::string& self, LibraryBuilder::Function* function) {
  if (!lua_istable(lua, 1)) {
    return "calling " + self +
           " with a single argument is only applicable to Lua table "
           "(representing named arguments).";
  }
  bool has_name = false;
  lua_pushnil(lua);
  while (lua_next(lua, 1) != 0) {
    // A number is no name, and turning the key into a string would confuse the traversal.
    if (lua_type(lua, -2) != LUA_TSTRING) {
      return "named argument key given to " + self + " is not a string";
    }
    const int top = lua_gettop(lua);
    std::string error = ReadNamed(lua, self, lua_tostring(lua, -2), function, &has_name);
    if (!error.empty()) return error;
    lua_settop(lua, top - 1);
  }
  if (!has_name) return self + " must get a function name argument";
  if (function->reference == LUA_NOREF) {
    return self + " must get a callback argument";
  }
  return "";
}

std::string ReadPositions(lua_State* lua, const std::string& self,
                          LibraryBuilder::Function* function) {
  const auto name = StringArgument(lua, 1);
  if (!name) return "first argument to " + self + " must be a string";
  if (!lua_isfunction(lua, 2)) {
    return "second argument to " + self + " must be a function";
  }
  function->name = *name;
  lua_pushvalue(lua, 2);
  function->reference = luaL_ref(lua, LUA_REGISTRYINDEX);
  return "";
}

std::string Read(lua_State* lua, const std::string& self, LibraryBuilder::Function* function) {
  switch (lua_gettop(lua)) {
    case 1:
      return ReadTable(lua, self, function);
    case 2:
      return ReadPositions(lua, self, function);
    default:
      return "wrong number of arguments to " + self;
  }
}

}  // namespace

std::string LibraryBuilder::Register(lua_State* lua, std::string_view api) {
  LibraryBuilder::Function function;
  std::string error = Read(lua, std::string(api) + ".register_function", &function);
  if (error.empty() && !IsFunctionName(function.name)) {
    error =
        "Library names can only contain letters, numbers, or underscores(_) and must be at least "
        "one character long";
  }
  if (error.empty() && functions_.contains(function.name)) {
    error = "Function already exists in the library";
  }
  if (error.empty()) {
    std::string name = function.name;
    functions_.emplace(std::move(name), std::move(function));
  } else {
    luaL_unref(lua, LUA_REGISTRYINDEX, function.reference);
  }
  return error;
}

}  // namespace terrace::scripting
