#include "commands/command_syntax.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace terrace::commands {
namespace {

// An argument in one word: name:type, then @key spec, "token", what it shows if not its name,
// ? optional, + multiple, ! repeats its token, and {what it consists of}.
std::string InBrief(const std::vector<Argument>& arguments) {
  std::string text;
  for (const Argument& argument : arguments) {
    if (!text.empty()) text += ' ';
    text += argument.name + ":" + std::string(argument.type);
    if (argument.key_spec_index) text += "@" + std::to_string(*argument.key_spec_index);
    if (argument.token) text += "\"" + *argument.token + "\"";
    if (argument.arguments.empty() && argument.display_text != argument.name) {
      text += "=" + argument.display_text;
    }
    if (argument.is_optional) text += "?";
    if (argument.is_multiple) text += "+";
    if (argument.repeats_token) text += "!";
    if (!argument.arguments.empty()) text += "{" + InBrief(argument.arguments) + "}";
  }
  return text;
}

std::string Parsed(std::string_view line) {
  const Syntax syntax = ParseSyntax(line);
  return syntax.error.empty() ? InBrief(syntax.arguments) : "error: " + syntax.error;
}

TEST(CommandSyntaxTest, AValueHasTheTypeThatItsNameSuggestsOrTheOneItSays) {
  EXPECT_EQ(Parsed("key value seconds timeout pattern unix-time-seconds"),
            "key:key@0 value:string seconds:integer timeout:double pattern:pattern "
            "unix-time-seconds:unix-time");
  EXPECT_EQ(Parsed("value<integer> key<string>"), "value:integer key:string");
}

TEST(CommandSyntaxTest, KeysHaveOneKeySpecAfterTheOtherUnlessTheySayWhich) {
  EXPECT_EQ(Parsed("source destination"), "source:key@0 destination:key@1");
  EXPECT_EQ(Parsed("key1 key2@0 key"), "key1:key@0 key2:key@0 key:key@1");
  EXPECT_EQ(Parsed("key pattern@1 destination"), "key:key@0 pattern:pattern@1 destination:key@2");
}

TEST(CommandSyntaxTest, ATokenStandsAloneOrBeforeAValueOrBeforeSeveral) {
  EXPECT_EQ(Parsed("NX"), "nx:pure-token\"NX\"");
  EXPECT_EQ(Parsed("EX seconds"), "seconds:integer\"EX\"");
  EXPECT_EQ(Parsed("LIMIT (offset count)"), "limit:block\"LIMIT\"{offset:integer count:integer}");
  EXPECT_EQ(Parsed("GROUP (group-block: group consumer)"),
            "group-block:block\"GROUP\"{group:string consumer:string}");
  EXPECT_EQ(Parsed("AGGREGATE (SUM|MIN)"),
            "aggregate:oneof\"AGGREGATE\"{sum:pure-token\"SUM\" min:pure-token\"MIN\"}");
}

TEST(CommandSyntaxTest, NamesMayDifferFromWhatIsShownOrSent) {
  EXPECT_EQ(Parsed("ADDR addr=ip:port"), "addr:string\"ADDR\"=ip:port");
  EXPECT_EQ(Parsed("[STORE storekey=key]"), "storekey:key@0\"STORE\"=key?");
  EXPECT_EQ(Parsed("[change=CH] auto-id=* equal== empty-string=\"\""),
            "change:pure-token\"CH\"? auto-id:pure-token\"*\" equal:pure-token\"=\" "
            "empty-string:pure-token\"\"");
}

TEST(CommandSyntaxTest, BracketsMakeChoicesAndBlocksAndWhatIsOptional) {
  EXPECT_EQ(Parsed("(where: LEFT|RIGHT)"),
            "where:oneof{left:pure-token\"LEFT\" right:pure-token\"RIGHT\"}");
  EXPECT_EQ(Parsed("[order: ASC|DESC]"),
            "order:oneof?{asc:pure-token\"ASC\" desc:pure-token\"DESC\"}");
  EXPECT_EQ(Parsed("[count-block: COUNT count [ANY]]"),
            "count-block:block?{count:integer\"COUNT\" any:pure-token\"ANY\"?}");
  EXPECT_EQ(Parsed("(args: (host-port: host port)|(no-one: NO ONE))"),
            "args:oneof{host-port:block{host:string port:integer} "
            "no-one:block{no:pure-token\"NO\" one:pure-token\"ONE\"}}");
}

TEST(CommandSyntaxTest, WhatRepeatsTakesItsTokenAlongOnlyWithinBrackets) {
  EXPECT_EQ(Parsed("key... [arg...]"), "key:key@0+ arg:string?+");
  EXPECT_EQ(Parsed("(data: field value)..."), "data:block+{field:string value:string}");
  EXPECT_EQ(Parsed("[WEIGHTS weight...]"), "weight:integer\"WEIGHTS\"?+");
  EXPECT_EQ(Parsed("[PREFIX prefix]..."), "prefix:string\"PREFIX\"?+!");
  EXPECT_EQ(Parsed("[operation: GET encoding|FAIL]..."),
            "operation:oneof?+{encoding:string\"GET\" fail:pure-token\"FAIL\"}");
}

TEST(CommandSyntaxTest, NothingIsTheSyntaxOfNoArguments) { EXPECT_EQ(Parsed(""), ""); }

TEST(CommandSyntaxTest, WhatMakesNoSenseIsAnErrorThatSaysWhere) {
  EXPECT_EQ(Parsed("key [GET"), "error: the end of the brackets is missing before ''");
  EXPECT_EQ(Parsed("key [A|B"), "error: the end of the brackets is missing before ''");
  for (const std::string_view line : {
           "key]",
           "key)",
           "(key]",
           "()",
           "[",
           "A|B",
           "(A|B)",              // without a name
           "(a b)",              // without a name
           "(name: key)",        // a name for a single one
           "[where: A|B C]",     // neither a choice nor a block
           "[where: A|]",        // of nothing
           "EX seconds... ...",  // of nothing
           "key<int>",           // no such type
           "key<string",         //
           "key@",               // which?
           "key@x",              //
           "name=",              // of what?
           "A name=B",           // two tokens
           "key, value",         //
           "Sentences are no syntax.",
       }) {
    EXPECT_TRUE(Parsed(line).starts_with("error: ")) << line << " was taken for " << Parsed(line);
  }
}

}  // namespace
}  // namespace terrace::commands
