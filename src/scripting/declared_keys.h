#pragma once

// The proof that a script touches no keys but those that it is given, made from its compiled form
// before it ever runs. A script that has it runs under the locks of its keys' shards alone; any
// other is given all of them. See docs/scripting.md for what is proven, and how.
//
// Promises:  true only if in every run each command that is called has all its keys among those
//            given, and needs no lock but theirs. Many scripts of which that is true are not found
//            to be so.
// Threads:   pure functions.

#include "commands/registry.h"
#include "scripting/chunk.h"

namespace terrace::scripting {

// Where a function finds its keys, and who else its variables may be shared with.
enum class KeySource : uint8_t {
  kGlobal,     // a script: the table KEYS
  kParameter,  // a function of a library: its first parameter
};

[[nodiscard]] bool TouchesOnlyGivenKeys(const Chunk& function, KeySource source,
                                        const commands::Registry& registry);

}  // namespace terrace::scripting
