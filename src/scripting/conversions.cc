#include "scripting/conversions.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "base/check.h"
#include "base/numbers.h"

namespace terrace::scripting {
namespace {

constexpr const char* kTooDeep = "reached lua stack limit";
constexpr const char* kCountedField = "ignore_error_stats_update";

void PushString(lua_State* lua, std::string_view text) {
  lua_pushlstring(lua, text.data(), text.size());
}

// Wraps the value on top into a table of one field.
void Wrap(lua_State* lua, const char* field) {
  lua_createtable(lua, 0, 1);
  lua_insert(lua, -2);
  lua_setfield(lua, -2, field);
}

// ---- Replies to values -------------------------------------------------------------------------

// The replies are our own, so they are well formed; depth is bounded by Lua's stack.
class ReplyReader {
 public:
  ReplyReader(lua_State* lua, std::string_view bytes) : lua_(lua), rest_(bytes) {}

  void Push() {
    luaL_checkstack(lua_, 6, kTooDeep);
    const char kind = rest_[0];
    const std::string_view line = Line();
    switch (kind) {
      case '+':
        PushString(lua_, line);
        return Wrap(lua_, "ok");
      case '-':
        PushError(lua_, "-" + std::string(line));
        return MarkCounted(lua_);
      case ':':
        return lua_pushnumber(lua_, static_cast<lua_Number>(Integer(line)));
      case '$':
        return line[0] == '-' ? lua_pushboolean(lua_, 0) : PushString(lua_, Bytes(line));
      case '*':
        return PushArray(line);
      case '_':
        return lua_pushnil(lua_);
      case '#':
        return lua_pushboolean(lua_, line == "t");
      case ',':
        lua_pushnumber(lua_, Double(line));
        return Wrap(lua_, "double");
      case '(':
        PushString(lua_, line);
        return Wrap(lua_, "big_number");
      case '=':
        return PushVerbatim(Bytes(line));
      case '%':
        return PushMap(Integer(line));
      case '~':
        return PushSet(Integer(line));
      case '|':
        for (int64_t left = 2 * Integer(line); left > 0; --left) {
          Push();
          lua_pop(lua_, 1);
        }
        return Push();
      default:
        TERRACE_CHECK(kind == '>');
        return PushArray(line);
    }
  }

 private:
  std::string_view Line() {
    const size_t end = rest_.find('\r');
    const std::string_view line = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 2);
    return line;
  }
  std::string_view Bytes(std::string_view line) {
    const auto size = static_cast<size_t>(Integer(line));
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size + 2);
    return bytes;
  }
  static int64_t Integer(std::string_view line) {
    int64_t value = 0;
    std::from_chars(line.data(), line.data() + line.size(), value);
    return value;
  }
  static double Double(std::string_view line) {
    const auto value = base::ParseDouble(line);
    return value ? *value : std::numeric_limits<double>::quiet_NaN();
  }

  void PushArray(std::string_view line) {
    if (line[0] == '-') return lua_pushboolean(lua_, 0);
    const int64_t count = Integer(line);
    lua_createtable(lua_, static_cast<int>(count), 0);
    for (int i = 1; i <= count; ++i) {
      Push();
      lua_rawseti(lua_, -2, i);
    }
  }
  // These grow as they do in Redis, as scripts see in which order Lua walks a table.
  void PushMap(int64_t pairs) {
    lua_newtable(lua_);
    for (int64_t i = 0; i < pairs; ++i) {
      Push();
      Push();
      lua_rawset(lua_, -3);
    }
    Wrap(lua_, "map");
  }
  void PushSet(int64_t count) {
    lua_newtable(lua_);
    for (int64_t i = 0; i < count; ++i) {
      Push();
      lua_pushboolean(lua_, 1);
      lua_rawset(lua_, -3);
    }
    Wrap(lua_, "set");
  }
  void PushVerbatim(std::string_view bytes) {
    lua_createtable(lua_, 0, 2);
    PushString(lua_, bytes.substr(4));
    lua_setfield(lua_, -2, "string");
    PushString(lua_, bytes.substr(0, 3));
    lua_setfield(lua_, -2, "format");
    Wrap(lua_, "verbatim_string");
  }

  lua_State* const lua_;
  std::string_view rest_;
};

// ---- Values to replies -------------------------------------------------------------------------

std::string_view StringAt(lua_State* lua, int index) {
  size_t size = 0;
  const char* text = lua_tolstring(lua, index, &size);
  return {text, size};
}

// Pushes the field of the table on top, and answers its type.
int PushField(lua_State* lua, const char* field) {
  lua_pushstring(lua, field);
  lua_rawget(lua, -2);
  return lua_type(lua, -1);
}

std::string WithoutLineBreaks(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  return line;
}

// As the processor converts it, which is what clients of Redis see: far too much is the minimum.
int64_t ToInteger(lua_Number number) {
  constexpr double kLimit = 9223372036854775808.0;
  if (!(number >= -kLimit && number < kLimit)) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(number);
}

class ReplyWriter {
 public:
  ReplyWriter(lua_State* lua, int protocol, resp::Reply& reply)
      : lua_(lua), protocol_(protocol), reply_(reply) {}

  // Writes the value on top and pops it.
  void Write() {
    if (!lua_checkstack(lua_, 6)) {
      reply_.Error(std::string("ERR ") + kTooDeep);
      return lua_pop(lua_, 1);
    }
    switch (lua_type(lua_, -1)) {
      case LUA_TSTRING:
        reply_.Bulk(StringAt(lua_, -1));
        break;
      case LUA_TBOOLEAN:
        WriteBoolean(lua_toboolean(lua_, -1) != 0);
        break;
      case LUA_TNUMBER:
        reply_.Integer(ToInteger(lua_tonumber(lua_, -1)));
        break;
      case LUA_TTABLE:
        WriteTable();
        break;
      default:
        reply_.Null();
    }
    lua_pop(lua_, 1);
  }

