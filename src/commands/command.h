#pragma once

// Command: one row of the command table. The row is data that many read: dispatch, arity and ACL
// checks, key extraction, locking, tier resolution, COMMAND, the documentation.
//
// Adding a command takes one row and one function: write `void Name(Call& call)` in the file of its
// family and add a row to the array at that file's end.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "commands/key_spec.h"

namespace terrace::commands {

struct Call;
struct Session;
using Handler = void (*)(Call& call);

// Flags of a row. The first group has the names COMMAND INFO shows.
enum Flag : uint32_t {
  kWrite = 1u << 0,
  kReadOnly = 1u << 1,
  kDenyOom = 1u << 2,  // refused while memory is over its limit and nothing can be evicted
  kAdmin = 1u << 3,
  kPubSub = 1u << 4,
  kNoScript = 1u << 5,
  kBlocking = 1u << 6,
  kLoading = 1u << 7,
  kStale = 1u << 8,
  kSkipMonitor = 1u << 9,
  kSkipSlowlog = 1u << 10,
  kFast = 1u << 11,
  kNoAuth = 1u << 12,
  kMayReplicate = 1u << 13,
  kNoMulti = 1u << 14,
  kMovableKeys = 1u << 15,
  kAllowBusy = 1u << 16,
  kNoMandatoryKeys = 1u << 17,
  kNoAsyncLoading = 1u << 18,

  // Ours.
  kAllShards = 1u << 24,     // needs the whole keyspace: runs with every shard locked
  kNoLocks = 1u << 25,       // touches no key: runs without any lock
  kSplitsByKey = 1u << 26,   // its keys may lie on different routes: MGET, DEL, EXISTS ...
  kValkeyScript = 1u << 28,  // Valkey lets scripts run it, in spite of kNoScript
  kSystem = 1u << 29,        // for tests and for servers among themselves, not for users
  // On a forward route the regional tier runs it, although it may only read: its answer is of the
  // moment (a random pick), or it looks at more than its keys (a script).
  kRunsBelow = 1u << 30,
  // Takes the locks it needs itself, one after the other. Inside EXEC or a script every lock is
  // held already, as locks may not be taken out of order.
  kTakesLocks = 1u << 27 | kNoLocks,
};

// ACL categories that do not follow from the flags.
enum Category : uint32_t {
  kKeyspace = 1u << 0,
  kString = 1u << 1,
  kList = 1u << 2,
  kSet = 1u << 3,
  kSortedSet = 1u << 4,
  kHash = 1u << 5,
  kStream = 1u << 6,
  kBitmap = 1u << 7,
  kHyperLogLog = 1u << 8,
  kGeo = 1u << 9,
  kPubSubCategory = 1u << 10,
  kConnection = 1u << 11,
  kTransaction = 1u << 12,
  kScripting = 1u << 13,
  kDangerous = 1u << 14,
  kAdminCategory = 1u << 15,
};

// What must be known about a command's keys before it may run, on a route that has lower tiers.
enum class Resolve : uint8_t {
  kNothing,  // needs no value: blind writes, or no keys
  kValue,    // needs to know whether the key exists and what it holds
};

// Which arguments name channels, for ACL.
enum class Channels : uint8_t {
  kNone,
  kFirst,     // the first one: PUBLISH
  kAll,       // all: SUBSCRIBE
  kPatterns,  // all, and they are patterns: PSUBSCRIBE
};

// What ACL asks for a key: the right to read it, to write it, both, or just to name it (0).
enum KeyPermission : uint8_t { kKeyRead = 1, kKeyWrite = 2 };

// Since when a command should not be used any more, and what to use: as COMMAND DOCS answers them.
struct Deprecation {
  std::string_view since;  // empty: it may be used
  std::string_view replaced_by;
};

struct Command {
  std::string_view name;  // lower case; "config|get" for a subcommand
  int arity = 0;          // with the name; negative: at least that many
  uint32_t flags = 0;
  uint32_t categories = 0;
  Keys keys;
  Resolve resolve = Resolve::kNothing;
  Handler handler = nullptr;  // nullptr for a container of subcommands
  std::string_view group;     // as in COMMAND DOCS
  std::string_view since;
  std::string_view syntax;  // of its arguments, in the notation of command_syntax.h
  std::string_view summary;
  std::string_view complexity = "O(1)";  // the time it takes, as COMMAND DOCS answers it
  Deprecation deprecated = {};
  std::span<const Command> subcommands = {};
  // Writes that need the old value only with some arguments (SET with GET, NX or KEEPTTL).
  Resolve (*resolve_for)(Args args) = nullptr;
  // Of a row with kAllShards: are the locks of its keys' shards enough for these arguments? Asked
  // before the locks are taken, on the thread that will run it; null: never.
  bool (*needs_only_keys)(Session& session, Args args) = nullptr;
  Channels channels = Channels::kNone;
  // What it does with its keys, in the words of KeySpec, where that depends on the arguments; the
  // access of its keys is then what it is at most.
  std::string_view (*access_for)(Args args) = nullptr;
  // What Redis tells the authors of clients and proxies about it, separated by blanks.
  std::string_view tips = {};
  // Given by the registry: its place among all commands and subcommands, and what ACL asks for its
  // first key and for those behind it (at most: see KeyPermissions).
  int id = -1;
  uint8_t first_key_permissions = 0;
  uint8_t other_key_permissions = 0;

  bool has(uint32_t flag) const { return (flags & flag) == flag; }
  bool ArityFits(size_t count) const {
    return arity >= 0 ? count == static_cast<size_t>(arity) : count >= static_cast<size_t>(-arity);
  }
  // The row with these tips.
  constexpr Command Tipped(std::string_view words) const {
    Command row = *this;
    row.tips = words;
    return row;
  }
  // The row of a command that takes longer than O(1).
  constexpr Command Costs(std::string_view words) const {
    Command row = *this;
    row.complexity = words;
    return row;
  }
  Resolve ResolveFor(Args args) const {
    return resolve_for != nullptr ? resolve_for(args) : resolve;
  }
};

// The row with a deprecation, for rows that a function makes.
constexpr Command Deprecated(Command row, std::string_view since, std::string_view replaced_by) {
  row.deprecated = {since, replaced_by};
  return row;
}

// Appends the argument positions of the keys; false when they cannot be told from the arguments.
[[nodiscard]] bool FindKeys(const Command& command, Args args, std::vector<int>* positions);

}  // namespace terrace::commands
