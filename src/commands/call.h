#pragma once

// Call: all that a handler sees: its arguments, its keys (locked, resolved), its reply, and the
// session it speaks for. No tiers, no loops, no connections.
//
// Promises:  the handler runs once, to completion, with the shards of the row's keys locked. It
//            writes exactly one reply.
// Ownership: everything here is borrowed for the call.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/saturate.h"
#include "commands/command.h"
#include "commands/effects.h"
#include "commands/limits.h"
#include "commands/session.h"
#include "commands/wait.h"
#include "keyspace/database.h"
#include "resp/reply.h"

namespace terrace::commands {

class Registry;

// Executor: runs commands on behalf of a command that holds commands itself (EXEC, EVAL).
//
// Promises: the command runs as if a client had sent it, under the locks that the outer command
//           holds: nothing of other clients happens in between. It never waits.
class Executor {
 public:
  virtual ~Executor() = default;

  // "" or why the user on whose behalf commands run may not run this one; noted: in ACL LOG too.
  enum class Denial : uint8_t { kNoted, kAsked };
  virtual std::string WhyDenied(const Command& command, Args args, Denial denial) = 0;
  // May the user run this command, and read every key besides those that it names?
  virtual bool MayReadEveryKey(const Command& command, Args args) const = 0;
  // "" or why no writes are taken now, for whoever it is.
  virtual std::string WhyWritesStopped() const { return {}; }
  // "" or why databases cannot change places: what lies below would not follow.
  virtual std::string WhySwapRefused() const { return {}; }
  // Are the locks of every shard held? Then any command may run.
  virtual bool HoldsAllLocks() const = 0;
  // Runs the handler, which appends its reply. Counts in the statistics of the command. Replies an
  // error when the command needs a lock that is not held.
  // REQUIRES: the arity fits. May be called from within a handler only.
  virtual void Run(const Command& command, Args args, Session& session, resp::Reply& reply) = 0;
  // For a command that is about to run others: time stands still for them from now on, and reads
  // the same for expiry and for TIME. What runs within another such command shares its moment.
  // Answers the time on NowUs.
  virtual int64_t BeginUnit() = 0;
  // Unix time in microseconds as the command that runs is to see it.
  virtual int64_t WallUs() const = 0;
  // Counts a command (null: an unknown one) that was refused before it ran, by an error of this
  // code.
  virtual void CountRefused(const Command* command, std::string_view code) = 0;
};

struct Call {
  const Command& command;
  Args args;  // args[0] is the name as the client wrote it
  resp::Reply& reply;
  keyspace::Database& db;  // the session's selected database
  Session& session;
  const Limits& limits;
  const Registry& registry;
  const base::Clock& clock;
  // Hashes of the arguments that the row's key positions name; others are not set.
  const uint64_t* hashes = nullptr;
  // For commands that run others; null where there is none (unit tests).
  Executor* executor = nullptr;
  // What Block fills in; null where nothing may wait (in EXEC, in a script).
  Wait* wait = nullptr;
  bool in_script = false;
  // Set while what is done is repeated elsewhere.
  Effects* effects = nullptr;

  bool is_repeated() const { return effects != nullptr; }
  // Instead of this command, on a copy of the data; may be said several times. Only of what was
  // done. Texts that are made for it alone are made if is_repeated().
  void RepeatAs(std::initializer_list<std::string_view> arguments) {
    if (effects != nullptr) [[unlikely]]
      effects->Say(std::span(arguments.begin(), arguments.size()));
  }
  void RepeatAs(std::span<const std::string_view> arguments) {
    if (effects != nullptr) [[unlikely]]
      effects->Say(arguments);
  }
  // For what is removed in place of something else: as the setting for such removals has it.
  std::string_view RemovalName(bool is_lazy) const { return is_lazy ? "UNLINK" : "DEL"; }

  bool speaks_valkey() const { return limits.dialect == Dialect::kValkey80; }

  bool may_wait() const { return wait != nullptr; }
  // There is nothing to serve: wait for it, or where nothing may wait, give up at once. The last
  // thing a handler does; it has replied nothing.
  void Block(Wait asked) {
    if (wait == nullptr) return asked.give_up(reply);
    asked.requested = true;
    *wait = std::move(asked);
  }

  size_t argc() const { return args.size(); }
  // What has a deadline up to then has expired.
  int64_t now_ms() const { return db.now_ms(); }
  // What is counted from now is counted from then.
  int64_t moment_ms() const { return db.moment_ms(); }

  // The key in this argument. REQUIRES: the row says that it is one.
  keyspace::Key key(size_t argument) const { return {args[argument], hashes[argument]}; }

  // Deadlines are kept on NowMs time; clients speak Unix time. These differ by the steps the wall
  // clock has made since start-up.
  // A moment before the clock of deadlines began becomes its beginning; sums stop at the ends.
  int64_t ToDeadlineMs(int64_t unix_ms) const;
  int64_t ToUnixMs(int64_t deadline_ms) const {
    return base::SaturatingAdd(deadline_ms, clock.WallAheadMs());
  }

  // The argument as an integer; replies the error and returns nullopt when it is none.
  std::optional<int64_t> Integer(size_t argument);
  // The same of one that must not be below 0 (a number of elements, say).
  std::optional<int64_t> NonNegativeInteger(size_t argument);
  // The same of one whose sign may be turned, which the smallest of all does not survive.
  std::optional<int64_t> NegatableInteger(size_t argument);
  // The argument as the index of a database; likewise.
  std::optional<int> DatabaseIndex(size_t argument);
  // Is the argument this word (which is given in lower case)?
  bool Is(size_t argument, std::string_view word) const;
};

}  // namespace terrace::commands
