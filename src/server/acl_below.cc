#include "server/acl_below.h"

#include <algorithm>

#include "base/letters.h"
#include "server/connection.h"

namespace terrace::server {
namespace {

// EVAL, EVALSHA, FCALL and their _RO forms: nobody can tell what the script calls.
bool RunsScript(const commands::Command& command) {
  return (command.categories & commands::kScripting) != 0 && command.keys.is_movable;
}

bool ReadsOtherKeys(const commands::Command& command, commands::Args args) {
  if (command.name != "sort" && command.name != "sort_ro") return false;
  return std::ranges::any_of(args.subspan(2), [](std::string_view word) {
    return base::SameWord(word, "by") || base::SameWord(word, "get");
  });
}

}  // namespace

std::string WhyDeniedBelow(const Connection& connection, const commands::Command& command,
                           commands::Args args) {
  if (connection.unrestricted_at != 0) [[likely]]
    return "";
  const AclUser& user = *connection.standing.user;
  if (RunsScript(command)) {
    return "NOPERM User " + user.name() + " has limits that the regional tier cannot keep in '" +
           std::string(command.name) + "'";
  }
  if (ReadsOtherKeys(command, args) &&
      !user.MayRunOverEveryKey(command, args, commands::kKeyRead)) {
    return "NOPERM User " + user.name() + " may not read every key, as SORT with BY or GET needs";
  }
  return "";
}

}  // namespace terrace::server
