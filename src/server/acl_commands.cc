// ACL: the users and what they may do.

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "commands/categories.h"
#include "commands/registry.h"
#include "runtime/entropy.h"
#include "server/acl_connections.h"
#include "server/commands.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

// ---- Users -------------------------------------------------------------------------------------

void AclSetUser(Call& call) {
  const std::string_view name = call.args[2];
  if (AclHasBlanks(name)) {
    return call.reply.Error("ERR Usernames can't contain spaces or null characters");
  }
  const Core& core = CoreOf(call);
  const AclUsers::Changed changed = core.users->Set(name, call.args.subspan(3));
  if (!changed.error.empty()) return call.reply.Error("ERR " + changed.error);
  Connection& connection = ConnectionOf(call);
  if (changed.before != nullptr && !changed.after->KeepsChannelsOf(*changed.before)) {
    DisconnectRevokedSubscribers(core, *changed.after, connection);
  }
  RefreshAfterOwnChange(core, connection);
  call.reply.Ok();
}

void AclDelUser(Call& call) {
  const commands::Args names = call.args.subspan(2);
  if (std::find(names.begin(), names.end(), AclUsers::kDefaultName) != names.end()) {
    return call.reply.Error("ERR The 'default' user cannot be removed");
  }
  const Core& core = CoreOf(call);
  int64_t deleted = 0;
  for (const std::string_view name : names) deleted += core.users->Delete(name) ? 1 : 0;
  if (deleted > 0) {
    DisconnectGoneUsers(core, ConnectionOf(call));
    RefreshAfterOwnChange(core, ConnectionOf(call));
  }
  call.reply.Integer(deleted);
}

void WriteSelector(resp::Reply& reply, const AclSelector& selector) {
  reply.Bulk("commands");
  reply.Bulk(selector.DescribeCommands());
  reply.Bulk("keys");
  reply.Bulk(selector.DescribeKeys());
  reply.Bulk("channels");
  reply.Bulk(selector.DescribeChannels());
}

void AclGetUser(Call& call) {
  const AclUsers::User user = CoreOf(call).users->Find(call.args[2]);
  resp::Reply& reply = call.reply;
  if (user == nullptr) return reply.Null();
  reply.Map(6);
  reply.Bulk("flags");
  const auto flags = user->FlagNames();
  reply.Set(flags.size());
  for (const std::string_view flag : flags) reply.Bulk(flag);
  reply.Bulk("passwords");
  reply.Array(user->password_hashes().size());
  for (const std::string& hash : user->password_hashes()) reply.Bulk(hash);
  WriteSelector(reply, user->selectors()[0]);
  reply.Bulk("selectors");
  reply.Array(user->selectors().size() - 1);
  for (size_t i = 1; i < user->selectors().size(); ++i) {
    reply.Map(3);
    WriteSelector(reply, user->selectors()[i]);
  }
}

void AclList(Call& call) {
  const auto users = CoreOf(call).users->All();
  call.reply.Array(users.size());
  for (const auto& user : users) {
    call.reply.Bulk("user " + user->name() + " " + user->Describe());
  }
}

void AclUserNames(Call& call) {
  const auto users = CoreOf(call).users->All();
  call.reply.Array(users.size());
  for (const auto& user : users) call.reply.Bulk(user->name());
}

void AclWhoAmI(Call& call) { call.reply.Bulk(ConnectionOf(call).standing.user->name()); }

// ---- The file ----------------------------------------------------------------------------------

// False, with the error, when there is none.
bool HasAclFile(Call& call) {
  if (!CoreOf(call).server->settings().aclfile.empty()) return true;
  call.reply.Error(
      "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
      "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
      "configuration file set) in order to store users in the Redis configuration.");
  return false;
}

void AclLoad(Call& call) {
  if (!HasAclFile(call)) return;
  const std::string error = CoreOf(call).server->ReloadUsers();
  if (!error.empty()) return call.reply.Error("ERR " + error);
  DisconnectGoneUsers(CoreOf(call), ConnectionOf(call));
  RefreshAfterOwnChange(CoreOf(call), ConnectionOf(call));
  call.reply.Ok();
}

