#include <bit>
#include <cstdint>
#include <limits>

#include "scripting/script_libraries.h"

namespace terrace::scripting {
namespace {

// The argument modulo 2^32, rounded to an integer first. Adding this number puts the integer part
// of a double into the low bits of its fraction, with the rounding of the processor.
uint32_t Bits(lua_State* lua, int index) {
  constexpr double kShift = 6755399441055744.0;  // 2^52 + 2^51
  const double shifted = lua_tonumber(lua, index) + kShift;
  const auto bits = static_cast<uint32_t>(std::bit_cast<uint64_t>(shifted));
  if (bits == 0 && lua_isnumber(lua, index) == 0) luaL_typerror(lua, index, "number");
  return bits;
}

int Return(lua_State* lua, uint32_t bits) {
  lua_pushnumber(lua, static_cast<lua_Number>(static_cast<int32_t>(bits)));
  return 1;
}

int ToBit(lua_State* lua) { return Return(lua, Bits(lua, 1)); }
int Not(lua_State* lua) { return Return(lua, ~Bits(lua, 1)); }
int Swap(lua_State* lua) { return Return(lua, __builtin_bswap32(Bits(lua, 1))); }

template <typename Operation>
int Fold(lua_State* lua, Operation operation) {
  uint32_t bits = Bits(lua, 1);
  // From the last one, which is then the one that an error names.
  for (int i = lua_gettop(lua); i > 1; --i) bits = operation(bits, Bits(lua, i));
  return Return(lua, bits);
}
int And(lua_State* lua) {
  return Fold(lua, [](uint32_t a, uint32_t b) { return a & b; });
}
int Or(lua_State* lua) {
  return Fold(lua, [](uint32_t a, uint32_t b) { return a | b; });
}
int Xor(lua_State* lua) {
  return Fold(lua, [](uint32_t a, uint32_t b) { return a ^ b; });
}

template <typename Operation>
int Shift(lua_State* lua, Operation operation) {
  const uint32_t bits = Bits(lua, 1);
  return Return(lua, operation(bits, static_cast<int>(Bits(lua, 2) & 31)));
}
int Left(lua_State* lua) {
  return Shift(lua, [](uint32_t bits, int count) { return bits << count; });
}
int Right(lua_State* lua) {
  return Shift(lua, [](uint32_t bits, int count) { return bits >> count; });
}
int ArithmeticRight(lua_State* lua) {
  return Shift(lua, [](uint32_t bits, int count) {
    return static_cast<uint32_t>(static_cast<int32_t>(bits) >> count);
  });
}
int RotateLeft(lua_State* lua) {
  return Shift(lua, [](uint32_t bits, int count) { return std::rotl(bits, count); });
}
int RotateRight(lua_State* lua) {
  return Shift(lua, [](uint32_t bits, int count) { return std::rotr(bits, count); });
}

// The last digits, as many as the second argument says; a negative number asks for upper case.
int ToHex(lua_State* lua) {
  uint32_t bits = Bits(lua, 1);
  int64_t count = lua_isnone(lua, 2) ? 8 : static_cast<int32_t>(Bits(lua, 2));
  const char* digits = "0123456789abcdef";
  if (count < 0) {
    digits = "0123456789ABCDEF";
    count = -count;
  }
  if (count > 8) count = 8;
  char text[8];
  for (int64_t i = count - 1; i >= 0; --i, bits >>= 4) text[i] = digits[bits & 15];
  lua_pushlstring(lua, text, static_cast<size_t>(count));
  return 1;
}

constexpr luaL_Reg kBitFunctions[] = {
    {"tobit", ToBit},    {"bnot", Not},        {"band", And},     {"bor", Or},
    {"bxor", Xor},       {"lshift", Left},     {"rshift", Right}, {"arshift", ArithmeticRight},
    {"rol", RotateLeft}, {"ror", RotateRight}, {"bswap", Swap},   {"tohex", ToHex},
    {nullptr, nullptr},
};

}  // namespace

void PushBitLibrary(lua_State* lua) {
  lua_newtable(lua);
  luaL_register(lua, nullptr, kBitFunctions);
}

}  // namespace terrace::scripting
