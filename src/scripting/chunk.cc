#include "scripting/chunk.h"

#include <cstring>
#include <lua.hpp>

namespace terrace::scripting {
namespace {

// Lua's own limit is near this; what is deeper is not read.
constexpr int kDepthMax = 200;

// What stands at the beginning: the version, and the byte order and sizes of this machine.
std::string ExpectedHeader() {
  std::string header(LUA_SIGNATURE);
  constexpr char kVersion = 0x51;
  constexpr char kOfficialFormat = 0;
  const int one = 1;
  char low_byte;
  std::memcpy(&low_byte, &one, 1);
  for (const char byte : {kVersion, kOfficialFormat, low_byte, static_cast<char>(sizeof(int)),
                          static_cast<char>(sizeof(size_t)), static_cast<char>(sizeof(uint32_t)),
                          static_cast<char>(sizeof(lua_Number)), char{0}}) {
    header.push_back(byte);
  }
  return header;
}

class ChunkReader {
 public:
  explicit ChunkReader(std::string_view left) : left_(left) {}

  bool Function(Chunk* chunk, int depth) {
    if (depth > kDepthMax) return false;
    std::optional<std::string> ignored;
    uint8_t upvalues, parameters, varargs, registers;
    if (!String(&ignored) || !Skip(2 * sizeof(int)) || !Plain(&upvalues) || !Plain(&parameters) ||
        !Plain(&varargs) || !Plain(&registers)) {
      return false;
    }
    chunk->upvalue_count = upvalues;
    chunk->takes_varargs = varargs != 0;
    chunk->register_count = registers;
    return Code(chunk) && Constants(chunk) && Inner(chunk, depth) && DebugInformation();
  }
  bool at_end() const { return left_.empty(); }

 private:
  bool Code(Chunk* chunk) {
    size_t count;
    if (!Count(sizeof(uint32_t), &count)) return false;
    chunk->code.resize(count);
    for (uint32_t& instruction : chunk->code) {
      if (!Plain(&instruction)) return false;
    }
    return true;
  }

  bool Constants(Chunk* chunk) {
    size_t count;
    if (!Count(1, &count)) return false;
    chunk->constants.resize(count);
    for (auto& constant : chunk->constants) {
      uint8_t type;
      if (!Plain(&type)) return false;
      const bool is_read = type == LUA_TSTRING    ? String(&constant)
                           : type == LUA_TNUMBER  ? Skip(sizeof(lua_Number))
                           : type == LUA_TBOOLEAN ? Skip(1)
                                                  : type == LUA_TNIL;
      if (!is_read) return false;
    }
    return true;
  }

  bool Inner(Chunk* chunk, int depth) {
    size_t count;
    if (!Count(1, &count)) return false;
    chunk->inner.resize(count);
    for (Chunk& inner : chunk->inner) {
      if (!Function(&inner, depth + 1)) return false;
    }
    return true;
  }

  // Lines, names of local variables, names of upvalues.
  bool DebugInformation() {
    size_t lines, locals, upvalues;
    std::optional<std::string> ignored;
    if (!Count(sizeof(int), &lines) || !Skip(lines * sizeof(int)) || !Count(1, &locals)) {
      return false;
    }
    for (size_t i = 0; i < locals; ++i) {
      if (!String(&ignored) || !Skip(2 * sizeof(int))) return false;
    }
    if (!Count(1, &upvalues)) return false;
    for (size_t i = 0; i < upvalues; ++i) {
      if (!String(&ignored)) return false;
    }
    return true;
  }

  template <typename T>
  bool Plain(T* value) {
    if (left_.size() < sizeof(T)) return false;
    std::memcpy(value, left_.data(), sizeof(T));
    left_.remove_prefix(sizeof(T));
    return true;
  }
  // Of things of at least so many bytes, all of which are still to come.
  bool Count(size_t bytes_each, size_t* count) {
    int number;
    if (!Plain(&number) || number < 0) return false;
    *count = static_cast<size_t>(number);
    return *count <= left_.size() / bytes_each;
  }
  bool Skip(size_t bytes) {
    if (left_.size() < bytes) return false;
    left_.remove_prefix(bytes);
    return true;
  }
  // With its final zero byte; a size of 0 is no string at all.
  bool String(std::optional<std::string>* string) {
    size_t size;
    if (!Plain(&size) || size > left_.size()) return false;
    string->reset();
    if (size > 0) *string = std::string(left_.substr(0, size - 1));
    return Skip(size);
  }

  std::string_view left_;
};

}  // namespace

bool ReadChunk(std::string_view dump, Chunk* chunk) {
  const std::string header = ExpectedHeader();
  if (!dump.starts_with(header)) return false;
  ChunkReader reader(dump.substr(header.size()));
  return reader.Function(chunk, 0) && reader.at_end();
}

}  // namespace terrace::scripting
