#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "scripting/script_libraries.h"

namespace terrace::scripting {
namespace {

// Tables deeper than this are written as nil, which also ends tables that contain themselves.
constexpr int kPackedDepthMax = 16;
// No string of a client is longer. A table that holds another twice, which holds another twice, and
// so on, would be packed without end.
constexpr size_t kPackedMax = size_t{512} << 20;

// First bytes of values, see the MessagePack specification.
enum Tag : uint8_t {
  kFixMap = 0x80,
  kFixArray = 0x90,
  kFixString = 0xa0,
  kNil = 0xc0,
  kFalse = 0xc2,
  kTrue = 0xc3,
  kFloat32 = 0xca,
  kFloat64 = 0xcb,
  kUint8 = 0xcc,
  kUint16 = 0xcd,
  kUint32 = 0xce,
  kUint64 = 0xcf,
  kInt8 = 0xd0,
  kInt16 = 0xd1,
  kInt32 = 0xd2,
  kInt64 = 0xd3,
  kString8 = 0xd9,
  kString16 = 0xda,
  kString32 = 0xdb,
  kArray16 = 0xdc,
  kArray32 = 0xdd,
  kMap16 = 0xde,
  kMap32 = 0xdf,
};

// ---- Packing -----------------------------------------------------------------------------------

class Packer {
 public:
  explicit Packer(lua_State* lua) : lua_(lua) {}

  // Writes the value on top and pops it.
  void Pack(int depth) {
    if (out_.size() > kPackedMax) luaL_error(lua_, "cmsgpack.pack: more than 512 MB");
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING:
        PackString();
        break;
      case LUA_TBOOLEAN:
        Byte(lua_toboolean(lua_, -1) != 0 ? kTrue : kFalse);
        break;
      case LUA_TNUMBER:
        PackNumber(lua_tonumber(lua_, -1));
        break;
      case LUA_TTABLE:
        if (depth < kPackedDepthMax) {
          PackTable(depth);
          break;
        }
        [[fallthrough]];
      default:
        Byte(kNil);
    }
    lua_pop(lua_, 1);
  }

  const std::string& out() const { return out_; }

 private:
  void Byte(uint64_t byte) { out_.push_back(static_cast<char>(byte)); }
  // A tag and the low bytes of a number, the highest first.
  void Tagged(Tag tag, uint64_t number, int bytes) {
    Byte(tag);
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) Byte(number >> shift);
  }

  void PackString() {
    size_t size;
    const char* text = lua_tolstring(lua_, -1, &size);
    if (size < 32) {
      Byte(kFixString | size);
    } else if (size <= 0xff) {
      Tagged(kString8, size, 1);
    } else if (size <= 0xffff) {
      Tagged(kString16, size, 2);
    } else {
      Tagged(kString32, size, 4);
    }
    out_.append(text, size);
  }

  void PackNumber(lua_Number number) {
    // Only what an integer holds exactly is one.
    if (number >= -9223372036854775808.0 && number < 9223372036854775808.0 &&
        number == std::trunc(number)) {
      return PackInteger(static_cast<int64_t>(number));
    }
    const auto narrow = static_cast<float>(number);
    if (static_cast<lua_Number>(narrow) == number) {
      return Tagged(kFloat32, std::bit_cast<uint32_t>(narrow), 4);
    }
    Tagged(kFloat64, std::bit_cast<uint64_t>(number), 8);
  }
  void PackInteger(int64_t value) {
    const auto bits = static_cast<uint64_t>(value);
    if (value >= -32 && value <= 127) return Byte(bits);
    if (value >= 0) {
      if (value <= 0xff) return Tagged(kUint8, bits, 1);
      if (value <= 0xffff) return Tagged(kUint16, bits, 2);
      if (value <= 0xffffffff) return Tagged(kUint32, bits, 4);
      return Tagged(kUint64, bits, 8);
    }
    if (value >= std::numeric_limits<int8_t>::min()) return Tagged(kInt8, bits, 1);
    if (value >= std::numeric_limits<int16_t>::min()) return Tagged(kInt16, bits, 2);
    if (value >= std::numeric_limits<int32_t>::min()) return Tagged(kInt32, bits, 4);
    Tagged(kInt64, bits, 8);
  }

