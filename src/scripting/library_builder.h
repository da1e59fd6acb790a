#pragma once

// LibraryBuilder: gathers the functions that the code of a library registers while it is loaded.
//
// Ownership: the references to Lua functions that it holds belong to who takes functions().
// Threads:   confined to the state's worker.

#include <cstdint>
#include <lua.hpp>
#include <map>
#include <string>
#include <string_view>

namespace terrace::scripting {

class LibraryBuilder {
 public:
  struct Function {
    std::string name;
    std::string description;
    bool has_description = false;
    uint32_t flags = 0;
    int reference = LUA_NOREF;
  };

  // redis.register_function, in both of its forms; "" or the error, which names it as in `api`.
  std::string Register(lua_State* lua, std::string_view api);

  std::map<std::string, Function, std::less<>>& functions() { return functions_; }

 private:
  std::map<std::string, Function, std::less<>> functions_;
};

}  // namespace terrace::scripting
