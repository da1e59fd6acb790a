// Scripts give struct layouts and records that clients sent: a byte for the size of the layout, the
// layout, the record.

#include <cstddef>
#include <cstdint>

#include "lua_library.h"
#include "scripting/script_libraries.h"

namespace {

constexpr std::string_view kCode = R"(
local input = ...
local size = input:byte(1) or 0
local layout, data = input:sub(2, size + 1), input:sub(size + 2)
pcall(lib.size, layout)
pcall(lib.unpack, layout, data, size)
local values = {pcall(lib.unpack, layout, data)}
if values[1] and #values < 200 then pcall(lib.pack, layout, unpack(values, 2, #values - 1)) end
pcall(lib.pack, layout, data, size, -size, data, 1.5)
)";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace terrace::scripting;
  static LuaLibrary library(PushStructLibrary, kCode);
  library.Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
