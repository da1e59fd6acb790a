// COMMAND: the command table as clients ask for it.

#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "commands/categories.h"
#include "commands/key_access.h"
#include "commands/registry.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kLoading;
using commands::kNoLocks;
using commands::kStale;

struct Name {
  uint32_t bit;
  std::string_view name;
};

constexpr Name kFlagNames[] = {
    {commands::kWrite, "write"},
    {commands::kReadOnly, "readonly"},
    {commands::kDenyOom, "denyoom"},
    {commands::kAdmin, "admin"},
    {commands::kPubSub, "pubsub"},
    {commands::kNoScript, "noscript"},
    {commands::kBlocking, "blocking"},
    {commands::kLoading, "loading"},
    {commands::kStale, "stale"},
    {commands::kSkipMonitor, "skip_monitor"},
    {commands::kSkipSlowlog, "skip_slowlog"},
    {commands::kFast, "fast"},
    {commands::kNoAuth, "no_auth"},
    {commands::kNoMulti, "no_multi"},
    {commands::kMovableKeys, "movablekeys"},
    {commands::kAllowBusy, "allow_busy"},
    {commands::kNoMandatoryKeys, "no_mandatory_keys"},
};

// The words of KeyAccess as a set.
void WriteKeyAccess(Call& call, std::string_view words) {
  call.reply.Set(1 + static_cast<size_t>(std::count(words.begin(), words.end(), ' ')));
  while (!words.empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    call.reply.Simple(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
  }
}

void WriteCategories(resp::Reply& reply, const Command& command) {
  const uint32_t categories = commands::CategoriesOf(command);
  reply.Set(static_cast<size_t>(std::popcount(categories)));
  for (const commands::CategoryName& category : commands::CategoryNames()) {
    if ((categories & category.bit) != 0) reply.Simple("@" + std::string(category.name));
  }
}

void WriteInfo(Call& call, const Command& command) {
  resp::Reply& reply = call.reply;
  reply.Array(10);
  reply.Bulk(command.name);
  reply.Integer(command.arity);
  const auto flags = std::count_if(std::begin(kFlagNames), std::end(kFlagNames),
                                   [&](const Name& flag) { return command.has(flag.bit); });
  reply.Set(static_cast<size_t>(flags));
  for (const Name& flag : kFlagNames) {
    if (command.has(flag.bit)) reply.Simple(flag.name);
  }
  reply.Integer(command.keys.first);
  reply.Integer(command.keys.last);
  reply.Integer(command.keys.step);
  WriteCategories(reply, command);
  reply.Array(0);  // tips
  if (command.keys.first == 0) {
    reply.Array(0);
  } else {
    reply.Array(1);
    reply.Map(3);
    reply.Bulk("flags");
    WriteKeyAccess(call, commands::KeyAccess(command, {}, 0));
    reply.Bulk("begin_search");
    reply.Map(2);
    reply.Bulk("type");
    reply.Bulk("index");
    reply.Bulk("spec");
    reply.Map(1);
    reply.Bulk("index");
    reply.Integer(command.keys.first);
    reply.Bulk("find_keys");
    reply.Map(2);
    reply.Bulk("type");
    reply.Bulk("range");
    reply.Bulk("spec");
    reply.Map(3);
    reply.Bulk("lastkey");
    reply.Integer(command.keys.last < 0 ? command.keys.last
                                        : command.keys.last - command.keys.first);
    reply.Bulk("keystep");
    reply.Integer(command.keys.step);
    reply.Bulk("limit");
    reply.Integer(0);
  }
  reply.Array(command.subcommands.size());
  for (const Command& subcommand : command.subcommands) WriteInfo(call, subcommand);
}

void CommandAll(Call& call) {
  call.reply.Array(call.registry.all().size());
  for (const Command* command : call.registry.all()) WriteInfo(call, *command);
}

void CommandCount(Call& call) {
  call.reply.Integer(static_cast<int64_t>(call.registry.all().size()));
}

void CommandInfo(Call& call) {
  if (call.argc() == 2) return CommandAll(call);
  call.reply.Array(call.argc() - 2);
  for (size_t at = 2; at < call.argc(); ++at) {
    if (const Command* command = call.registry.FindFull(call.args[at])) {
      WriteInfo(call, *command);
    } else {
      call.reply.NullArray();
    }
  }
}

void CommandList(Call& call) {
  std::vector<std::string_view> names;
  std::string_view filter, value;
  if (call.argc() > 2) {
    if (call.argc() != 5 || !call.Is(2, "filterby")) return call.reply.SyntaxError();
    filter = call.args[3];
    value = call.args[4];
    if (!commands::SameName(filter, "module") && !commands::SameName(filter, "aclcat") &&
        !commands::SameName(filter, "pattern")) {
      return call.reply.SyntaxError();
    }
  }
  const auto add = [&](const Command& command) {
    if (commands::SameName(filter, "module")) return;
    if (commands::SameName(filter, "aclcat")) {
      const auto category = commands::FindCategory(value);
      if (!category || (commands::CategoriesOf(command) & *category) == 0) return;
    }
    if (commands::SameName(filter, "pattern") &&
        !base::GlobMatch(value, command.name, base::GlobCase::kInsensitive)) {
      return;
    }
    names.push_back(command.name);
  };
  for (const Command* command : call.registry.all()) {
    add(*command);
    for (const Command& subcommand : command->subcommands) add(subcommand);
  }
  call.reply.Set(names.size());
  for (const std::string_view name : names) call.reply.Bulk(name);
}

// The keys of the command line given after GETKEYS; replies the error when there are none.
bool KeysOf(Call& call, const Command** command, std::vector<int>* positions) {
  const commands::Args args = call.args.subspan(2);
  *command = call.registry.Resolve(args);
  if (*command == nullptr) {
    call.reply.Error("ERR Invalid command specified");
    return false;
  }
  if ((*command)->keys.first == 0 && (*command)->keys.find == nullptr) {
    call.reply.Error("ERR The command has no key arguments");
    return false;
  }
  if (!(*command)->ArityFits(args.size())) {
    call.reply.Error("ERR Invalid number of arguments specified for command");
    return false;
  }
  const bool may_be_none = (*command)->has(commands::kNoMandatoryKeys);
  if (!commands::FindKeys(**command, args, positions)) positions->clear();
  if (positions->empty() && !may_be_none) {
    call.reply.Error("ERR Invalid arguments specified for command");
    return false;
  }
  return true;
}

void CommandGetKeys(Call& call) {
  const Command* command;
  std::vector<int> positions;
  if (!KeysOf(call, &command, &positions)) return;
  call.reply.Array(positions.size());
  for (const int at : positions) call.reply.Bulk(call.args[2 + static_cast<size_t>(at)]);
}

void CommandGetKeysAndFlags(Call& call) {
  const Command* command;
  std::vector<int> positions;
  if (!KeysOf(call, &command, &positions)) return;
  call.reply.Array(positions.size());
  for (size_t i = 0; i < positions.size(); ++i) {
    call.reply.Array(2);
    call.reply.Bulk(call.args[2 + static_cast<size_t>(positions[i])]);
    WriteKeyAccess(call, commands::KeyAccess(*command, call.args.subspan(2), i));
  }
}

void CommandHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "(no subcommand)",
      "    Return details about all commands.",
      "COUNT",
      "    Return the total number of commands in this server.",
      "LIST",
      "    Return a list of all commands in this server.",
      "INFO [<command-name> ...]",
      "    Return details about multiple commands.",
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple commands.",
      "GETKEYS <full-command>",
      "    Return the keys from a full command.",
      "GETKEYSANDFLAGS <full-command>",
      "    Return the keys and the access flags.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr uint32_t kCommandFlags = kLoading | kStale | kNoLocks;

constexpr Command CommandRow(std::string_view name, int arity, commands::Handler handler,
                             std::string_view since, std::string_view syntax,
                             std::string_view summary) {
  return {.name = name,
          .arity = arity,
          .flags = kCommandFlags,
          .categories = commands::kConnection,
          .handler = handler,
          .group = "server",
          .since = since,
          .syntax = syntax,
          .summary = summary};
}

constexpr Command kCommandSubcommands[] = {
    CommandRow("command|count", 2, CommandCount, "2.8.13", "", "Counts the commands."),
    CommandRow("command|info", -2, CommandInfo, "2.8.13", "[command-name...]",
               "Describes commands."),
    CommandRow("command|docs", -2, CommandDocs, "7.0.0", "[command-name...]",
               "Documents commands."),
    CommandRow("command|list", -2, CommandList, "7.0.0",
               "[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern)]",
               "Lists the names of commands."),
    CommandRow("command|getkeys", -3, CommandGetKeys, "2.8.13", "command [arg...]",
               "Extracts the keys of a command line."),
    CommandRow("command|getkeysandflags", -3, CommandGetKeysAndFlags, "7.0.0", "command [arg...]",
               "Extracts the keys of a command line, with what is done to them."),
    CommandRow("command|help", 2, CommandHelp, "5.0.0", "", "Describes the subcommands."),
};

constexpr Command kCommandCommands[] = {
    {.name = "command",
     .arity = -1,
     .flags = kCommandFlags,
     .categories = commands::kConnection,
     .handler = CommandAll,
     .group = "server",
     .since = "2.8.13",
     .summary = "Describes all commands.",
     .subcommands = kCommandSubcommands},
};

}  // namespace

std::span<const Command> CommandCommands() { return kCommandCommands; }

}  // namespace terrace::server
