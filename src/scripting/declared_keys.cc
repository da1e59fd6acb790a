#include "scripting/declared_keys.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "scripting/lua_instruction.h"
#include "scripting/register_values.h"

// Every instruction is looked at with what is known of the registers before it, until nothing new
// is learned (an abstract interpretation). What matters is where three values can be: the table of
// keys, the table `redis`, and redis.call. They may be copied between registers, indexed and
// called; wherever else one of them would go (into a table, a variable of an inner function, an
// argument, a result) its way is lost, and there is no proof. So nothing reaches redis.call except
// through a register that is known to hold it, and nothing changes the table of keys.

namespace terrace::scripting {
namespace {

// The analysis of a function takes at most so many registers over all its instructions.
constexpr size_t kStatesMax = 1 << 18;

// What every script may read; whatever leads behind these (_G, setfenv, load ...) is not among it.
constexpr std::string_view kHarmlessGlobals[] = {
    "ARGV",   "assert", "bit",    "cjson", "cmsgpack", "error",    "math", "next",  "pcall",
    "select", "string", "struct", "table", "tonumber", "tostring", "type", "xpcall"};

class FunctionProof {
 public:
  FunctionProof(const Chunk& function, KeySource source, const commands::Registry& registry)
      : function_(function), source_(source), registry_(registry) {}

  bool Holds(Value first_parameter) {
    const size_t count = function_.code.size();
    if (count * function_.register_count > kStatesMax) return false;
    FindCaptured();
    now_.registers.assign(function_.register_count, {});
    if (function_.register_count > 0) Set(0, first_parameter);
    states_.resize(count);
    Reach(0);
    while (!pending_.empty() && !has_failed_) {
      const size_t at = pending_.back();
      pending_.pop_back();
      now_ = *states_[at];
      Step(at);
    }
    return !has_failed_;
  }

 private:
  // The variables that functions within this one share with it change without being seen here:
  // nothing but harmless values may be in their registers, at any time.
  void FindCaptured() {
    captured_.assign(function_.register_count, false);
    for (size_t at = 0; at < function_.code.size(); ++at) {
      const Instruction instruction(function_.code[at]);
      if (instruction.opcode != kClosure) continue;
      for (size_t i = 0; i < UpvaluesOf(instruction); ++i) {
        const size_t next = at + 1 + i;
        if (next >= function_.code.size()) return Fail();
        const Instruction shared(function_.code[next]);
        if (shared.opcode == kMove && shared.b < captured_.size()) captured_[shared.b] = true;
      }
    }
  }
  size_t UpvaluesOf(const Instruction& closure) {
    if (closure.bx < function_.inner.size()) return function_.inner[closure.bx].upvalue_count;
    Fail();
    return 0;
  }

  void Fail() { has_failed_ = true; }

  Value Get(size_t index) {
    if (index < now_.registers.size()) return now_.registers[index];
    Fail();
    return {};
  }
  void Set(size_t index, Value value) {
    if (index >= now_.registers.size()) return Fail();
    if (captured_[index]) {
      if (!value.is_harmless()) return Fail();
      value = {};
    }
    now_.registers[index] = value;
  }
  void SetAll(size_t first, size_t count, Value value) {
    for (size_t i = 0; i < count && !has_failed_; ++i) Set(first + i, value);
  }
  void NeedHarmless(size_t index) {
    if (!Get(index).is_harmless()) Fail();
  }
  void NeedHarmless(size_t first, size_t count) {
    for (size_t i = 0; i < count && !has_failed_; ++i) NeedHarmless(first + i);
  }
  // A register or a constant.
  void NeedHarmlessOperand(size_t operand) {
    if (operand < Instruction::kIsConstant) NeedHarmless(operand);
  }
  const std::optional<std::string>* Constant(size_t index) {
    if (index < function_.constants.size()) return &function_.constants[index];
    Fail();
    return nullptr;
  }

  // The instruction at may come next, with what is known now.
  void Reach(size_t at) {
    if (has_failed_) return;
    if (at >= states_.size()) return Fail();
    std::optional<State>& known = states_[at];
    if (!known) {
      known = now_;
    } else {
      State joined = Join(*known, now_);
      if (joined == *known) return;
      known = std::move(joined);
    }
    pending_.push_back(at);
  }