  void Count(Tag fix, Tag tag16, Tag tag32, size_t count) {
    if (count < 16) return Byte(fix | count);
    if (count <= 0xffff) return Tagged(tag16, count, 2);
    Tagged(tag32, count, 4);
  }
  void PackTable(int depth) {
    luaL_checkstack(lua_, 4, "in function cmsgpack.pack");
    const Shape shape = ShapeOfTable();
    if (shape.is_array) {
      Count(kFixArray, kArray16, kArray32, shape.count);
      for (size_t i = 1; i <= shape.count; ++i) {
        lua_rawgeti(lua_, -1, static_cast<int>(i));
        Pack(depth + 1);
      }
      return;
    }
    Count(kFixMap, kMap16, kMap32, shape.count);
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pushvalue(lua_, -2);
      Pack(depth + 1);
      Pack(depth + 1);
    }
  }

  // A table whose keys are 1 to their count, without a hole, is an array; also an empty one.
  struct Shape {
    bool is_array = true;
    size_t count = 0;
  };
  Shape ShapeOfTable() {
    Shape shape;
    lua_Number largest = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      lua_pop(lua_, 1);
      ++shape.count;
      if (lua_type(lua_, -1) != LUA_TNUMBER) {
        shape.is_array = false;
        continue;
      }
      const lua_Number key = lua_tonumber(lua_, -1);
      if (!(key >= 1 && key <= std::numeric_limits<int>::max()) || key != std::trunc(key)) {
        shape.is_array = false;
      }
      largest = std::fmax(largest, key);
    }
    shape.is_array = shape.is_array && largest == static_cast<lua_Number>(shape.count);
    return shape;
  }

  lua_State* const lua_;
  std::string out_;
};

int MsgpackPack(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count == 0) return luaL_argerror(lua, 0, "MessagePack pack needs input.");
  luaL_checkstack(lua, 2, "in function cmsgpack.pack");
  Packer packer(lua);
  for (int i = 1; i <= count; ++i) {
    lua_pushvalue(lua, i);
    packer.Pack(0);
  }
  lua_pushlstring(lua, packer.out().data(), packer.out().size());
  return 1;
}

// ---- Unpacking ---------------------------------------------------------------------------------

class Unpacker {
 public:
  Unpacker(lua_State* lua, std::string_view input) : lua_(lua), rest_(input) {}

  std::string_view rest() const { return rest_; }

  // Pushes the next value. Nested ones are bounded by Lua's stack.
  void Push() {
    luaL_checkstack(lua_, 3,
                    "too many return values at once; use unpack_one or unpack_limit instead.");
    const auto tag = static_cast<uint8_t>(Take(1)[0]);
    if (tag < kFixMap) return lua_pushnumber(lua_, tag);
    if (tag >= 0xe0) return lua_pushnumber(lua_, static_cast<int8_t>(tag));
    if (tag < kFixArray) return PushMap(tag & 0xf);
    if (tag < kFixString) return PushArray(tag & 0xf);
    if (tag < kNil) return PushString(tag & 0x1f);
    PushTagged(tag);
  }

