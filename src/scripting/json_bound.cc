#include "scripting/json_bound.h"

#include <algorithm>
#include <cmath>

namespace terrace::scripting {
namespace {

// A number has up to 14 digits, a sign, a point and an exponent.
constexpr size_t kNumberMax = 24;
// Each byte may become \u00XX.
constexpr size_t StringMax(size_t size) { return 6 * size + 2; }
// A hole of an array is a null and a comma.
constexpr size_t kHoleMax = 5;

class Bound {
 public:
  Bound(lua_State* lua, const JsonSettings& settings, size_t enough)
      : lua_(lua), settings_(settings), enough_(enough) {}

  size_t bytes() const { return bytes_; }

  // Adds the value on top and pops it.
  void Add(int depth) {
    if (const int type = lua_type(lua_, -1); type == LUA_TTABLE) {
      AddTable(depth + 1);
    } else {
      bytes_ += type == LUA_TSTRING ? StringMax(lua_objlen(lua_, -1)) : kNumberMax;
    }
    lua_pop(lua_, 1);
  }

 private:
  void AddTable(int depth) {
    if (depth > DepthMax()) return;
    luaL_checkstack(lua_, 4, "cjson: nested too deep");
    bytes_ += 2;
    Pairs pairs;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      if (bytes_ + pairs.key_bytes > enough_) return lua_pop(lua_, 2);
      Add(depth);
      ++bytes_;
      const double index = Index();
      pairs.is_array = pairs.is_array && index > 0;
      pairs.largest = std::max(pairs.largest, index);
      ++pairs.count;
      pairs.key_bytes += KeyMax();
    }
    bytes_ += pairs.is_array ? HolesMax(pairs) : pairs.key_bytes;
  }

  struct Pairs {
    double count = 0;
    size_t key_bytes = 0;
    // A table whose keys all are whole numbers from 1 on.
    bool is_array = true;
    double largest = 0;
  };

  // The key on top as an index of an array; zero if it is none.
  double Index() const {
    if (lua_type(lua_, -1) != LUA_TNUMBER) return 0;
    const double key = lua_tonumber(lua_, -1);
    return key >= 1 && key == std::floor(key) ? key : 0;
  }
  // The key on top, its quotes and its colon.
  size_t KeyMax() const {
    const bool is_string = lua_type(lua_, -1) == LUA_TSTRING;
    return 1 + (is_string ? StringMax(lua_objlen(lua_, -1)) : kNumberMax + 2);
  }

  // An array that is too sparse for the settings becomes an object, or is refused.
  size_t HolesMax(const Pairs& array) {
    const double holes = array.largest - array.count;
    if (holes == 0) return 0;
    lua_pushvalue(lua_, settings_.encode_sparse_array);
    lua_call(lua_, 0, 3);
    const double ratio = lua_tonumber(lua_, -2);
    const double safe = lua_tonumber(lua_, -1);
    lua_pop(lua_, 3);
    const bool too_sparse =
        ratio > 0 && array.largest > array.count * ratio && array.largest > safe;
    if (too_sparse) return array.key_bytes;
    return kHoleMax * static_cast<size_t>(std::min(holes, static_cast<double>(enough_)));
  }

  int DepthMax() {
    if (depth_max_ == 0) {
      lua_pushvalue(lua_, settings_.encode_max_depth);
      lua_call(lua_, 0, 1);
      depth_max_ = static_cast<int>(lua_tointeger(lua_, -1));
      lua_pop(lua_, 1);
    }
    return depth_max_;
  }

  lua_State* const lua_;
  const JsonSettings settings_;
  const size_t enough_;
  int depth_max_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

size_t JsonBound(lua_State* lua, const JsonSettings& settings, size_t enough) {
  luaL_checkstack(lua, 4, "cjson");
  Bound bound(lua, settings, enough);
  lua_pushvalue(lua, -1);
  bound.Add(0);
  return bound.bytes();
}

}  // namespace terrace::scripting
