#pragma once

// KeyAccess: what a command does with a key, in the words of KeySpec::access, separated by blanks.
//
// Threads: pure functions.

#include <cstdint>
#include <string_view>

#include "commands/command.h"

namespace terrace::commands {

// Of the keys of this spec of the command; "RW update" or "RO access", after the command's flags,
// where the spec does not say.
std::string_view AccessOf(const Command& command, const KeySpec& spec);

// Of the key that is the command's nth (from 0). Without args, as a command that depends on its
// arguments is at most.
std::string_view KeyAccess(const Command& command, Args args, size_t nth);

// The same as ACL asks for it: KeyPermission bits. REQUIRES: the row is the registry's.
uint8_t KeyPermissions(const Command& command, Args args, size_t nth);

// Is this word, in lower case, among the arguments from this one on?
bool Mentions(Args args, size_t from, std::string_view word);

// What these words ask for.
uint8_t PermissionsFor(std::string_view words);

}  // namespace terrace::commands
