#include "server/secrets.h"

#include "commands/registry.h"
#include "server/config_table.h"

namespace terrace::server {

bool IsSecret(const commands::Command& command, commands::Args args, size_t at) {
  if (command.name == "auth") return at > 0;
  if (command.name == "acl|setuser") return at > 1;
  if (command.name == "config|set") {
    return at > 2 && at % 2 == 1 && ConfigTable::IsSensitive(args[at - 1]);
  }
  if (command.name != "hello") return false;
  for (size_t before = 1; before <= 2 && before < at; ++before) {
    if (at - before >= 2 && commands::SameName(args[at - before], "auth")) return true;
  }
  return false;
}

}  // namespace terrace::server
