#pragma once

// Arguments of commands that count their keys: `numkeys key [key ...]`, and the LIMIT of the
// ...CARD commands.
//
// Errors: the parsers reply their error themselves and return nullopt.

#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/call.h"

namespace terrace::commands {

// The count in this argument, with that many arguments after it.
std::optional<size_t> ParseNumkeys(Call& call, size_t argument, std::string_view error);

// numkeys key [key ...] HEAD|TAIL [COUNT count], from the argument of numkeys on to the end. The
// words are in lower case.
struct MultiPop {
  size_t first_key = 0;
  size_t key_count = 0;
  bool at_tail = false;
  size_t count = 1;
};
std::optional<MultiPop> ParseMultiPop(Call& call, size_t numkeys_argument, std::string_view head,
                                      std::string_view tail);

// [LIMIT count] from this argument on to the end; UINT64_MAX for none.
std::optional<uint64_t> ParseCardLimit(Call& call, size_t argument);

}  // namespace terrace::commands
