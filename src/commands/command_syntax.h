#pragma once

// Syntax: what a row says of the arguments of its command, as one line in the form that people
// know, and the tree of arguments which COMMAND DOCS answers, made of that line when asked.
//
//   seconds                  a value; what it is called tells its type
//   value<integer>           ... but for this one, which says its type
//   NX                       a token, sent as it is
//   EX seconds               a token with a value behind it
//   LIMIT (offset count)     a token with several arguments behind it
//   (data: field value)      a block of several, named data
//   (where: LEFT|RIGHT)      one of several, named where
//   [GET] [order: ASC|DESC]  optional ones
//   field...                 once or more often
//   [WEIGHTS weight...]      ... behind one token
//   [PREFIX prefix]...       ... each time with its token, as that is in the brackets, too
//   addr=ip:port             a value that is shown to people by another word than its name
//   change=CH                a token whose name is not the token in lower case
//   key2@0                   a key, or pattern, of that key spec; others are of the next one
//
// Names are in lower case, tokens are not; signs like * are tokens, "" is the empty one.
//
// Ownership: a tree keeps nothing of the line, and nobody keeps a tree.
// Threads:   pure functions.
// Errors:    a line that makes no sense gives no tree but the reason. The lines are constants, and
//            a test has all of them parsed.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::commands {

// An argument as COMMAND DOCS describes it.
struct Argument {
  std::string name;
  std::string_view type;     // as it is answered: "key", "integer", "oneof" ...
  std::string display_text;  // empty for a oneof or a block
  std::optional<int> key_spec_index;
  std::optional<std::string> token;
  bool is_optional = false;
  bool is_multiple = false;
  bool repeats_token = false;       // of one that is multiple
  std::vector<Argument> arguments;  // of a oneof or a block
};

struct Syntax {
  std::vector<Argument> arguments;
  std::string error;  // empty: the line makes sense
};

Syntax ParseSyntax(std::string_view line);

}  // namespace terrace::commands