void AclSave(Call& call) {
  if (!HasAclFile(call)) return;
  const std::string error = CoreOf(call).server->SaveUsers();
  if (!error.empty()) {
    CoreOf(call).log->Warning("acl_save_failed", {{"why", error}});
    return call.reply.Error(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more "
        "information");
  }
  call.reply.Ok();
}

// ---- Questions ---------------------------------------------------------------------------------

void AclCat(Call& call) {
  if (call.argc() > 3) return ReplyUnknownSubcommand(call);
  if (call.argc() == 2) {
    call.reply.Array(commands::CategoryNames().size());
    for (const auto& category : commands::CategoryNames()) call.reply.Bulk(category.name);
    return;
  }
  const auto category = commands::FindCategory(call.args[2]);
  if (!category) {
    return call.reply.Error("ERR Unknown category '" + std::string(call.args[2].substr(0, 128)) +
                            "'");
  }
  std::vector<std::string_view> names;
  for (const Command& command : call.registry.rows()) {
    if ((commands::CategoriesOf(command) & *category) != 0) names.push_back(command.name);
  }
  call.reply.Array(names.size());
  for (const std::string_view name : names) call.reply.Bulk(name);
}

void AclDryRun(Call& call) {
  const AclUsers::User user = CoreOf(call).users->Find(call.args[2]);
  if (user == nullptr) {
    return call.reply.Error("ERR User '" + std::string(call.args[2]) + "' not found");
  }
  const commands::Args args = call.args.subspan(3);
  const Command* const command = call.registry.Resolve(args);
  if (command == nullptr) {
    return call.reply.Error("ERR Command '" + std::string(call.args[3]) + "' not found");
  }
  if (!command->ArityFits(args.size())) {
    return call.reply.Error("ERR wrong number of arguments for '" + std::string(command->name) +
                            "' command");
  }
  const AclVerdict verdict = user->Check(*command, args);
  if (verdict.allows()) return call.reply.Ok();
  call.reply.Bulk(DeniedText(verdict, *user, *command, args, AclDetail::kFull));
}

void AclGenPass(Call& call) {
  constexpr int64_t kBitsMax = 4096;
  if (call.argc() > 3) return ReplyUnknownSubcommand(call);
  int64_t bits = 256;
  if (call.argc() == 3) {
    const auto given = call.Integer(2);
    if (!given) return;
    bits = *given;
  }
  if (bits <= 0 || bits > kBitsMax) {
    return call.reply.Error(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
        "number up to " +
        std::to_string(kBitsMax));
  }
  call.reply.Bulk(runtime::RandomHex(static_cast<size_t>((bits + 3) / 4)));
}

// ---- The log -----------------------------------------------------------------------------------

void WriteLogEntry(Call& call, const AclLogEntry& entry) {
  resp::Reply& reply = call.reply;
  reply.Map(10);
  reply.Bulk("count");
  reply.Integer(entry.count);
  reply.Bulk("reason");
  reply.Bulk(NameOf(entry.reason));
  reply.Bulk("context");
  reply.Bulk(NameOf(entry.context));
  reply.Bulk("object");
  reply.Bulk(entry.object);
  reply.Bulk("username");
  reply.Bulk(entry.user);
  reply.Bulk("age-seconds");
  reply.Double(static_cast<double>(call.clock.WallMs() - entry.updated_ms) / 1000);
  reply.Bulk("client-info");
  reply.Bulk(entry.client);
  reply.Bulk("entry-id");
  reply.Integer(static_cast<int64_t>(entry.id));
  reply.Bulk("timestamp-created");
  reply.Integer(entry.created_ms);
  reply.Bulk("timestamp-last-updated");
  reply.Integer(entry.updated_ms);
}

void AclShowLog(Call& call) {
  if (call.argc() > 3) return ReplyUnknownSubcommand(call);
  Core& core = CoreOf(call);
  int64_t count = 10;
  if (call.argc() == 3) {
    if (call.Is(2, "reset")) {
      core.acl_log.Clear();
      return call.reply.Ok();
    }
    const auto given = call.Integer(2);
    if (!given) return;
    count = std::max<int64_t>(*given, 0);
  }
  const auto entries = core.acl_log.Newest(static_cast<size_t>(count));
  call.reply.Array(entries.size());
  for (const AclLogEntry& entry : entries) WriteLogEntry(call, entry);
}

