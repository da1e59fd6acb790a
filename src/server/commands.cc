#include "server/commands.h"

#include "server/worker.h"

namespace terrace::server {

std::span<const std::span<const commands::Command>> ServerFamilies() {
  static const std::span<const commands::Command> families[] = {ConnectionCommands()};
  return families;
}

Connection& ConnectionOf(commands::Call& call) { return static_cast<Connection&>(call.session); }

Core& CoreOf(commands::Call& call) { return ConnectionOf(call).worker->core(); }

}  // namespace terrace::server
