// The bitmap family: single bits, counts and positions, and BITOP. BITFIELD is in bitfield.cc.

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "commands/bits.h"
#include "commands/call.h"
#include "commands/registry.h"
#include "commands/string_value.h"

namespace terrace::commands {
namespace {

namespace events = keyspace::events;

void Setbit(Call& call) {
  const auto offset = ParseBitOffset(call, 2);
  if (!offset) return;
  const auto bit = base::ParseInt64(call.args[3]);
  if (!bit || (*bit != 0 && *bit != 1)) {
    return call.reply.Error("ERR bit is not an integer or out of range");
  }
  const StringValue value = WriteString(call, 1);
  if (value.wrong_type) return;
  const keyspace::Key key = call.key(1);
  const size_t old_size = value.text().size();
  const size_t byte = *offset >> 3;
  char* const bytes = call.db.EditString(key, std::max(old_size, byte + 1));
  const auto mask = static_cast<uint8_t>(0x80 >> (*offset & 7));
  const auto old = static_cast<uint8_t>(bytes[byte]);
  const bool was_set = (old & mask) != 0;
  if (byte >= old_size || was_set != (*bit == 1)) {
    bytes[byte] = static_cast<char>(*bit == 1 ? old | mask : old & ~mask);
    StringChanged(call, key, kSetbit);
  }
  call.reply.Integer(was_set);
}

void Getbit(Call& call) {
  const auto offset = ParseBitOffset(call, 2);
  if (!offset) return;
  const StringValue value = ReadString(call, 1);
  if (value.wrong_type) return;
  const size_t byte = *offset >> 3;
  if (byte >= value.text().size()) return call.reply.Integer(0);
  call.reply.Integer(static_cast<uint8_t>(value.text()[byte]) >> (7 - (*offset & 7)) & 1);
}

// A range of bits, both ends included; empty when first > last.
struct BitRange {
  int64_t first;
  int64_t last;
};

// Clamps a range that counts from the end where it is negative to [0, size).
BitRange Clamp(int64_t first, int64_t last, int64_t size) {
  if (first < 0) first += size;
  if (last < 0) last += size;
  return {std::max<int64_t>(first, 0), std::min(std::max<int64_t>(last, 0), size - 1)};
}

// The unit in this argument, if there is such an argument; false, and the error replied, when it is
// neither.
bool ParseUnit(Call& call, size_t argument, bool* in_bits) {
  *in_bits = argument < call.argc() && call.Is(argument, "bit");
  if (argument >= call.argc() || *in_bits || call.Is(argument, "byte")) return true;
  call.reply.SyntaxError();
  return false;
}

// A range in bytes or bits, as bits.
BitRange ToBits(int64_t first, int64_t last, size_t bytes, bool in_bits) {
  const auto size = static_cast<int64_t>(bytes);
  if (in_bits) return Clamp(first, last, size * 8);
  const BitRange range = Clamp(first, last, size);
  if (range.first > range.last) return {0, -1};
  return {range.first * 8, range.last * 8 + 7};
}

uint64_t Load64(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, 8);
  return word;
}

int64_t CountBytes(std::string_view bytes) {
  int64_t count = 0;
  while (bytes.size() >= 8) {
    count += std::popcount(Load64(bytes.data()));
    bytes.remove_prefix(8);
  }
  for (const char byte : bytes) count += std::popcount(static_cast<uint8_t>(byte));
  return count;
}

// REQUIRES: 0 <= range.first, and the range ends within the text.
int64_t CountBits(std::string_view text, BitRange range) {
  if (range.first > range.last) return 0;
  const auto first_byte = static_cast<size_t>(range.first >> 3);
  const auto last_byte = static_cast<size_t>(range.last >> 3);
  const int64_t whole = CountBytes(text.substr(first_byte, last_byte - first_byte + 1));
  const unsigned before = static_cast<uint8_t>(text[first_byte]) & ~(0xffu >> (range.first & 7));
  const unsigned after = static_cast<uint8_t>(text[last_byte]) & (0x7fu >> (range.last & 7));
  return whole - std::popcount(before) - std::popcount(after);
}

// A range as a command names it.
struct AskedRange {
  int64_t first = 0;
  int64_t last = -1;
  bool has_last = false;
  bool in_bits = false;

