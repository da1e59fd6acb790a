// Scripts give cjson what clients sent. What it writes, it must read, and write again as long.

#include <cstddef>
#include <cstdint>

#include "lua_library.h"
#include "scripting/script_libraries.h"

namespace {

constexpr std::string_view kCode = R"(
local input = ...
local fine, value = pcall(lib.decode, input)
if not fine then return end
-- Infinity and tables nested too deep can be read, but not written.
local written, text = pcall(lib.encode, value)
if not written then return end
assert(#lib.encode(lib.decode(text)) == #text)
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace terrace::scripting;
  static LuaLibrary library(PushJsonLibrary, kCode);
  library.Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