 private:
  std::string_view Take(size_t bytes) {
    if (rest_.size() < bytes) luaL_error(lua_, "Missing bytes in input.");
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  uint64_t Number(size_t bytes) {
    uint64_t number = 0;
    for (const char byte : Take(bytes)) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
  }
  template <typename Signed>
  void PushSigned() {
    lua_pushnumber(lua_, static_cast<lua_Number>(static_cast<Signed>(Number(sizeof(Signed)))));
  }

  void PushTagged(uint8_t tag) {
    switch (tag) {
      case kNil:
        return lua_pushnil(lua_);
      case kFalse:
      case kTrue:
        return lua_pushboolean(lua_, tag == kTrue);
      case kFloat32:
        return lua_pushnumber(lua_, std::bit_cast<float>(static_cast<uint32_t>(Number(4))));
      case kFloat64:
        return lua_pushnumber(lua_, std::bit_cast<double>(Number(8)));
      case kUint8:
      case kUint16:
      case kUint32:
        return lua_pushnumber(lua_, static_cast<lua_Number>(Number(size_t{1} << (tag - kUint8))));
      case kUint64:
        return PushUint64();
      case kInt8:
        return PushSigned<int8_t>();
      case kInt16:
        return PushSigned<int16_t>();
      case kInt32:
        return PushSigned<int32_t>();
      case kInt64:
        return PushSigned<int64_t>();
      case kString8:
      case kString16:
      case kString32:
        return PushString(Number(size_t{1} << (tag - kString8)));
      case kArray16:
      case kArray32:
        return PushArray(Number(tag == kArray16 ? 2 : 4));
      case kMap16:
      case kMap32:
        return PushMap(Number(tag == kMap16 ? 2 : 4));
      default:
        luaL_error(lua_, "Bad data format in input.");
    }
  }
  void PushUint64() {
    // Redis's library reads these as signed, and what was packed by it is to read the same here.
    PushSigned<int64_t>();
  }
  void PushString(size_t size) {
    const std::string_view text = Take(size);
    lua_pushlstring(lua_, text.data(), text.size());
  }
  void PushArray(size_t count) {
    lua_newtable(lua_);
    for (size_t i = 1; i <= count; ++i) {
      Push();
      lua_rawseti(lua_, -2, static_cast<int>(i));
    }
  }
  void PushMap(size_t count) {
    lua_newtable(lua_);
    for (size_t i = 0; i < count; ++i) {
      Push();
      Push();
      lua_rawset(lua_, -3);
    }
  }

  lua_State* const lua_;
  std::string_view rest_;
};

enum class Mode : uint8_t { kAll, kSome };

// Pushes up to limit values from offset on. kSome puts in front of them where the next begins, or
// -1 when there is none.
int UnpackFrom(lua_State* lua, Mode mode, lua_Integer limit, lua_Integer offset) {
  size_t size;
  const char* text = luaL_checklstring(lua, 1, &size);
  if (offset < 0 || limit < 0) {
    return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  if (static_cast<size_t>(offset) > size) {
    return luaL_error(lua, "Start offset %d greater than input length %d.",
                      static_cast<int>(offset), static_cast<int>(size));
  }
  lua_settop(lua, 1);
  Unpacker unpacker(lua, std::string_view(text, size).substr(static_cast<size_t>(offset)));
  int count = 0;
  for (; !unpacker.rest().empty() && count < limit; ++count) unpacker.Push();
  if (mode == Mode::kAll) return count;
  luaL_checkstack(lua, 1, "in function cmsgpack.unpack");
  const size_t left = unpacker.rest().size();
  lua_pushinteger(lua, left == 0 ? -1 : static_cast<lua_Integer>(size - left));
  lua_insert(lua, 2);
  return count + 1;
}

int MsgpackUnpack(lua_State* lua) {
  return UnpackFrom(lua, Mode::kAll, std::numeric_limits<int>::max(), 0);
}
int UnpackOne(lua_State* lua) {
  return UnpackFrom(lua, Mode::kSome, 1, luaL_optinteger(lua, 2, 0));
}
int UnpackLimit(lua_State* lua) {
  const lua_Integer limit = luaL_checkinteger(lua, 2);
  const lua_Integer offset = luaL_optinteger(lua, 3, 0);
  // Neither a limit nor an offset asks for everything.
  if (limit == 0 && offset == 0) return MsgpackUnpack(lua);
  return UnpackFrom(lua, Mode::kSome, limit, offset);
}

constexpr luaL_Reg kMsgpackFunctions[] = {{"pack", MsgpackPack},
                                          {"unpack", MsgpackUnpack},
                                          {"unpack_one", UnpackOne},
                                          {"unpack_limit", UnpackLimit},
                                          {nullptr, nullptr}};

}  // namespace

void PushMessagePackLibrary(lua_State* lua) {
  lua_newtable(lua);
  luaL_register(lua, nullptr, kMsgpackFunctions);
  lua_pushliteral(lua, "cmsgpack");
  lua_setfield(lua, -2, "_NAME");
}

}  // namespace terrace::scripting
