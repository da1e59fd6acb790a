#pragma once

// Chunk: a compiled function of Lua 5.1 as data, read from what lua_dump writes: to be looked at,
// never to be loaded.
//
// Threads: pure functions.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::scripting {

struct Chunk {
  size_t upvalue_count = 0;
  bool takes_varargs = false;
  size_t register_count = 0;
  std::vector<uint32_t> code;
  std::vector<std::optional<std::string>> constants;  // the strings; nullopt for other types
  std::vector<Chunk> inner;                           // the functions within it
};

// False when dump is not what the Lua of this build writes.
[[nodiscard]] bool ReadChunk(std::string_view dump, Chunk* chunk);

}  // namespace terrace::scripting
