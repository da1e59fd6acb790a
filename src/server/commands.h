#pragma once

// The command families of the server itself: connections, configuration, information. Their
// handlers reach the server through the session, which is always a Connection here.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands/call.h"
#include "commands/command.h"
#include "commands/help.h"
#include "server/connection.h"
#include "server/core.h"

namespace terrace::server {

std::span<const commands::Command> ConnectionCommands();
std::span<const commands::Command> ClientCommands();
std::span<const commands::Command> AclCommands();
std::span<const commands::Command> AdminCommands();
std::span<const commands::Command> ClusterCommands();
std::span<const commands::Command> CommandCommands();
std::span<const commands::Command> DebugCommands();
std::span<const commands::Command> FunctionCommands();
std::span<const commands::Command> InfoCommands();
std::span<const commands::Command> PersistenceCommands();
std::span<const commands::Command> PubSubCommands();
std::span<const commands::Command> ReplicationCommands();
std::span<const commands::Command> ScriptCommands();
std::span<const commands::Command> LatencyCommands();
std::span<const commands::Command> MemoryCommands();
std::span<const commands::Command> MigrateCommands();
std::span<const commands::Command> SlowlogCommands();
std::span<const commands::Command> TierCommands();
std::span<const commands::Command> TransactionCommands();

// Those of the server, and those of the data.
std::vector<std::span<const commands::Command>> AllFamilies();

// What INFO says of replicas.
std::string ReplicationInfo(Core& core);

Connection& ConnectionOf(commands::Call& call);
Core& CoreOf(commands::Call& call);
// The connection whose request runs. A script has a session of its own, on its client's behalf.
Connection& RunnerOf(commands::Call& call);

// Is it Valkey that clients are told they talk to, rather than Redis?
bool IsCalledValkey(commands::Call& call);

// Printable, without blanks: what client names and library names may be.
bool IsPrintableWord(std::string_view text);
void SetClientName(Connection& connection, std::string_view name);

// For a subcommand that takes fewer arguments than it was given.
void ReplyUnknownSubcommand(commands::Call& call);

// COMMAND DOCS, in command_docs.cc.
void CommandDocs(commands::Call& call);

// CLIENT UNBLOCK, PAUSE and UNPAUSE, in client_waiting.cc.
void ClientUnblock(commands::Call& call);
void ClientPauseStart(commands::Call& call);
void ClientPauseEnd(commands::Call& call);

}  // namespace terrace::server
