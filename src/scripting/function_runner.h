#pragma once

// FunctionRunner: one worker's functions: loads the libraries of the shared store when one of their
// functions is first called here, and calls it. Variables of a library's own code therefore exist
// once per worker.
//
// Promises:  writes exactly one reply to the call.
// Ownership: the store outlives it.
// Threads:   confined to its worker, except vm_bytes().
// Errors:    replied, in Redis's words.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "commands/call.h"
#include "scripting/library_store.h"
#include "scripting/run.h"
#include "scripting/vm.h"

namespace terrace::scripting {

enum class RestorePolicy : uint8_t { kAppend, kReplace, kFlush };

class FunctionRunner {
 public:
  FunctionRunner(const Host& host, LibraryStore* libraries, Supervisor* supervisor);
  ~FunctionRunner();

  // FCALL and FCALL_RO: name-of-command function numkeys [key ...] [argument ...].
  // REQUIRES: the arity of those, call.executor; the locks of the keys' shards where NeedsOnlyKeys
  // answers true, all locks of the keyspace otherwise.
  void Call(commands::Call& call, Writes writes);
  // May what these arguments call run under the locks of its keys' shards alone? To be asked right
  // before that.
  bool NeedsOnlyKeys(commands::Args args);
  // FUNCTION LOAD.
  enum class Existing : uint8_t { kRefuse, kReplace };
  void Load(commands::Call& call, std::string_view code, Existing existing);
  // A library of a snapshot; "" or the error.
  std::string LoadSaved(std::string_view code, Existing existing);
  // FUNCTION RESTORE.
  void Restore(commands::Call& call, std::string_view payload, RestorePolicy policy);

  // Gives up what is of no use any more since the libraries changed.
  void Trim();

  // What the Lua state takes.
  size_t vm_bytes() const { return vm_bytes_.load(std::memory_order_relaxed); }

 private:
  struct LoadedFunction {
    int reference;
    // Proven: it touches no keys but those that it is called with. Found out by its first call.
    std::optional<bool> touches_only_given_keys = {};
  };
  struct Loaded {
    LibrarySet::Pointer library;
    std::unordered_map<std::string, LoadedFunction> functions;  // by name
  };

  Vm& CurrentVm();
  const LibrarySet& CurrentSet();
  Loaded* LoadedFor(const LibrarySet::Pointer& library, std::string* error);
  std::string LoadLibrary(std::string_view code, Vm::LoadLimit limit, Existing existing,
                          LibrarySet::Pointer* library);
  std::string Create(std::string_view code, Vm::LoadLimit limit, const LibrarySet& set,
                     Existing existing, LibrarySet::Pointer* library);
  std::string ReadLibraries(std::string_view payload, LibrarySet* set);
  void Unload(const Loaded& loaded);
  void UpdateBytes();

  const Host host_;
  LibraryStore* const libraries_;
  Supervisor* const supervisor_;
  std::unique_ptr<Vm> vm_;                       // created when it is first needed
  std::unordered_map<uint64_t, Loaded> loaded_;  // by Library::id
  LibraryStore::Set set_;                        // as of version_
  uint64_t version_ = 0;
  std::atomic<size_t> vm_bytes_{0};
};

// FUNCTION DUMP: what Restore reads, here and in every Redis since 7.0.
std::string DumpLibraries(const LibrarySet& set);

}  // namespace terrace::scripting
