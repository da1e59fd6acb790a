// The rows of all commands: what they say twice must agree.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "commands/command_syntax.h"
#include "commands/registry.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

using commands::Argument;
using commands::Command;
using commands::Syntax;

// How many words an argument takes at least, and whether it may take more.
struct Words {
  int min = 0;
  bool may_be_more = false;
};

Words WordsOf(std::span<const Argument> arguments);

Words WordsOf(const Argument& argument) {
  Words words;
  if (argument.type == "block") {
    words = WordsOf(argument.arguments);
  } else if (argument.type == "oneof") {
    words = WordsOf(argument.arguments.front());
    for (const Argument& alternative : argument.arguments) {
      const Words other = WordsOf(alternative);
      words.may_be_more |= other.may_be_more || other.min != words.min;
      words.min = std::min(words.min, other.min);
    }
  } else {
    words.min = 1;
  }
  if (argument.token && argument.type != "pure-token") ++words.min;
  words.may_be_more |= argument.is_multiple || argument.is_optional;
  if (argument.is_optional) words.min = 0;
  return words;
}

Words WordsOf(std::span<const Argument> arguments) {
  Words all;
  for (const Argument& argument : arguments) {
    const Words words = WordsOf(argument);
    all.min += words.min;
    all.may_be_more |= words.may_be_more;
  }
  return all;
}

bool NamesAKey(std::span<const Argument> arguments) {
  return std::ranges::any_of(arguments, [](const Argument& argument) {
    return argument.type == "key" || NamesAKey(argument.arguments);
  });
}

class CommandTableTest : public ::testing::Test {
 protected:
  // Calls check(row, its syntax) for every row.
  template <typename Check>
  void ForEachRow(Check check) {
    for (const Command& row : registry_.rows()) {
      SCOPED_TRACE(row.name);
      check(row, commands::ParseSyntax(row.syntax));
    }
  }

  const commands::Registry registry_{AllFamilies()};
};

TEST_F(CommandTableTest, EverySyntaxMakesSense) {
  ForEachRow([](const Command&, const Syntax& syntax) { EXPECT_EQ(syntax.error, ""); });
}

TEST_F(CommandTableTest, ArityIsThatOfTheSyntax) {
  // Arity and syntax are both Redis's, which contradict each other here, or tell nothing.
  const std::set<std::string_view> inexact = {"client|kill", "debug", "pfdebug",
                                              "psync",       "quit",  "replconf"};
  ForEachRow([&](const Command& row, const Syntax& syntax) {
    if (!row.subcommands.empty() || inexact.contains(row.name)) return;
    const Words words = WordsOf(syntax.arguments);
    const int count = words.min + (row.name.find('|') == row.name.npos ? 1 : 2);
    EXPECT_EQ(row.arity, words.may_be_more ? -count : count);
  });
}

TEST_F(CommandTableTest, ASyntaxNamesKeysWhereTheRowHasSome) {
  ForEachRow([](const Command& row, const Syntax& syntax) {
    EXPECT_EQ(row.keys.any(), NamesAKey(syntax.arguments));
  });
}

TEST_F(CommandTableTest, ADeprecatedCommandSaysWhatToUse) {
  ForEachRow([](const Command& row, const Syntax&) {
    EXPECT_EQ(row.deprecated.since.empty(), row.deprecated.replaced_by.empty());
  });
}

}  // namespace
}  // namespace terrace::server
