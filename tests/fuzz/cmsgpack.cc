// Scripts give cmsgpack what clients sent. What it writes, it must read: all but
// keys that are tables nested too deep.

#include <cstddef>
#include <cstdint>

#include "lua_library.h"
#include "scripting/script_libraries.h"

namespace {

constexpr std::string_view kCode = R"(
local input = ...
pcall(lib.unpack_one, input)
pcall(lib.unpack_limit, input, 2, #input % 3)
local values = {pcall(lib.unpack, input)}
if not values[1] or #values < 2 then return end
local packed = lib.pack(unpack(values, 2, #values))
-- A table too deep is written as nil, which is no key.
local again = {pcall(lib.unpack, packed)}
assert(again[1] or again[2] == 'table index is nil', again[2])
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace terrace::scripting;
  static LuaLibrary library(PushMessagePackLibrary, kCode);
  library.Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
