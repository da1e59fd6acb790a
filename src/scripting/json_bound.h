#pragma once

// How much text lua-cjson can make of a value, before it makes any.
//
// lua-cjson counts the bytes of its buffer in an int, and grows it without end when that overflows.
// A few lines of Lua ask for as much: a table that contains another twice, which contains another
// twice, and so on, or one with a single, very large index once sparse arrays are allowed.
//
// Threads: those of the Lua state. Errors: Lua errors for want of Lua's stack.

#include <cstddef>
#include <lua.hpp>

namespace terrace::scripting {

// The settings of one cjson module: where its functions are on the stack. Called without parameters
// they answer what is set.
struct JsonSettings {
  int encode_max_depth;
  int encode_sparse_array;
};

// At least the bytes that encode() of the value on top would write; counting ends beyond `enough`.
// Of what encode() refuses, any number.
size_t JsonBound(lua_State* lua, const JsonSettings& settings, size_t enough);

}  // namespace terrace::scripting
