#pragma once

// Registry: all commands, by name. Built once at start-up from the families' arrays and then
// immutable, so any thread may use it.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands/command.h"

namespace terrace::commands {

class Registry {
 public:
  // families: the rows; copied.
  explicit Registry(std::span<const std::span<const Command>> families);

  // The command of this name, in any case; nullptr when there is none. A container of subcommands
  // is found by its own name.
  const Command* Find(std::string_view name) const;

  // The command, or subcommand, of this full name ("get", "config|get"), in any case; nullptr when
  // there is none.
  const Command* FindFull(std::string_view name) const;

  // The row to run for these arguments: for a container, the subcommand's. nullptr when there is
  // none. REQUIRES: args is not empty.
  const Command* Resolve(Args args) const;

  // Every top-level command.
  std::span<const Command* const> all() const { return all_; }
  // Every command and subcommand, by Command::id.
  std::span<const Command> rows() const { return rows_; }

 private:
  struct Slot {
    uint64_t hash = 0;
    const Command* command = nullptr;
  };
  std::vector<Slot> slots_;  // open addressing, a power of two
  std::vector<Command> rows_;
  std::vector<const Command*> all_;
};

// Is a the same name as b, which is in lower case?
bool SameName(std::string_view a, std::string_view b);

// The data families: everything that speaks of keys.
std::span<const Command> StringCommands();
std::span<const Command> StringNumericCommands();
std::span<const Command> StringRangeCommands();
std::span<const Command> StringLcsCommands();
std::span<const Command> BitmapCommands();
std::span<const Command> BitfieldCommands();
std::span<const Command> KeyCommands();
std::span<const Command> KeyExpiryCommands();
std::span<const Command> KeyspaceWalkCommands();
std::span<const Command> KeyDumpCommands();
std::span<const Command> ObjectCommands();
std::span<const Command> SortCommands();
std::span<const Command> HashCommands();
std::span<const Command> HashExpiryCommands();
std::span<const Command> SetCommands();
std::span<const Command> SetAlgebraCommands();
std::span<const Command> SortedSetCommands();
std::span<const Command> SortedSetRangeCommands();
std::span<const Command> SortedSetAlgebraCommands();
std::span<const Command> SortedSetBlockingCommands();
std::span<const Command> GeoCommands();
std::span<const Command> GeoSearchCommands();
std::span<const Command> ListCommands();
std::span<const Command> ListBlockingCommands();
std::span<const Command> HyperLogLogCommands();
std::span<const Command> StreamCommands();
std::span<const Command> StreamReadCommands();
std::span<const Command> StreamGroupCommands();
std::span<const Command> StreamClaimCommands();
std::span<const Command> StreamInfoCommands();

// Their list. The server adds its own (connection, configuration, information).
std::span<const std::span<const Command>> DataFamilies();

}  // namespace terrace::commands
