#include "commands/key_access.h"

#include <array>
#include <string>

#include "commands/registry.h"

namespace terrace::commands {
namespace {

struct Group {
  std::string_view first;   // of the first key
  std::string_view others;  // of those behind it
  std::string_view names;   // between blanks
};

// Commands that read are "RO access" and commands that write "RW update" unless they are here.
constexpr std::array kGroups = std::to_array<Group>({
    {"RO", "RO",
     " memory|usage sismember watch xlen exists touch object|idletime object|freq object|encoding "
     "object|refcount strlen zcard type hstrlen llen hexists scard hlen "},
    {"RO access", "RO access", " xreadgroup "},
    {"RW access update", "RW access update",
     " setbit eval evalsha fcall hincrbyfloat move decr incrbyfloat incr getex hincrby incrby "
     "zincrby getset decrby bitfield set "},
    {"RW access delete", "RW access delete",
     " blmpop brpop bzmpop bzpopmax rpop zpopmin lmpop zmpop getdel bzpopmin blpop lpop zpopmax "
     "migrate spop "},
    {"RW delete", "RW delete",
     " hdel xgroup|delconsumer xgroup|destroy ltrim xdel zremrangebylex xautoclaim zrem srem lrem "
     "xtrim zremrangebyrank zremrangebyscore "},
    {"RW insert", "RW insert",
     " rpush lpushx linsert pfadd hsetnx xgroup|create xgroup|createconsumer append rpushx sadd "
     "lpush "},
    {"OW update", "RO access",
     " bitop zunionstore sunionstore zdiffstore sdiffstore zinterstore zrangestore "
     "geosearchstore "},
    {"RW update", "RO access", " sinterstore "},
    {"RW access delete", "RW insert", " blmove brpoplpush rpoplpush smove lmove "},
    {"OW update", "OW update", " restore mset psetex setex "},
    {"RM delete", "RM delete", " del unlink "},
    {"RW access", "RW access", " pfdebug pfcount "},
    {"OW insert", "OW insert", " msetnx setnx "},
    {"RO access", "OW update", " copy georadius georadiusbymember sort "},
    {"RW access delete", "OW update", " rename "},
    {"RW access delete", "OW insert", " renamenx "},
    {"RW access insert", "RO access", " pfmerge "},
});

bool Mentions(Args args, size_t from, std::string_view word) {
  for (size_t i = from; i < args.size(); ++i) {
    if (SameName(args[i], word)) return true;
  }
  return false;
}

}  // namespace

std::string_view KeyAccess(const Command& command, Args args, size_t nth) {
  if (!args.empty() && command.name == "set" && !Mentions(args, 3, "get")) return "OW update";
  if (!args.empty() && command.name == "bitfield" && !Mentions(args, 2, "set") &&
      !Mentions(args, 2, "incrby")) {
    return "RO access";
  }
  const std::string word = " " + std::string(command.name) + " ";
  for (const Group& group : kGroups) {
    if (group.names.find(word) != group.names.npos) return nth == 0 ? group.first : group.others;
  }
  return command.has(kWrite) ? "RW update" : "RO access";
}

uint8_t PermissionsFor(std::string_view words) {
  uint8_t permissions = 0;
  if (words.find("access") != words.npos) permissions |= kKeyRead;
  for (const std::string_view change : {"insert", "update", "delete"}) {
    if (words.find(change) != words.npos) permissions |= kKeyWrite;
  }
  return permissions;
}

uint8_t KeyPermissions(const Command& command, Args args, size_t nth) {
  // These two depend on their arguments.
  if (command.name == "set" || command.name == "bitfield") {
    return PermissionsFor(KeyAccess(command, args, nth));
  }
  return nth == 0 ? command.first_key_permissions : command.other_key_permissions;
}

}  // namespace terrace::commands
