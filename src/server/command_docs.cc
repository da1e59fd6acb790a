// COMMAND DOCS: what the rows say of their commands, for people and for the tools that help them.

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "commands/command_syntax.h"
#include "commands/registry.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Argument;
using commands::Call;
using commands::Command;

// A map of only those fields which have something to say.
class DocFields {
 public:
  explicit DocFields(resp::Reply& reply) : reply_(reply), begin_(reply.Begin()) {}
  DocFields(const DocFields&) = delete;
  DocFields& operator=(const DocFields&) = delete;
  ~DocFields() { reply_.EndMap(begin_, count_); }

  // The caller writes the value.
  void Name(std::string_view name) {
    reply_.Bulk(name);
    ++count_;
  }
  void Text(std::string_view name, std::string_view text) {
    Name(name);
    reply_.Bulk(text);
  }

 private:
  resp::Reply& reply_;
  resp::Reply::Mark begin_;
  size_t count_ = 0;
};

struct DocFlag {
  bool is_set;
  std::string_view name;
};

void WriteFlags(resp::Reply& reply, DocFields& fields, std::string_view name,
                std::initializer_list<DocFlag> flags) {
  const auto count = std::ranges::count_if(flags, &DocFlag::is_set);
  if (count == 0) return;
  fields.Name(name);
  reply.Set(static_cast<size_t>(count));
  for (const DocFlag& flag : flags) {
    if (flag.is_set) reply.Simple(flag.name);
  }
}

void WriteArguments(resp::Reply& reply, std::span<const Argument> arguments) {
  reply.Array(arguments.size());
  for (const Argument& argument : arguments) {
    DocFields fields(reply);
    fields.Text("name", argument.name);
    fields.Text("type", argument.type);
    if (!argument.display_text.empty()) fields.Text("display_text", argument.display_text);
    if (argument.key_spec_index) {
      fields.Name("key_spec_index");
      reply.Integer(*argument.key_spec_index);
    }
    if (argument.token) fields.Text("token", *argument.token);
    WriteFlags(reply, fields, "flags",
               {{argument.is_optional, "optional"},
                {argument.is_multiple, "multiple"},
                {argument.repeats_token, "multiple_token"}});
    if (!argument.arguments.empty()) {
      fields.Name("arguments");
      WriteArguments(reply, argument.arguments);
    }
  }
}

void WriteCommand(resp::Reply& reply, const Command& command) {
  reply.Bulk(command.name);
  DocFields fields(reply);
  fields.Text("summary", command.summary);
  fields.Text("since", command.since);
  fields.Text("group", command.group);
  fields.Text("complexity", command.complexity);
  const bool is_deprecated = !command.deprecated.since.empty();
  WriteFlags(reply, fields, "doc_flags",
             {{is_deprecated, "deprecated"}, {command.has(commands::kSystem), "syscmd"}});
  if (is_deprecated) {
    fields.Text("deprecated_since", command.deprecated.since);
    fields.Text("replaced_by", command.deprecated.replaced_by);
  }
  if (!command.syntax.empty()) {
    const commands::Syntax syntax = commands::ParseSyntax(command.syntax);
    TERRACE_CHECK(syntax.error.empty());
    fields.Name("arguments");
    WriteArguments(reply, syntax.arguments);
  }
  if (!command.subcommands.empty()) {
    fields.Name("subcommands");
    reply.Map(command.subcommands.size());
    for (const Command& subcommand : command.subcommands) WriteCommand(reply, subcommand);
  }
}

}  // namespace

void CommandDocs(Call& call) {
  std::vector<const Command*> wanted;
  for (size_t at = 2; at < call.argc(); ++at) {
    if (const Command* command = call.registry.FindFull(call.args[at])) {
      wanted.push_back(command);
    }
  }
  if (call.argc() == 2) wanted.assign(call.registry.all().begin(), call.registry.all().end());
  call.reply.Map(wanted.size());
  for (const Command* command : wanted) WriteCommand(call.reply, *command);
}

}  // namespace terrace::server