 private:
  void WriteBoolean(bool value) {
    if (protocol_ >= 3) return reply_.Boolean(value);
    value ? reply_.Integer(1) : reply_.Null();
  }

  void WriteTable() {
    if (WriteTagged()) return;
    const resp::Reply::Mark mark = reply_.Begin();
    size_t count = 0;
    for (int i = 1;; ++i) {
      lua_rawgeti(lua_, -1, i);
      if (lua_isnil(lua_, -1)) break;
      Write();
      ++count;
    }
    lua_pop(lua_, 1);
    reply_.EndArray(mark, count);
  }

  // Tables that stand for another reply, by the one field that they have. Leaves the stack as it
  // is; false when the table is none of these.
  bool WriteTagged() {
    const int top = lua_gettop(lua_);
    const bool written = WriteLine() || WriteVerbatim() || WriteMap() || WriteSet();
    lua_settop(lua_, top);
    return written;
  }
  bool WriteLine() {
    if (PushField(lua_, "err") == LUA_TSTRING) {
      lua_pop(lua_, 1);
      const ErrorInfo error = ReadError(lua_, -1);
      WriteError(reply_, error.text, error.counted);
      return true;
    }
    lua_pop(lua_, 1);
    if (PushField(lua_, "ok") == LUA_TSTRING) {
      reply_.Simple(WithoutLineBreaks(lua_tostring(lua_, -1)));
      return true;
    }
    lua_pop(lua_, 1);
    if (PushField(lua_, "double") == LUA_TNUMBER) {
      reply_.Double(lua_tonumber(lua_, -1));
      return true;
    }
    lua_pop(lua_, 1);
    if (PushField(lua_, "big_number") == LUA_TSTRING) {
      reply_.BigNumber(WithoutLineBreaks(StringAt(lua_, -1)));
      return true;
    }
    lua_pop(lua_, 1);
    return false;
  }
  bool WriteVerbatim() {
    const int top = lua_gettop(lua_);
    if (PushField(lua_, "verbatim_string") == LUA_TTABLE &&
        PushField(lua_, "format") == LUA_TSTRING) {
      std::string format(StringAt(lua_, -1));
      format.resize(3, ' ');
      lua_pop(lua_, 1);
      if (PushField(lua_, "string") == LUA_TSTRING) {
        reply_.Verbatim(format, StringAt(lua_, -1));
        return true;
      }
    }
    lua_settop(lua_, top);
    return false;
  }
  bool WriteMap() {
    if (PushField(lua_, "map") == LUA_TTABLE) {
      const resp::Reply::Mark mark = reply_.Begin();
      reply_.EndMap(mark, ForEach([this] {
                      lua_pushvalue(lua_, -2);
                      Write();
                      Write();
                    }));
      return true;
    }
    lua_pop(lua_, 1);
    return false;
  }
  bool WriteSet() {
    if (PushField(lua_, "set") == LUA_TTABLE) {
      const resp::Reply::Mark mark = reply_.Begin();
      reply_.EndSet(mark, ForEach([this] {
                      lua_pop(lua_, 1);
                      lua_pushvalue(lua_, -1);
                      Write();
                    }));
      return true;
    }
    lua_pop(lua_, 1);
    return false;
  }
  // Calls write with each key and value of the table on top; it has to leave the key alone.
  template <typename WritePair>
  size_t ForEach(WritePair&& write) {
    size_t count = 0;
    lua_pushnil(lua_);
    while (lua_next(lua_, -2) != 0) {
      write();
      ++count;
    }
    return count;
  }

  lua_State* const lua_;
  const int protocol_;
  resp::Reply& reply_;
};

}  // namespace

void PushReply(lua_State* lua, std::string_view bytes) { ReplyReader(lua, bytes).Push(); }

void PushError(lua_State* lua, std::string_view text) {
  std::string code = "ERR";
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    const size_t space = text.find(' ');
    if (space != text.npos) {
      code = text.substr(0, space);
      text.remove_prefix(space + 1);
    }
  }
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n')) text.remove_suffix(1);
  while (!text.empty() && (text[0] == '\r' || text[0] == '\n')) text.remove_prefix(1);
  lua_createtable(lua, 0, 4);
  PushString(lua, code.append(" ").append(text));
  lua_setfield(lua, -2, "err");
}

void MarkCounted(lua_State* lua) {
  lua_pushboolean(lua, 1);
  lua_setfield(lua, -2, kCountedField);
}

void WriteReply(lua_State* lua, int protocol, resp::Reply& reply) {
  ReplyWriter(lua, protocol, reply).Write();
}

ErrorInfo ReadError(lua_State* lua, int index) {
  if (index < 0) index = lua_gettop(lua) + index + 1;
  const auto read = [&](const char* field) {
    lua_pushstring(lua, field);
    lua_rawget(lua, index);
    // What scripts see as text ends at a zero byte, as it does in Redis.
    return lua_isstring(lua, -1) ? std::string_view(lua_tostring(lua, -1)) : std::string_view();
  };
  ErrorInfo error;
  error.text = read("err");
  error.source = read("source");
  error.line = read("line");
  lua_pushstring(lua, kCountedField);
  lua_rawget(lua, index);
  error.counted = lua_toboolean(lua, -1) != 0;
  return error;
}

void WriteError(resp::Reply& reply, std::string_view text, bool counted) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n')) text.remove_suffix(1);
  counted ? reply.CountedError(text) : reply.Error(text);
}

}  // namespace terrace::scripting
