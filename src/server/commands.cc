#include "server/commands.h"

#include <iterator>

#include "commands/registry.h"
#include "server/worker.h"

namespace terrace::server {

std::vector<std::span<const commands::Command>> AllFamilies() {
  const std::span<const commands::Command> ours[] = {
      // clang-format off
      AclCommands(),
      AdminCommands(),
      ClientCommands(),
      ClusterCommands(),
      CommandCommands(),
      ConnectionCommands(),
      DebugCommands(),
      FunctionCommands(),
      InfoCommands(),
      LatencyCommands(),
      MemoryCommands(),
      MigrateCommands(),
      PersistenceCommands(),
      PubSubCommands(),
      ReplicationCommands(),
      ScriptCommands(),
      SlowlogCommands(),
      TierCommands(),
      TransactionCommands(),
      // clang-format on
  };
  const auto data = commands::DataFamilies();
  std::vector<std::span<const commands::Command>> families(data.begin(), data.end());
  families.insert(families.end(), std::begin(ours), std::end(ours));
  return families;
}

Connection& ConnectionOf(commands::Call& call) { return static_cast<Connection&>(call.session); }

Core& CoreOf(commands::Call& call) { return ConnectionOf(call).worker->core(); }

Connection& RunnerOf(commands::Call& call) {
  return static_cast<RequestPath*>(call.executor)->running();
}

bool IsPrintableWord(std::string_view text) {
  for (const char c : text) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

void SetClientName(Connection& connection, std::string_view name) {
  connection.name = std::string(name);
  std::lock_guard lock(connection.view.names_mutex);
  connection.view.name = std::string(name);
}

void ReplyUnknownSubcommand(commands::Call& call) {
  std::string name(call.args[0]);
  for (char& c : name) c = static_cast<char>(std::toupper(c));
  call.reply.Error("ERR unknown subcommand or wrong number of arguments for '" +
                   std::string(call.args[1].substr(0, 128)) + "'. Try " + name + " HELP.");
}

}  // namespace terrace::server
