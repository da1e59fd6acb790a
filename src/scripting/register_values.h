#pragma once

// What is known of the registers of a Lua function before one of its instructions; see
// declared_keys.cc.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace terrace::scripting {

enum class Kind : uint8_t {
  // Harmless: may go anywhere.
  kPlain,
  kConstant,  // a known one
  kKey,       // an element of the table of keys
  kUnpack,    // the function
  kIterate,   // ipairs or pairs
  // Not so.
  kKeys,          // the table of keys
  kKeysIterator,  // what ipairs makes of it
  kRedis,         // the table
  kCallRedis,     // redis.call or redis.pcall
  kUnknown,       // may be any of these
};

struct Value {
  Kind kind = Kind::kPlain;
  size_t constant = 0;  // of kConstant: which

  bool is_harmless() const { return kind < Kind::kKeys; }
  bool operator==(const Value&) const = default;
};

inline Value Join(Value a, Value b) {
  if (a == b) return a;
  return {a.is_harmless() && b.is_harmless() ? Kind::kPlain : Kind::kUnknown};
}

// What is known before an instruction.
struct State {
  std::vector<Value> registers;
  // The values whose number only the run knows, as of f(g()): from this register on, all alike.
  size_t open_from = 0;
  Value open;

  bool operator==(const State&) const = default;
};

// What is known where one comes from either of two ways. REQUIRES: equally many registers.
inline State Join(State a, const State& b) {
  for (size_t i = 0; i < a.registers.size(); ++i) {
    a.registers[i] = Join(a.registers[i], b.registers[i]);
  }
  a.open_from = std::min(a.open_from, b.open_from);
  a.open = Join(a.open, b.open);
  return a;
}

}  // namespace terrace::scripting
