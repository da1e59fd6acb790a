#pragma once

// BusyScript: the script or function that has been running for a while, as the rest of the server
// sees it. A script holds every lock of the keyspace, so there is one at most.
//
// Once it exceeds busy-reply-threshold, requests are answered -BUSY but for those that end it. Its
// own thread serves its clients from within the script (Worker::ServeWhileBusy), and so does a
// thread that waits for a lock which the script holds.
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
  Killed Kill(Kind kind);
  // Ends it whatever it has done: the server shuts down.
  void Abort();

  struct Running {
    std::string name;
    std::vector<std::string> command;
    int64_t duration_ms;
  };
  std::optional<Running> running() const;

  // keyspace::LockWait: serves the clients of this thread; false while a script is busy.
  bool KeepWaiting() override;

 private:
  friend class ScriptSupervisor;
  void Enter(scripting::Run& run);
  void Leave(scripting::Run& run);

  Core* const core_;
  mutable std::mutex mutex_;
  scripting::Run* run_ = nullptr;  // guarded by mutex_
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
