#include "commands/help.h"

#include <cctype>
#include <string>

namespace terrace::commands {

void ReplyHelp(Call& call, std::span<const std::string_view> lines) {
  std::string name(call.args[0]);
  for (char& c : name) c = static_cast<char>(std::toupper(c));
  call.reply.Array(lines.size() + 3);
  call.reply.Simple(name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const std::string_view line : lines) call.reply.Simple(line);
  call.reply.Simple("HELP");
  call.reply.Simple("    Print this help.");
}

}  // namespace terrace::commands
