// The bitmap family: BITFIELD, a string as an array of integers of any width.

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "base/numbers.h"
#include "commands/bits.h"
#include "commands/call.h"
#include "commands/key_access.h"
#include "commands/registry.h"
#include "commands/string_value.h"

namespace terrace::commands {
namespace {

enum class Action : uint8_t { kGet, kSet, kIncrby };
enum class Overflow : uint8_t { kWrap, kSaturate, kFail };

struct FieldType {
  bool is_signed;
  int bits;
};

struct FieldOperation {
  Action action;
  Overflow overflow;
  FieldType type;
  uint64_t offset;
  int64_t operand;  // what to set, or the increment
};

// ---- Fields in bytes ---------------------------------------------------------------------------

// A field spans up to nine bytes; those beyond the end of the string count as zero.
uint64_t ReadField(std::string_view text, uint64_t offset, int bits) {
  uint64_t value = 0;
  for (uint64_t at = offset; at < offset + static_cast<uint64_t>(bits);) {
    const uint64_t byte_at = at >> 3;
    const auto byte = byte_at < text.size() ? static_cast<uint8_t>(text[byte_at]) : uint8_t{0};
    const uint64_t left = offset + static_cast<uint64_t>(bits) - at;
    const uint64_t taken = std::min<uint64_t>(8 - (at & 7), left);
    const uint64_t part = (byte >> (8 - (at & 7) - taken)) & ((1u << taken) - 1);
    value = value << taken | part;
    at += taken;
  }
  return value;
}

// REQUIRES: the field lies within the string.
void WriteField(char* bytes, uint64_t offset, int bits, uint64_t value) {
  const uint64_t end = offset + static_cast<uint64_t>(bits);
  for (uint64_t at = offset; at < end;) {
    const uint64_t taken = std::min<uint64_t>(8 - (at & 7), end - at);
    const uint64_t shift = 8 - (at & 7) - taken;
    const auto mask = static_cast<uint8_t>(((1u << taken) - 1) << shift);
    const auto part = static_cast<uint8_t>((value >> (end - at - taken)) << shift);
    const auto old = static_cast<uint8_t>(bytes[at >> 3]);
    bytes[at >> 3] = static_cast<char>((old & ~mask) | (part & mask));
    at += taken;
  }
}

// ---- Arithmetic --------------------------------------------------------------------------------

// The low bits of a value, as this type reads them.
int64_t Wrap(FieldType type, uint64_t value) {
  const int unused = 64 - type.bits;
  if (type.is_signed) return static_cast<int64_t>(value << unused) >> unused;
  return static_cast<int64_t>(value << unused >> unused);
}

int64_t MaxOf(FieldType type) {
  return std::numeric_limits<int64_t>::max() >> (type.is_signed ? 64 - type.bits : 63 - type.bits);
}
int64_t MinOf(FieldType type) { return type.is_signed ? -MaxOf(type) - 1 : 0; }

// base + increment as the type holds it; nullopt when it does not fit and that is to fail.
std::optional<int64_t> Add(FieldType type, Overflow overflow, int64_t base, int64_t increment) {
  int64_t sum = 0;
  const bool overflows = __builtin_add_overflow(base, increment, &sum);
  const bool too_high = overflows ? increment > 0 : sum > MaxOf(type);
  const bool too_low = overflows ? increment < 0 : sum < MinOf(type);
  if (!too_high && !too_low) return sum;
  switch (overflow) {
    case Overflow::kWrap:
      return Wrap(type, static_cast<uint64_t>(base) + static_cast<uint64_t>(increment));
    case Overflow::kSaturate:
      return too_high ? MaxOf(type) : MinOf(type);
    case Overflow::kFail:
      return std::nullopt;
  }
  return std::nullopt;
}

// A value to be set, as the type holds it.
std::optional<int64_t> Fit(FieldType type, Overflow overflow, int64_t value) {
  // Redis takes a negative value for an unsigned field as a very large one.
  if (!type.is_signed && value < 0 && overflow == Overflow::kSaturate) return MaxOf(type);
  // Its check for a signed field wraps around far below the field, and saturates at the wrong end.
  int64_t room;
  if (type.is_signed && type.bits < 64 && overflow == Overflow::kSaturate &&
      __builtin_sub_overflow(MaxOf(type), value, &room)) {
    return MaxOf(type);
  }
  return Add(type, overflow, value, 0);
}

// ---- Arguments ---------------------------------------------------------------------------------

std::optional<FieldType> ParseType(Call& call, size_t argument) {
  const std::string_view text = call.args[argument];
  if (text.starts_with('i') || text.starts_with('u')) {
    const bool is_signed = text[0] == 'i';
    const auto bits = base::ParseInt64(text.substr(1));
    if (bits && *bits >= 1 && *bits <= (is_signed ? 64 : 63)) {
      return FieldType{is_signed, static_cast<int>(*bits)};
    }
  }
  call.reply.Error(
      "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
      "i64 is.");
  return std::nullopt;
}

std::optional<Overflow> ParseOverflow(Call& call, size_t argument) {
  if (call.Is(argument, "wrap")) return Overflow::kWrap;
  if (call.Is(argument, "sat")) return Overflow::kSaturate;
  if (call.Is(argument, "fail")) return Overflow::kFail;
  call.reply.Error("ERR Invalid OVERFLOW type specified");
  return std::nullopt;
}

// nullopt after an error.
std::optional<std::vector<FieldOperation>> ParseOperations(Call& call) {
  std::vector<FieldOperation> operations;
  Overflow overflow = Overflow::kWrap;
  for (size_t i = 2; i < call.argc();) {
    const size_t left = call.argc() - i - 1;
    Action action;
    if (call.Is(i, "get") && left >= 2) {
      action = Action::kGet;
    } else if (call.Is(i, "set") && left >= 3) {
      action = Action::kSet;
    } else if (call.Is(i, "incrby") && left >= 3) {
      action = Action::kIncrby;
    } else if (call.Is(i, "overflow") && left >= 1) {
      const auto parsed = ParseOverflow(call, i + 1);
      if (!parsed) return std::nullopt;
      overflow = *parsed;
      i += 2;
      continue;
    } else {
      call.reply.SyntaxError();
      return std::nullopt;
    }
    const auto type = ParseType(call, i + 1);
    if (!type) return std::nullopt;
    const auto offset = ParseBitOffset(call, i + 2, type->bits);
    if (!offset) return std::nullopt;
    std::optional<int64_t> operand = 0;
    if (action != Action::kGet) operand = call.Integer(i + 3);
    if (!operand) return std::nullopt;
    operations.push_back({action, overflow, *type, *offset, *operand});
    i += action == Action::kGet ? 3 : 4;
  }
  return operations;
}

// ---- Commands ----------------------------------------------------------------------------------

void ReplyFields(Call& call, const std::vector<FieldOperation>& operations) {
  const StringValue value = ReadString(call, 1);
  if (value.wrong_type) return;
  call.reply.Array(operations.size());
  for (const FieldOperation& operation : operations) {
    const uint64_t field = ReadField(value.text(), operation.offset, operation.type.bits);
    call.reply.Integer(Wrap(operation.type, field));
  }
}

enum class Written : uint8_t { kNothing, kTheSame, kAnother };

// Runs one operation on the bytes and replies its result.
Written Apply(Call& call, const FieldOperation& operation, char* bytes, size_t size) {
  const FieldType type = operation.type;
  const int64_t old = Wrap(type, ReadField({bytes, size}, operation.offset, type.bits));
  if (operation.action == Action::kGet) {
    call.reply.Integer(old);
    return Written::kNothing;
  }
  const bool sets = operation.action == Action::kSet;
  const auto value = sets ? Fit(type, operation.overflow, operation.operand)
                          : Add(type, operation.overflow, old, operation.operand);
  if (!value) {
    call.reply.Null();
    return Written::kNothing;
  }
  call.reply.Integer(sets ? old : *value);
  WriteField(bytes, operation.offset, type.bits, static_cast<uint64_t>(*value));
  return *value != old ? Written::kAnother : Written::kTheSame;
}

void Bitfield(Call& call) {
  const auto operations = ParseOperations(call);
  if (!operations) return;
  size_t size = 0;  // that the writes need
  for (const FieldOperation& operation : *operations) {
    if (operation.action == Action::kGet) continue;
    const uint64_t last_bit = operation.offset + static_cast<uint64_t>(operation.type.bits) - 1;
    size = std::max(size, static_cast<size_t>(last_bit >> 3) + 1);
  }
  if (size == 0) return ReplyFields(call, *operations);
  const StringValue value = WriteString(call, 1);
  if (value.wrong_type) return;
  const keyspace::Key key = call.key(1);
  const size_t old_size = value.text().size();
  size = std::max(size, old_size);
  char* const bytes = call.db.EditString(key, size);
  call.reply.Array(operations->size());
  // As in Redis, a value that grew and was not written to (OVERFLOW FAIL) has not changed.
  const Written least = size > old_size ? Written::kTheSame : Written::kAnother;
  bool changed = false;
  for (const FieldOperation& operation : *operations) {
    changed |= Apply(call, operation, bytes, size) >= least;
  }
  if (changed) StringChanged(call, key, kSetbit);
}

void BitfieldRo(Call& call) {
  const auto operations = ParseOperations(call);
  if (!operations) return;
  for (const FieldOperation& operation : *operations) {
    if (operation.action == Action::kGet) continue;
    return call.reply.Error("ERR BITFIELD_RO only supports the GET subcommand");
  }
  ReplyFields(call, *operations);
}

std::string_view BitfieldAccess(Args args) {
  const bool changes = Mentions(args, 2, "set") || Mentions(args, 2, "incrby");
  return changes ? "RW access update" : "RO access";
}

constexpr Command kBitfieldCommands[] = {
    {.name = "bitfield",
     .arity = -2,
     .flags = kWrite | kDenyOom,
     .categories = kBitmap,
     .keys = {Noted(KeyAt(1, "RW access update"),
                    "This command allows both access and modification of the key")},
     .resolve = Resolve::kValue,
     .handler = Bitfield,
     .group = "bitmap",
     .since = "3.2.0",
     .syntax = "key [operation: GET (get-block: encoding offset)|"
               "(write: [OVERFLOW (overflow-block: WRAP|SAT|FAIL)] "
               "(write-operation: SET (set-block: encoding offset value<integer>)|"
               "INCRBY (incrby-block: encoding offset increment)))]...",
     .summary = "Reads and changes integers of any width in a string.",
     .complexity = "O(N), N: operations given",
     .access_for = BitfieldAccess},
    {.name = "bitfield_ro",
     .arity = -2,
     .flags = kReadOnly | kFast,
     .categories = kBitmap,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = BitfieldRo,
     .group = "bitmap",
     .since = "6.0.0",
     .syntax = "key [GET (get-block: encoding offset)]...",
     .summary = "Reads integers of any width in a string.",
     .complexity = "O(N), N: operations given"},
};

}  // namespace

std::span<const Command> BitfieldCommands() { return kBitfieldCommands; }

}  // namespace terrace::commands
