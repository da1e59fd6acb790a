#include "server/secrets.h"

#include "commands/registry.h"
#include "server/config_table.h"

namespace terrace::server {
namespace {

// Behind AUTH or AUTH2, which may be the name of a key behind KEYS, or a password themselves.
bool IsLoginOfMigrate(commands::Args args, size_t at) {
  for (size_t i = 6; i < at; ++i) {
    if (commands::SameName(args[i], "keys")) return false;
    const size_t own_count = commands::SameName(args[i], "auth")    ? 1
                             : commands::SameName(args[i], "auth2") ? 2
                                                                    : 0;
    if (at <= i + own_count) return true;
    i += own_count;
  }
  return false;
}

}  // namespace

bool IsSecret(const commands::Command& command, commands::Args args, size_t at) {
  if (command.name == "auth") return at > 0;
  if (command.name == "acl|setuser") return at > 1;
  if (command.name == "config|set") {
    return at > 2 && at % 2 == 1 && ConfigTable::IsSensitive(args[at - 1]);
  }
  if (command.name == "migrate") return IsLoginOfMigrate(args, at);
  if (command.name != "hello") return false;
  for (size_t before = 1; before <= 2 && before < at; ++before) {
    if (at - before >= 2 && commands::SameName(args[at - before], "auth")) return true;
  }
  return false;
}

}  // namespace terrace::server
