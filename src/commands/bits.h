#pragma once

// Bits: what the bitmap commands share.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/call.h"
#include "keyspace/mutation.h"

namespace terrace::commands {

inline constexpr keyspace::KeyEvent kSetbit{'$', "setbit"};

// The position of a bit. field_bits: also understand "#n", n times so many bits; 0: do not. Replies
// the error and returns nullopt when it is none or beyond the longest string.
std::optional<uint64_t> ParseBitOffset(Call& call, size_t argument, int field_bits = 0);

}  // namespace terrace::commands
