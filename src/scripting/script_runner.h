#pragma once

// ScriptRunner: one worker's scripts: compiles what the shared store holds when it is first run
// here, and runs it.
//
// Promises:  writes exactly one reply to the call.
// Ownership: the store outlives it.
// Threads:   confined to its worker, except vm_bytes().
// Errors:    replied, in Redis's words.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "commands/call.h"
#include "scripting/run.h"
#include "scripting/script_store.h"
#include "scripting/vm.h"

namespace terrace::scripting {

class ScriptRunner {
 public:
  ScriptRunner(const Host& host, ScriptStore* scripts, Supervisor* supervisor);
  ~ScriptRunner();

  // EVAL and EVALSHA, and their read-only forms: name-of-command script numkeys [key ...] [arg
  // ...]. REQUIRES: the arity of those, call.executor; the locks of the keys' shards where
  // ...NeedsOnlyKeys answers true, all locks of the keyspace otherwise.
  void Eval(commands::Call& call, Writes writes);
  void EvalDigest(commands::Call& call, Writes writes);
  // May what these arguments run do so under the locks of its keys' shards alone? To be asked right
  // before that, with the same views.
  bool BodyNeedsOnlyKeys(commands::Args args);
  bool DigestNeedsOnlyKeys(commands::Args args);
  // SCRIPT LOAD.
  void LoadScript(commands::Call& call, std::string_view body);

  // Gives up what is of no use any more since a flush.
  void Trim();

  // What the Lua state takes.
  size_t vm_bytes() const { return vm_bytes_.load(std::memory_order_relaxed); }

 private:
  struct Compiled {
    ScriptStore::Pointer script;
    int reference = Vm::kNoReference;
  };
  struct BodyHash {
    size_t operator()(std::string_view body) const;
  };

  Vm& CurrentVm();
  const Compiled* FindBody(commands::Call& call, std::string_view body);
  const Compiled* FindDigest(std::string_view digest);
  const Compiled* Keep(ScriptStore::Pointer script, int reference);
  bool Plan(std::string_view text, const Compiled* compiled);
  const Compiled* TakePlanned(std::string_view text);
  bool IsCurrent() const { return vm_ != nullptr && generation_ == scripts_->generation(); }
  void Clear();
  void RunScript(commands::Call& call, const Compiled& compiled, Writes writes, size_t key_count);

  const Host host_;
  ScriptStore* const scripts_;
  Supervisor* const supervisor_;
  std::unique_ptr<Vm> vm_;   // created when it is first needed
  uint64_t generation_ = 0;  // of scripts_, when the state was created
  // What is compiled in vm_; the keys point into the scripts.
  std::unordered_map<std::string_view, std::unique_ptr<Compiled>> by_digest_;
  std::unordered_map<std::string_view, const Compiled*, BodyHash> by_body_;
  // What the locks were chosen for, so that it need not be found again.
  std::string_view planned_text_;
  const Compiled* planned_ = nullptr;
  std::atomic<size_t> vm_bytes_{0};
};

}  // namespace terrace::scripting
