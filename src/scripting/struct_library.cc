#include <algorithm>
#include <bit>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "scripting/script_libraries.h"

namespace terrace::scripting {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr int kIntegerBytesMax = 32;
constexpr size_t kAlignMax = alignof(double);

enum class Order : uint8_t { kLittle, kBig };

// Reads a format character by character and keeps what its control characters have set.
class Format {
 public:
  explicit Format(lua_State* lua) : lua_(lua), next_(luaL_checkstring(lua, 1)) {}

  struct Option {
    char kind;
    size_t bytes;    // 0: it depends on the value, or takes no room
    size_t padding;  // zero bytes in front
  };
  // False at the end. position: where in the record the option is.
  bool Next(size_t position, Option* option) {
    if (*next_ == '\0') return false;
    option->kind = *next_++;
    option->bytes = Bytes(option->kind);
    option->padding = Padding(position, *option);
    return true;
  }

  // Control characters are no options of values; anything else that gets here is an error.
  void Control(char kind) {
    switch (kind) {
      case ' ':
        return;
      case '>':
        order_ = Order::kBig;
        return;
      case '<':
        order_ = Order::kLittle;
        return;
      case '!': {
        const int align = Number(kAlignMax);
        if (align <= 0 || !std::has_single_bit(static_cast<unsigned>(align))) {
          luaL_error(lua_, "alignment %d is not a power of 2", align);
        }
        align_ = static_cast<size_t>(align);
        return;
      }
      default:
        luaL_argerror(lua_, 1, lua_pushfstring(lua_, "invalid format option '%c'", kind));
    }
  }

  Order order() const { return order_; }

 private:
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  int Number(int otherwise) {
    if (!IsDigit(*next_)) return otherwise;
    int64_t number = 0;
    do {
      number = number * 10 + (*next_++ - '0');
      if (number > std::numeric_limits<int>::max()) luaL_error(lua_, "integral size overflow");
    } while (IsDigit(*next_));
    return static_cast<int>(number);
  }

  size_t Bytes(char kind) {
    switch (kind) {
      case 'b':
      case 'B':
      case 'x':
        return 1;
      case 'h':
      case 'H':
        return sizeof(short);
      case 'l':
      case 'L':
        return sizeof(long);
      case 'T':
        return sizeof(size_t);
      case 'f':
        return sizeof(float);
      case 'd':
        return sizeof(double);
      case 'c':
        return static_cast<size_t>(Number(1));
      case 'i':
      case 'I': {
        const int bytes = Number(sizeof(int));
        if (bytes > kIntegerBytesMax) {
          luaL_error(lua_, "integral size %d is larger than limit of %d", bytes, kIntegerBytesMax);
        }
        return static_cast<size_t>(bytes);
      }
      default:
        return 0;
    }
  }

  size_t Padding(size_t position, const Option& option) const {
    if (option.bytes == 0 || option.kind == 'c') return 0;
    const size_t align = std::min(option.bytes, align_);
    return (align - (position & (align - 1))) & (align - 1);
  }

  lua_State* const lua_;
  const char* next_;
  Order order_ = Order::kLittle;
  size_t align_ = 1;
};

bool IsInteger(char kind) {
  return std::string_view("bBhHlLTiI").find(kind) != std::string_view::npos;
}

void AddZeros(luaL_Buffer* buffer, size_t count) {
  for (; count > 0; --count) luaL_addchar(buffer, '\0');
}

void AddInteger(lua_State* lua, luaL_Buffer* buffer, int argument, Order order, size_t bytes) {
  const lua_Number number = luaL_checknumber(lua, argument);
  // As the conversion of x86 does for what is out of range, and for NaN.
  constexpr uint64_t kIndefinite = uint64_t{1} << 63;
  uint64_t left;
  if (std::isnan(number)) {
    left = kIndefinite;
  } else if (number < 0) {
    left = number >= -9223372036854775808.0 ? static_cast<uint64_t>(static_cast<int64_t>(number))
                                            : kIndefinite;
  } else {
    left = number < 18446744073709551616.0 ? static_cast<uint64_t>(number) : 0;
  }
  char text[kIntegerBytesMax];
  for (size_t i = 0; i < bytes; ++i, left >>= 8) {
    text[order == Order::kLittle ? i : bytes - 1 - i] = static_cast<char>(left & 0xff);
  }
  luaL_addlstring(buffer, text, bytes);
}

template <typename Float>
void AddFloat(luaL_Buffer* buffer, Float number, Order order) {
  char text[sizeof(number)];
  std::memcpy(text, &number, sizeof(number));
  if (order == Order::kBig) std::reverse(text, text + sizeof(number));
  luaL_addlstring(buffer, text, sizeof(number));
}

int StructPack(lua_State* lua) {
  Format format(lua);
  int argument = 2;
  size_t position = 0;
  lua_pushnil(lua);  // between the arguments and the pieces of the buffer
  luaL_Buffer buffer;
  luaL_buffinit(lua, &buffer);
  Format::Option option;
  while (format.Next(position, &option)) {
    AddZeros(&buffer, option.padding);
    position += option.padding;
    if (IsInteger(option.kind)) {
      AddInteger(lua, &buffer, argument++, format.order(), option.bytes);
    } else if (option.kind == 'x') {
      luaL_addchar(&buffer, '\0');
    } else if (option.kind == 'f') {
      AddFloat(&buffer, static_cast<float>(luaL_checknumber(lua, argument++)), format.order());
    } else if (option.kind == 'd') {
      AddFloat(&buffer, luaL_checknumber(lua, argument++), format.order());
    } else if (option.kind == 'c' || option.kind == 's') {
      size_t size;
      const char* text = luaL_checklstring(lua, argument++, &size);
      if (option.bytes == 0) option.bytes = size;
      luaL_argcheck(lua, size >= option.bytes, argument, "string too short");
      luaL_addlstring(&buffer, text, option.bytes);
      if (option.kind == 's') {
        luaL_addchar(&buffer, '\0');
        ++option.bytes;
      }
    } else {
      format.Control(option.kind);
    }
    position += option.bytes;
  }
  luaL_pushresult(&buffer);
  return 1;
}

lua_Number ReadInteger(const char* data, size_t bytes, Order order, bool is_signed) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; ++i) {
    const char byte = data[order == Order::kBig ? i : bytes - 1 - i];
    value = value << 8 | static_cast<unsigned char>(byte);
  }
  if (!is_signed) return static_cast<lua_Number>(value);
  if (bytes > 0 && bytes < 8 && (value >> (8 * bytes - 1) & 1) != 0)
    value |= ~uint64_t{0} << (8 * bytes);
  return static_cast<lua_Number>(static_cast<int64_t>(value));
}

