#include "commands/bits.h"

#include "base/numbers.h"

namespace terrace::commands {

std::optional<uint64_t> ParseBitOffset(Call& call, size_t argument, int field_bits) {
  std::string_view text = call.args[argument];
  int64_t factor = 1;
  if (field_bits > 0 && text.starts_with('#')) {
    text.remove_prefix(1);
    factor = field_bits;
  }
  std::optional<int64_t> offset = base::ParseInt64(text);
  if (offset && __builtin_mul_overflow(*offset, factor, &*offset)) offset.reset();
  if (offset && *offset >= 0 &&
      static_cast<uint64_t>(*offset) >> 3 < call.limits.string_bytes_max) {
    return static_cast<uint64_t>(*offset);
  }
  call.reply.Error("ERR bit offset is not an integer or out of range");
  return std::nullopt;
}

}  // namespace terrace::commands
