#pragma once

// BusyScript: the scripts and functions that have been running for a while, as the rest of the
// server sees them: one of each thread at most.
//
// Once one exceeds busy-reply-threshold, requests are answered -BUSY but for those that end it. Its
// own thread serves its clients from within the script (Worker::ServeWhileBusy), and so does a
// thread that waits for a lock which the script holds. Who is served so must not wait for a lock:
// the thread may hold some already, and others may be waiting for these.
//
// Promises:  a script that was told to end has written nothing, and will not (except by Abort).
// Threads:   internally locked.

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keyspace/shard_mutex.h"
#include "scripting/vm.h"
#include "server/core.h"

namespace terrace::server {

class Worker;

class BusyScript : public keyspace::LockWait {
 public:
  using Kind = scripting::Run::Kind;

  explicit BusyScript(Core* core) : core_(core) {}

  // The error for all that may not run meanwhile.
  static std::string_view ErrorOf(BusyKind kind);
  std::string_view error() const;

  enum class Killed : uint8_t { kYes, kNothingRuns, kHasWritten, kOtherKind };
  // Ends all that may be ended of those that are busy.
  Killed Kill(Kind kind);
  // Ends them whatever they have done: the server shuts down.
  void Abort();

  struct Running {
    std::string name;
    std::vector<std::string> command;
    int64_t duration_ms;
  };
  // The one that began first.
  std::optional<Running> running() const;

  // keyspace::LockWait: serves the clients of this thread; false while a script is busy.
  bool KeepWaiting() override;

 private:
  friend class ScriptSupervisor;
  struct Entered {
    scripting::Run* run;
    bool is_busy;
  };

  void Enter(scripting::Run& run);
  void BecomeBusy(scripting::Run& run);
  void Leave(scripting::Run& run);
  void ShowKind();

  Core* const core_;
  mutable std::mutex mutex_;
  std::vector<Entered> runs_;  // in the order of their beginning; guarded by mutex_
};

// One worker's watch over the scripts that it runs.
class ScriptSupervisor : public scripting::Supervisor {
 public:
  explicit ScriptSupervisor(Worker* worker) : worker_(worker) {}

  bool OnProgress(scripting::Run& run) override;
  void OnEnd(scripting::Run& run) override;

 private:
  Worker* const worker_;
  bool is_entered_ = false;
  bool is_busy_ = false;
};

}  // namespace terrace::server
