// COMMAND: the command table as clients ask for it.

#include <string>
#include <vector>

#include "base/glob.h"
#include "commands/categories.h"
#include "commands/key_access.h"
#include "commands/registry.h"
#include "server/command_info.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kLoading;
using commands::kNoLocks;
using commands::kStale;

void CommandAll(Call& call) {
  call.reply.Array(call.registry.all().size());
  for (const Command* command : call.registry.all()) WriteCommandInfo(call.reply, *command);
}

void CommandCount(Call& call) {
  call.reply.Integer(static_cast<int64_t>(call.registry.all().size()));
}

void CommandInfo(Call& call) {
  if (call.argc() == 2) return CommandAll(call);
  call.reply.Array(call.argc() - 2);
  for (size_t at = 2; at < call.argc(); ++at) {
    if (const Command* command = call.registry.FindFull(call.args[at])) {
      WriteCommandInfo(call.reply, *command);
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
  if (!(*command)->keys.any()) {
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
    WriteWords(call.reply, commands::KeyAccess(*command, call.args.subspan(2), i));
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
               "Describes commands.")
        .Costs("O(N), N: commands asked for")
        .Tipped("nondeterministic_output_order"),
    CommandRow("command|docs", -2, CommandDocs, "7.0.0", "[command-name...]", "Documents commands.")
        .Costs("O(N), N: commands asked for")
        .Tipped("nondeterministic_output_order"),
    CommandRow("command|list", -2, CommandList, "7.0.0",
               "[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern)]",
               "Lists the names of commands.")
        .Costs("O(N), N: commands")
        .Tipped("nondeterministic_output_order"),
    CommandRow("command|getkeys", -3, CommandGetKeys, "2.8.13", "command [arg...]",
               "Extracts the keys of a command line.")
        .Costs("O(N), N: arguments of the command"),
    CommandRow("command|getkeysandflags", -3, CommandGetKeysAndFlags, "7.0.0", "command [arg...]",
               "Extracts the keys of a command line, with what is done to them.")
        .Costs("O(N), N: arguments of the command"),
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
     .complexity = "O(N), N: commands",
     .subcommands = kCommandSubcommands,
     .tips = "nondeterministic_output_order"},
};

}  // namespace

std::span<const Command> CommandCommands() { return kCommandCommands; }

}  // namespace terrace::server
