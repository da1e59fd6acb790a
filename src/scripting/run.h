#pragma once

// What EVAL and FCALL have in common: `name script numkeys [key ...] [argument ...]`, the checks of
// what the script's flags say, and the session as the script may change it.
//
// Errors: replied, in Redis's words.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "commands/call.h"
#include "scripting/vm.h"

namespace terrace::scripting {

// May what the command runs write? Not in the commands that end in _RO.
enum class Writes : uint8_t { kAllowed, kForbidden };

// How many keys the command names. error: for what is no number; "" for the usual one.
std::optional<size_t> ParseKeyCount(commands::Call& call, std::string_view error);

// Runs the function behind the reference, if its flags allow it now. REQUIRES: key_count is from
// ParseKeyCount; call.executor; all locks of the keyspace are held.
void StartRun(Vm& vm, Run& run, uint32_t flags, Writes writes, int reference, size_t key_count);

}  // namespace terrace::scripting
