#include "scripting/run.h"

#include "base/numbers.h"
#include "scripting/script_flags.h"

namespace terrace::scripting {
namespace {

constexpr size_t kNumkeysAt = 2;
constexpr size_t kKeysAt = 3;

// The session as the script may change it, for as long as it runs.
class BorrowedSession {
 public:
  explicit BorrowedSession(commands::Session& session)
      : session_(session), database_(session.database), protocol_(session.protocol) {
    session_.protocol = 2;
  }
  ~BorrowedSession() {
    session_.database = database_;
    session_.protocol = protocol_;
  }

 private:
  commands::Session& session_;
  const int database_;
  const int protocol_;
};

}  // namespace

std::optional<size_t> ParseKeyCount(commands::Call& call, std::string_view error) {
  const auto count = base::ParseInt64(call.args[kNumkeysAt]);
  if (!count) {
    error.empty() ? call.reply.NotAnInteger() : call.reply.Error(error);
    return std::nullopt;
  }
  if (*count > static_cast<int64_t>(call.argc() - kKeysAt)) {
    call.reply.Error("ERR Number of keys can't be greater than number of args");
    return std::nullopt;
  }
  if (*count < 0) {
    call.reply.Error("ERR Number of keys can't be negative");
    return std::nullopt;
  }
  return static_cast<size_t>(*count);
}

void StartRun(Vm& vm, Run& run, uint32_t flags, Writes writes, int reference, size_t key_count) {
  commands::Call& call = run.call;
  const bool is_declared = (flags & kUndeclared) == 0;
  run.over_memory_limit = call.db.keyspace().IsOverLimit();
  run.read_only = writes == Writes::kForbidden || (is_declared && (flags & kNoWrites) != 0);
  run.allows_oom = is_declared && (flags & kAllowOom) != 0;
  run.begin_us = call.executor->BeginUnit();
  if (is_declared) {
    const std::string stopped = call.executor->WhyWritesStopped();
    if (!run.read_only && !stopped.empty()) return call.reply.Error(stopped);
    if ((flags & (kNoWrites | kAllowOom)) == 0 && run.over_memory_limit) {
      return call.reply.Error("OOM command not allowed when used memory > 'maxmemory'.");
    }
    if ((flags & kNoWrites) == 0 && writes == Writes::kForbidden) {
      return call.reply.Error("ERR Can not execute a script with write flag using *_ro command.");
    }
  }
  const BorrowedSession borrowed(call.session);
  vm.Call(run, reference, call.args.subspan(kKeysAt, key_count),
          call.args.subspan(kKeysAt + key_count));
}

}  // namespace terrace::scripting