  void Step(size_t at) {
    const Instruction i(function_.code[at]);
    const size_t next = at + 1;
    const auto jump = [&] { Reach(static_cast<size_t>(static_cast<int>(next) + i.jump)); };
    switch (i.opcode) {
      case kLoadBoolean:
        Set(i.a, {});
        return Reach(i.c != 0 ? next + 1 : next);
      case kJump:
        return jump();
      case kEqual:
      case kLess:
      case kLessOrEqual:
        NeedHarmlessOperand(i.b);
        NeedHarmlessOperand(i.c);
        [[fallthrough]];
      case kTest:
        Reach(next + 1);
        return Reach(next);
      case kTestSet:
        Reach(next + 1);
        Set(i.a, Get(i.b));
        return Reach(next);
      case kReturn:
        NeedHarmless(i.a, i.b != 0 ? i.b - 1 : OpenCount(i.a));
        if (i.b == 0 && !now_.open.is_harmless()) Fail();
        return;
      case kForPrepare:
        NeedHarmless(i.a, 3);
        return jump();
      case kForLoop:
        Set(i.a + 3, {});
        jump();
        return Reach(next);
      case kTForLoop:
        Reach(next + 1);
        Iterate(i.a, i.c);
        return Reach(next);
      case kSetList:
        NeedHarmless(i.a, 1 + (i.b != 0 ? i.b : OpenCount(i.a + 1)));
        if (i.b == 0 && !now_.open.is_harmless()) Fail();
        return Reach(i.c == 0 ? next + 1 : next);
      case kClosure:
        Set(i.a, {});
        return Reach(next + UpvaluesOf(i));
      default:
        Execute(i);
        return Reach(next);
    }
  }

  // An instruction with the next one behind it.
  void Execute(const Instruction& i) {
    switch (i.opcode) {
      case kMove:
        return Set(i.a, Get(i.b));
      case kLoadConstant:
        return Set(i.a, {Kind::kConstant, i.bx});
      case kLoadNil:
        for (size_t index = i.a; index <= i.b; ++index) Set(index, {});
        return;
      case kGetUpvalue:
        // A script's inner functions share harmless variables only, as captured_ sees to; what a
        // function shares with its library is not known.
        return Set(i.a, {source_ == KeySource::kGlobal ? Kind::kPlain : Kind::kUnknown});
      case kGetGlobal:
        return Set(i.a, Global(i.bx));
      case kGetTable:
        return Set(i.a, Field(Get(i.b), i.c));
      case kSetUpvalue:
        return NeedHarmless(i.a);
      case kSetTable:
        NeedHarmless(i.a);
        NeedHarmlessOperand(i.b);
        return NeedHarmlessOperand(i.c);
      case kSelf:
        NeedHarmless(i.b);
        Set(i.a + 1, Get(i.b));
        return Set(i.a, {});
      case kAdd:
      case kSubtract:
      case kMultiply:
      case kDivide:
      case kModulo:
      case kPower:
        NeedHarmlessOperand(i.b);
        NeedHarmlessOperand(i.c);
        return Set(i.a, {});
      case kNegate:
        NeedHarmless(i.b);
        return Set(i.a, {});
      case kNewTable:
      case kNot:
      case kLength:
        return Set(i.a, {});
      case kConcatenate:
        for (size_t index = i.b; index <= i.c; ++index) NeedHarmless(index);
        return Set(i.a, {});
      case kCall:
        return Call(i.a, i.b, i.c);
      case kTailCall:
        return Call(i.a, i.b, 0);
      case kVarargs:
        return i.b != 0 ? SetAll(i.a, i.b - 1, {}) : Open(i.a, {});
      case kClose:
        return;
      default:
        return Fail();
    }
  }

  Value Global(size_t constant) {
    const auto* const name = Constant(constant);
    if (name == nullptr || !name->has_value()) {
      Fail();
      return {};
    }
    if (**name == "redis") return {Kind::kRedis};
    if (**name == "KEYS" && source_ == KeySource::kGlobal) return {Kind::kKeys};
    if (**name == "unpack") return {Kind::kUnpack};
    if (**name == "ipairs" || **name == "pairs") return {Kind::kIterate};
    if (std::ranges::find(kHarmlessGlobals, **name) == std::end(kHarmlessGlobals)) Fail();
    return {};
  }

  Value Field(Value table, size_t index) {
    if (table.is_harmless()) {
      NeedHarmlessOperand(index);
      return {};
    }
    if (table.kind == Kind::kKeys) return {Kind::kKey};
    const auto* const name =
        index >= Instruction::kIsConstant ? Constant(index - Instruction::kIsConstant) : nullptr;
    if (table.kind != Kind::kRedis || name == nullptr || !name->has_value()) {
      Fail();
      return {};
    }
    return {**name == "call" || **name == "pcall" ? Kind::kCallRedis : Kind::kPlain};
  }

