#pragma once

// Instruction: one of the virtual machine of Lua 5.1, taken apart.

#include <cstddef>
#include <cstdint>

namespace terrace::scripting {

// By their numbers.
enum Opcode : uint8_t {
  kMove,
  kLoadConstant,
  kLoadBoolean,
  kLoadNil,
  kGetUpvalue,
  kGetGlobal,
  kGetTable,
  kSetGlobal,
  kSetUpvalue,
  kSetTable,
  kNewTable,
  kSelf,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kNegate,
  kNot,
  kLength,
  kConcatenate,
  kJump,
  kEqual,
  kLess,
  kLessOrEqual,
  kTest,
  kTestSet,
  kCall,
  kTailCall,
  kReturn,
  kForLoop,
  kForPrepare,
  kTForLoop,
  kSetList,
  kClose,
  kClosure,
  kVarargs,
};

struct Instruction {
  explicit Instruction(uint32_t word)
      : opcode(static_cast<uint8_t>(word & 0x3f)),
        a(word >> 6 & 0xff),
        b(word >> 23),
        c(word >> 14 & 0x1ff),
        bx(word >> 14),
        jump(static_cast<int>(bx) - kJumpBias) {}

  static constexpr int kJumpBias = 131071;
  static constexpr size_t kIsConstant = 256;  // in b or c, where either is possible

  uint8_t opcode;
  size_t a, b, c, bx;
  int jump;
};

}  // namespace terrace::scripting