  // Both ends beyond the beginning would be clamped to the first byte.
  bool is_inverted() const { return first < 0 && last < 0 && first > last; }
  BitRange In(std::string_view text) const { return ToBits(first, last, text.size(), in_bits); }
};

// From this argument on: [start [end [unit]]]. The unit is looked at before the end.
std::optional<AskedRange> ParseRange(Call& call, size_t argument) {
  AskedRange range;
  if (call.argc() > argument + 3) {
    call.reply.SyntaxError();
    return std::nullopt;
  }
  if (call.argc() <= argument) return range;
  const auto first = call.Integer(argument);
  if (!first || !ParseUnit(call, argument + 2, &range.in_bits)) return std::nullopt;
  range.first = *first;
  range.has_last = call.argc() > argument + 1;
  if (!range.has_last) return range;
  const auto last = call.Integer(argument + 1);
  if (!last) return std::nullopt;
  range.last = *last;
  return range;
}

std::optional<AskedRange> ParseFoundRange(Call& call) { return ParseRange(call, 3); }

// Redis wants a start and an end, and looks at the unit last, if at all.
std::optional<AskedRange> ParseCountedRange(Call& call) {
  if (call.speaks_valkey() || call.argc() == 2) return ParseRange(call, 2);
  if (call.argc() != 4 && call.argc() != 5) {
    call.reply.SyntaxError();
    return std::nullopt;
  }
  const auto first = call.Integer(2);
  if (!first) return std::nullopt;
  const auto last = call.Integer(3);
  if (!last) return std::nullopt;
  AskedRange range{.first = *first, .last = *last, .has_last = true};
  if (!range.is_inverted() && !ParseUnit(call, 4, &range.in_bits)) return std::nullopt;
  return range;
}

struct RangedString {
  StringValue value;
  AskedRange range;
};

// The string, and the range of it that is meant; nullopt when all is replied. Where there is no key
// Redis does not look at the range; Valkey looks at it first.
std::optional<RangedString> ReadRanged(Call& call, std::optional<AskedRange> (*parse)(Call& call),
                                       int64_t reply_without_key) {
  std::optional<AskedRange> range;
  if (call.speaks_valkey() && !(range = parse(call))) return std::nullopt;
  StringValue value = ReadString(call, 1);
  if (value.wrong_type) return std::nullopt;
  if (!value.exists()) {
    call.reply.Integer(reply_without_key);
    return std::nullopt;
  }
  if (!range && !(range = parse(call))) return std::nullopt;
  return RangedString{value, *range};
}

void Bitcount(Call& call) {
  const auto found = ReadRanged(call, ParseCountedRange, 0);
  if (!found) return;
  const std::string_view text = found->value.text();
  if (call.argc() == 2) return call.reply.Integer(CountBytes(text));
  if (found->range.is_inverted()) return call.reply.Integer(0);
  call.reply.Integer(CountBits(text, found->range.In(text)));
}

// The first bit of this value in the range; -1 when there is none.
int64_t FindBit(std::string_view text, BitRange range, bool bit) {
  const uint8_t skipped = bit ? 0x00 : 0xff;  // a byte without such a bit
  for (int64_t at = range.first; at <= range.last; at = (at | 7) + 1) {
    if ((at & 7) == 0) {
      // Skip eight bytes at a time.
      const uint64_t skipped_word = bit ? 0 : std::numeric_limits<uint64_t>::max();
      while (range.last - at >= 64 && Load64(text.data() + (at >> 3)) == skipped_word) at += 64;
    }
    const auto byte = static_cast<uint8_t>(text[static_cast<size_t>(at >> 3)]);
    if (byte == skipped) continue;
    // The bits that differ from what is skipped, without those before `at`.
    const auto candidates = static_cast<uint8_t>((byte ^ skipped) & (0xff >> (at & 7)));
    if (candidates == 0) continue;
    const int64_t found = (at & ~int64_t{7}) + std::countl_zero(candidates);
    return found <= range.last ? found : -1;
  }
  return -1;
}

void Bitpos(Call& call) {
  const auto bit = call.Integer(2);
  if (!bit) return;
  if (*bit != 0 && *bit != 1) return call.reply.Error("ERR The bit argument must be 1 or 0.");
  const auto asked = ReadRanged(call, ParseFoundRange, *bit == 1 ? -1 : 0);
  if (!asked) return;
  const std::string_view text = asked->value.text();
  const BitRange range = asked->range.In(text);
  if (range.first > range.last) return call.reply.Integer(-1);
  const int64_t found = FindBit(text, range, *bit == 1);
  // Without an end, the string counts as followed by clear bits.
  if (found < 0 && *bit == 0 && !asked->range.has_last) return call.reply.Integer(range.last + 1);
  call.reply.Integer(found);
}

enum class BitOperation : uint8_t { kAnd, kOr, kXor, kNot };

std::optional<BitOperation> ParseOperation(const Call& call) {
  if (call.Is(1, "and")) return BitOperation::kAnd;
  if (call.Is(1, "or")) return BitOperation::kOr;
  if (call.Is(1, "xor")) return BitOperation::kXor;
  if (call.Is(1, "not")) return BitOperation::kNot;
  return std::nullopt;
}

// Combines a string into the result, which is as long as the longest of all; short ones count as
// padded with zeros. Plain loops over bytes: the compiler makes them wide.
void Combine(BitOperation operation, std::string_view text, std::string* result) {
  char* const out = result->data();
  const size_t size = text.size();
  switch (operation) {
    case BitOperation::kAnd:
      for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(out[i] & text[i]);
      std::fill(out + size, out + result->size(), '\0');
      break;
    case BitOperation::kOr:
      for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(out[i] | text[i]);
      break;
    case BitOperation::kXor:
      for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(out[i] ^ text[i]);
      break;
    case BitOperation::kNot:
      for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(~text[i]);
      break;
  }
}

void Bitop(Call& call) {
  const auto operation = ParseOperation(call);
  if (!operation) return call.reply.SyntaxError();
  if (*operation == BitOperation::kNot && call.argc() != 4) {
    return call.reply.Error("ERR BITOP NOT must be called with a single source key.");
  }
  std::vector<StringValue> sources;
  size_t size = 0;
  for (size_t i = 3; i < call.argc(); ++i) {
    sources.push_back(ReadString(call, i));
    if (sources.back().wrong_type) return;
    size = std::max(size, sources.back().text().size());
  }
  const keyspace::Key target = call.key(2);
  if (size == 0) {
    call.db.Remove(target, events::kDel);
    return call.reply.Integer(0);
  }
  std::string result(sources.front().text());
  result.resize(size, '\0');
  if (*operation == BitOperation::kNot) Combine(*operation, sources.front().text(), &result);
  for (size_t i = 1; i < sources.size(); ++i) Combine(*operation, sources[i].text(), &result);
  call.db.SetString(target, result, keyspace::kNoDeadline, events::kSet)->mark_raw();
  call.reply.Integer(static_cast<int64_t>(size));
}

constexpr Command kBitmapCommands[] = {
    {.name = "setbit",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .categories = kBitmap,
     .keys = {1, 1, 1, "RW access update"},
     .resolve = Resolve::kValue,
     .handler = Setbit,
     .group = "bitmap",
     .since = "2.2.0",
     .syntax = "key offset value<integer>",
     .summary = "Sets or clears one bit of a string and returns what it was."},
    {.name = "getbit",
     .arity = 3,
     .flags = kReadOnly | kFast,
     .categories = kBitmap,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Getbit,
     .group = "bitmap",
     .since = "2.2.0",
     .syntax = "key offset",
     .summary = "Returns one bit of a string."},
    {.name = "bitcount",
     .arity = -2,
     .flags = kReadOnly,
     .categories = kBitmap,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Bitcount,
     .group = "bitmap",
     .since = "2.6.0",
     .syntax = "key [range: start end [unit: BYTE|BIT]]",
     .summary = "Counts the set bits of a string or of a part of it.",
     .complexity = "O(N), N: bytes of the range"},
    {.name = "bitpos",
     .arity = -3,
     .flags = kReadOnly,
     .categories = kBitmap,
     .keys = {1, 1, 1},
     .resolve = Resolve::kValue,
     .handler = Bitpos,
     .group = "bitmap",
     .since = "2.8.7",
     .syntax = "key bit [range: start [end-unit-block: end [unit: BYTE|BIT]]]",
     .summary = "Finds the first set or clear bit of a string.",
     .complexity = "O(N), N: bytes of the range"},
    {.name = "bitop",
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .categories = kBitmap,
     .keys = {KeyAt(2, "OW update"), KeysFrom(3, "RO access")},
     .resolve = Resolve::kValue,
     .handler = Bitop,
     .group = "bitmap",
     .since = "2.6.0",
     .syntax = "(operation: AND|OR|XOR|NOT) destkey key...",
     .summary = "Stores the bitwise combination of strings in a key.",
     .complexity = "O(N*K), N: bytes of the longest string, K: strings"},
};

}  // namespace

std::span<const Command> BitmapCommands() { return kBitmapCommands; }

}  // namespace terrace::commands
