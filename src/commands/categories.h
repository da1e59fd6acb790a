#pragma once

// Categories: the groups of commands that ACL rules name (+@read), in the order of ACL CAT.
//
// Threads: pure functions.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "commands/command.h"

namespace terrace::commands {

struct CategoryName {
  uint32_t bit;
  std::string_view name;  // without the '@'
};
std::span<const CategoryName> CategoryNames();

// All categories of a command: those of its row and those that its flags imply.
uint32_t CategoriesOf(const Command& command);

// By its name in any case, without the '@'.
std::optional<uint32_t> FindCategory(std::string_view name);

}  // namespace terrace::commands