  void Open(size_t from, Value value) {
    now_.open_from = from;
    now_.open = value;
  }
  // How many registers from this one on stand before the open values.
  size_t OpenCount(size_t first) {
    if (now_.open_from >= first) return now_.open_from - first;
    Fail();
    return 0;
  }

  // The function in a with what follows it; b and c as in the instruction.
  void Call(size_t a, size_t b, size_t c) {
    const Value callee = Get(a);
    const size_t argument_count = b != 0 ? b - 1 : OpenCount(a + 1);
    const bool is_open = b == 0;
    if (has_failed_) return;
    const bool takes_keys = argument_count > 0 && Get(a + 1).kind == Kind::kKeys;
    Value result;
    if (callee.kind == Kind::kCallRedis) {
      if (!HasGivenKeys(a + 1, argument_count, is_open)) return Fail();
    } else if (callee.kind == Kind::kUnpack && takes_keys) {
      NeedHarmless(a + 2, argument_count - 1);
      result = {Kind::kKey};
    } else if (callee.kind == Kind::kIterate && takes_keys) {
      // As of a `for`: the iterator, what it goes over, and where it begins.
      if (c != 4) return Fail();
      Set(a, {Kind::kKeysIterator});
      Set(a + 1, {Kind::kKeys});
      return Set(a + 2, {});
    } else {
      NeedHarmless(a, 1 + argument_count);
    }
    if (is_open && callee.kind != Kind::kCallRedis && !now_.open.is_harmless()) return Fail();
    c != 0 ? SetAll(a, c - 1, result) : Open(a, result);
  }

  // A turn of a `for ... in`.
  void Iterate(size_t a, size_t variable_count) {
    Value second;
    if (Get(a).kind == Kind::kKeysIterator && Get(a + 1).kind == Kind::kKeys) {
      second = {Kind::kKey};
    } else {
      NeedHarmless(a, 3);
    }
    SetAll(a + 3, variable_count, {});
    if (variable_count >= 2) Set(a + 4, second);
  }

  // Are all keys of the command whose words begin in this register among those given, wherever the
  // open values end?
  bool HasGivenKeys(size_t first, size_t count, bool is_open) {
    std::vector<std::string_view> words(count);
    for (size_t i = 0; i < count; ++i) {
      const Value word = Get(first + i);
      if (word.kind != Kind::kConstant) continue;
      const auto* const constant = Constant(word.constant);
      if (constant != nullptr && constant->has_value()) words[i] = **constant;
    }
    if (words.empty() || words[0].empty()) return false;
    const commands::Command* const command = registry_.Resolve(words);
    if (command == nullptr || command->handler == nullptr) return false;
    if (command->has(commands::kAllShards) || command->has(commands::kTakesLocks)) return false;
    if (command->has(commands::kNoLocks)) return true;
    const commands::Keys& keys = command->keys;
    if (keys.is_movable) return false;
    if (keys.first == 0) return true;
    const auto is_key = [&](size_t at) {
      return (at < count ? Get(first + at) : now_.open).kind == Kind::kKey;
    };
    const auto fixed_end = static_cast<int>(count);
    int last = keys.last;
    if (last < 0) last += is_open ? fixed_end - keys.last : fixed_end;
    for (int at = keys.first; at <= last && at < fixed_end; at += keys.step) {
      if (!is_key(static_cast<size_t>(at))) return false;
    }
    return !is_open || last < fixed_end || now_.open.kind == Kind::kKey;
  }

  const Chunk& function_;
  const KeySource source_;
  const commands::Registry& registry_;
  std::vector<bool> captured_;
  std::vector<std::optional<State>> states_;  // before each instruction that can be reached
  std::vector<size_t> pending_;
  State now_;
  bool has_failed_ = false;
};

bool InnerHold(const Chunk& function, KeySource source, const commands::Registry& registry) {
  // Nobody hands them the table of keys.
  return std::ranges::all_of(function.inner, [&](const Chunk& inner) {
    return FunctionProof(inner, source, registry).Holds({}) && InnerHold(inner, source, registry);
  });
}

}  // namespace

bool TouchesOnlyGivenKeys(const Chunk& function, KeySource source,
                          const commands::Registry& registry) {
  Value first_parameter;
  if (source == KeySource::kParameter) {
    if (function.takes_varargs) return false;
    first_parameter = {Kind::kKeys};
  }
  return FunctionProof(function, source, registry).Holds(first_parameter) &&
         InnerHold(function, source, registry);
}

}  // namespace terrace::scripting