template <typename Float>
lua_Number ReadFloat(const char* data, Order order) {
  char text[sizeof(Float)];
  std::memcpy(text, data, sizeof(Float));
  if (order == Order::kBig) std::reverse(text, text + sizeof(Float));
  Float number;
  std::memcpy(&number, text, sizeof(Float));
  return number;
}

int StructUnpack(lua_State* lua) {
  Format format(lua);
  size_t size;
  const char* data = luaL_checklstring(lua, 2, &size);
  const lua_Integer first = luaL_optinteger(lua, 3, 1);
  luaL_argcheck(lua, first > 0, 3, "offset must be 1 or greater");
  auto position = static_cast<size_t>(first - 1);
  const auto need = [&](size_t bytes) {
    luaL_argcheck(lua, bytes <= size && position <= size - bytes, 2, "data string too short");
  };
  int count = 0;
  Format::Option option;
  while (format.Next(position, &option)) {
    position += option.padding;
    need(option.bytes);
    luaL_checkstack(lua, 2, "too many results");
    const char* const at = data + position;
    if (IsInteger(option.kind)) {
      const bool is_signed = std::islower(static_cast<unsigned char>(option.kind)) != 0;
      lua_pushnumber(lua, ReadInteger(at, option.bytes, format.order(), is_signed));
      ++count;
    } else if (option.kind == 'f') {
      lua_pushnumber(lua, ReadFloat<float>(at, format.order()));
      ++count;
    } else if (option.kind == 'd') {
      lua_pushnumber(lua, ReadFloat<double>(at, format.order()));
      ++count;
    } else if (option.kind == 'c') {
      if (option.bytes == 0) {
        // The number that was read just before is the size.
        if (count == 0 || lua_isnumber(lua, -1) == 0) {
          luaL_error(lua, "format 'c0' needs a previous size");
        }
        const lua_Number bytes = lua_tonumber(lua, -1);
        luaL_argcheck(lua, bytes > -1 && bytes <= static_cast<lua_Number>(size), 2,
                      "data string too short");
        option.bytes = static_cast<size_t>(bytes);
        lua_pop(lua, 1);
        --count;
        need(option.bytes);
      }
      lua_pushlstring(lua, at, option.bytes);
      ++count;
    } else if (option.kind == 's') {
      const void* const end = std::memchr(at, '\0', size - position);
      if (end == nullptr) luaL_error(lua, "unfinished string in data");
      const auto length = static_cast<size_t>(static_cast<const char*>(end) - at);
      lua_pushlstring(lua, at, length);
      option.bytes = length + 1;
      ++count;
    } else if (option.kind != 'x') {
      format.Control(option.kind);
    }
    position += option.bytes;
  }
  lua_pushnumber(lua, static_cast<lua_Number>(position + 1));
  return count + 1;
}

int Size(lua_State* lua) {
  Format format(lua);
  size_t position = 0;
  Format::Option option;
  while (format.Next(position, &option)) {
    position += option.padding;
    if (option.kind == 's') luaL_argerror(lua, 1, "option 's' has no fixed size");
    if (option.kind == 'c' && option.bytes == 0) {
      luaL_argerror(lua, 1, "option 'c0' has no fixed size");
    }
    if (std::isalnum(static_cast<unsigned char>(option.kind)) == 0) format.Control(option.kind);
    position += option.bytes;
  }
  lua_pushnumber(lua, static_cast<lua_Number>(position));
  return 1;
}

constexpr luaL_Reg kStructFunctions[] = {
    {"pack", StructPack}, {"unpack", StructUnpack}, {"size", Size}, {nullptr, nullptr}};

}  // namespace

void PushStructLibrary(lua_State* lua) {
  lua_newtable(lua);
  luaL_register(lua, nullptr, kStructFunctions);
}

}  // namespace terrace::scripting
