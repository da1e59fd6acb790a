#pragma once

// KeyAccess: what a command does with a key, in the words of COMMAND GETKEYSANDFLAGS: RO, RW, OW
// (overwrites) or RM (removes), and access (tells the value to the client), update, insert, delete.
//
// Threads: pure functions.

#include <cstdint>
#include <string_view>

#include "commands/command.h"

namespace terrace::commands {

// Of the key that is the command's nth (from 0). Without args (COMMAND INFO), as a command that
// depends on its arguments is at most. The words are separated by blanks.
std::string_view KeyAccess(const Command& command, Args args, size_t nth);

// The same as ACL asks for it: KeyPermission bits. REQUIRES: the row is the registry's.
uint8_t KeyPermissions(const Command& command, Args args, size_t nth);

// What these words ask for.
uint8_t PermissionsFor(std::string_view words);

}  // namespace terrace::commands