// ---- Help and rows -----------------------------------------------------------------------------

void AclHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "CAT [<category>]",
      "    The categories of commands, or the commands in one.",
      "DELUSER <username> [<username> ...]",
      "    Remove users and disconnect their clients.",
      "DRYRUN <username> <command> [<arg> ...]",
      "    Whether the user could run the command, which is not run.",
      "GENPASS [<bits>]",
      "    Make a password of 256 random bits, or so many.",
      "GETUSER <username>",
      "    What a user is and may do.",
      "LIST",
      "    All users as rules that would make them.",
      "LOAD",
      "    Replace the users by those of the ACL file.",
      "LOG [<count> | RESET]",
      "    Show the newest refusals, or forget all.",
      "SAVE",
      "    Write the users to the ACL file.",
      "SETUSER <username> <attribute> [<attribute> ...]",
      "    Make a user, or change what one is and may do.",
      "USERS",
      "    The names of all users.",
      "WHOAMI",
      "    The name of this connection's user.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr uint32_t kAclHelpFlags = commands::kLoading | commands::kStale | commands::kNoLocks;
constexpr uint32_t kAclFlags = kAclHelpFlags | commands::kNoScript;
constexpr uint32_t kAclAdminFlags = kAclFlags | commands::kAdmin;

constexpr Command AclRow(std::string_view name, int arity, uint32_t flags,
                         commands::Handler handler, std::string_view since, std::string_view syntax,
                         std::string_view summary) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .handler = handler,
          .group = "server",
          .since = since,
          .syntax = syntax,
          .summary = summary};
}

constexpr Command kAclSubcommands[] = {
    AclRow("acl|cat", -2, kAclFlags, AclCat, "6.0.0", "[category]",
           "Lists categories, or the commands of one."),
    AclRow("acl|deluser", -3, kAclAdminFlags, AclDelUser, "6.0.0", "username...", "Removes users.")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    AclRow("acl|dryrun", -4, kAclAdminFlags, AclDryRun, "7.0.0", "username command [arg...]",
           "Tells whether a user may run a command."),
    AclRow("acl|genpass", -2, kAclFlags, AclGenPass, "6.0.0", "[bits]", "Makes a random password."),
    AclRow("acl|getuser", 3, kAclAdminFlags, AclGetUser, "6.0.0", "username", "Describes a user.")
        .Costs("O(N), N: rules of the user"),
    AclRow("acl|help", 2, kAclHelpFlags, AclHelp, "6.0.0", "", "Describes the subcommands."),
    AclRow("acl|list", 2, kAclAdminFlags, AclList, "6.0.0", "", "Lists users as rules.")
        .Costs("O(N), N: users"),
    AclRow("acl|load", 2, kAclAdminFlags, AclLoad, "6.0.0", "",
           "Reads the users from the ACL file.")
        .Costs("O(N), N: users"),
    AclRow("acl|log", -2, kAclAdminFlags, AclShowLog, "6.0.0", "[operation: count|RESET]",
           "Shows what was refused to whom.")
        .Costs("O(N), N: entries answered"),
    AclRow("acl|save", 2, kAclAdminFlags, AclSave, "6.0.0", "", "Writes the users to the ACL file.")
        .Costs("O(N), N: users")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    AclRow("acl|setuser", -3, kAclAdminFlags, AclSetUser, "6.0.0", "username [rule...]",
           "Makes or changes a user.")
        .Costs("O(N), N: rules given")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    AclRow("acl|users", 2, kAclAdminFlags, AclUserNames, "6.0.0", "", "Lists the names of users.")
        .Costs("O(N), N: users"),
    AclRow("acl|whoami", 2, kAclFlags, AclWhoAmI, "6.0.0", "", "Answers who this connection is."),
};

constexpr Command kAclCommands[] = {
    {.name = "acl",
     .arity = -2,
     .group = "server",
     .since = "6.0.0",
     .summary = "A container for access control commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kAclSubcommands},
};

}  // namespace

std::span<const Command> AclCommands() { return kAclCommands; }

}  // namespace terrace::server
