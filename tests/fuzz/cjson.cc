// Scripts give cjson what clients sent, and settings of their own. What it writes, it must read. An
// input is a byte of switches, a byte of limits, and JSON, or MessagePack that gives cjson tables
// which no JSON gives: with holes, with keys of every type.
//
// lua-cjson comes from a package, without instrumentation, so that libFuzzer sees nothing of it.
// What a text was read of and how it was refused are its coverage instead.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lua_library.h"
#include "scripting/script_libraries.h"

namespace {

using namespace std::literals;
using terrace::scripting::LuaLibrary;

constexpr std::string_view kCode = R"(
local input = ...
local switches, limit = input:byte(1, 2)
if not limit then return end
local function switch(n) return switches % (2 * n) >= n end
local json, rest = lib.json.new(), input:sub(3)
json.decode_invalid_numbers(switch(1))
json.encode_invalid_numbers(switch(2) and 'null' or switch(1) and switch(4))
json.encode_keep_buffer(switch(8))
json.encode_sparse_array(switch(16), limit % 4, limit % 8)
json.encode_number_precision(limit % 14 + 1)
json.encode_max_depth(limit + 1)
json.decode_max_depth(limit + 1)

local is_json = not switch(32)
local could_read, value = pcall(is_json and json.decode or lib.messagepack.unpack, rest)
if not could_read then return is_json and value or nil end
-- Not every table can be written: too deep, too sparse, a number that JSON lacks.
local written, text = pcall(json.encode, value)
if not written then return text end
local function write_again(text) return json.encode(json.decode(text)) end
local fine, again = pcall(write_again, text)
-- With fewer digits, the largest numbers are infinite.
assert(fine or again:find('must not be NaN or Inf', 1, true), again)
-- Only a table of another origin has keys that are the same in JSON, such as 1 and "1".
if fine and is_json then assert(#write_again(again) == #again, again) end
)";

void PushLibraries(lua_State* lua) {
  lua_newtable(lua);
  terrace::scripting::PushJsonLibrary(lua);
  lua_setfield(lua, -2, "json");
  terrace::scripting::PushMessagePackLibrary(lua);
  lua_setfield(lua, -2, "messagepack");
}

// libFuzzer takes what is counted here for coverage.
constexpr size_t kCounters = 4096;
[[gnu::section("__libfuzzer_extra_counters")]] uint8_t counters[kCounters];

// Characters that a reader of JSON tells apart, as small numbers.
size_t ClassOf(char c) {
  constexpr std::string_view kAlone = "\"\\/{}[]:,+-.0eEu\0\x7f"sv;
  if (const size_t at = kAlone.find(c); at != kAlone.npos) return at;
  const auto byte = static_cast<uint8_t>(c);
  const bool space = c == ' ' || (byte >= '\t' && byte <= '\r');
  const bool digit = c >= '1' && c <= '9';
  const bool control = byte < ' ';
  const bool beyond_ascii = byte >= 0x80;
  return kAlone.size() + (space ? 0 : digit ? 1 : control ? 2 : beyond_ascii ? 3 : 4);
}

// Counts which characters follow each other, and how deep.
void CountRead(std::string_view text) {
  size_t last = 0;
  size_t depth = 0;
  for (const char c : text) {
    last = (last << 5 | ClassOf(c)) & 0x3ff;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    ++counters[(last ^ std::min<size_t>(depth, 3) << 10) % kCounters];
  }
}

// An error ends in the character that it is about: "... at character 7".
void CountRefused(std::string_view text, std::string_view error) {
  constexpr std::string_view kAt = " at character ";
  const size_t at = error.rfind(kAt);
  if (at != error.npos) {
    size_t character = 0;
    std::from_chars(error.data() + at + kAt.size(), error.data() + error.size(), character);
    CountRead(text.substr(0, character));
  }
  ++counters[std::hash<std::string_view>()(error.substr(0, at)) % kCounters];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static LuaLibrary library(PushLibraries, kCode);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string error = library.Run(input);
  const std::string_view text = input.substr(std::min<size_t>(size, 2));
  if (error.empty()) {
    CountRead(text);
  } else {
    CountRefused(text, error);
  }
  return 0;
}
