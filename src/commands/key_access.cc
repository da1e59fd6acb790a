#include "commands/key_access.h"

#include "commands/registry.h"

namespace terrace::commands {

bool Mentions(Args args, size_t from, std::string_view word) {
  for (size_t i = from; i < args.size(); ++i) {
    if (SameName(args[i], word)) return true;
  }
  return false;
}

std::string_view AccessOf(const Command& command, const KeySpec& spec) {
  if (!spec.access.empty()) return spec.access;
  return command.has(kWrite) ? "RW update" : "RO access";
}

std::string_view KeyAccess(const Command& command, Args args, size_t nth) {
  if (command.access_for != nullptr && !args.empty()) return command.access_for(args);
  if (command.keys.spec_count == 0) return {};
  return AccessOf(command, nth == 0 ? command.keys.all().front() : command.keys.all().back());
}

uint8_t PermissionsFor(std::string_view words) {
  uint8_t permissions = 0;
  if (words.find("access") != words.npos) permissions |= kKeyRead;
  for (const std::string_view change : {"insert", "update", "delete"}) {
    if (words.find(change) != words.npos) permissions |= kKeyWrite;
  }
  return permissions;
}

uint8_t KeyPermissions(const Command& command, Args args, size_t nth) {
  if (command.access_for != nullptr) return PermissionsFor(command.access_for(args));
  return nth == 0 ? command.first_key_permissions : command.other_key_permissions;
}

}  // namespace terrace::commands
