#pragma once

// Vm: one sandboxed Lua state. There are two in an interpreter, as in Redis: one for the scripts of
// EVAL, whose keys and arguments are globals, and one for the libraries of FUNCTION LOAD, whose
// functions take them as parameters.
//
// Lua is the build of Lua 5.1 whose errors are C++ exceptions, so that an error which passes
// through a function of ours runs its destructors.
//
// Promises:  nothing that a script does survives it in the globals or the libraries; a Lua error
//            never leaves a public function.
// Ownership: a run and everything that it points to outlives Call.
// Threads:   confined to its worker; bytes() may be read by any thread.
// See:       docs/scripting.md

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <lua.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands/call.h"
#include "scripting/declared_keys.h"

namespace terrace::scripting {

class LibraryBuilder;

// What scripts see of the server.
struct Host {
  base::Log* log = nullptr;
  const base::Clock* clock = nullptr;
  std::string_view redis_version;  // "7.2.6"
  // While it is true, also commands that are not for scripts run: for tests.
  const std::atomic<bool>* allows_every_command = nullptr;
};

// One invocation of a script or function.
struct Run {
  enum class Kind : uint8_t { kScript, kFunction };

  Run(commands::Call& the_call, Kind the_kind, std::string_view the_name)
      : call(the_call), kind(the_kind), name(the_name) {}

  commands::Call& call;  // the command that invoked it
  Kind kind;
  std::string_view name;  // the script's digest, or the function's name
  bool read_only = false;
  bool allows_oom = false;
  bool over_memory_limit = false;  // when it began
  int protocol = 2;                // that it has chosen for the replies it sees
  int64_t begin_us = 0;            // NowUs

  // Whether it may still be ended is settled between its thread and any other: once it writes, it
  // runs to its end; once it was ended, it writes no more.
  bool BeginWrite() {
    Phase phase = Phase::kReads;
    return phase_.compare_exchange_strong(phase, Phase::kWrites) || phase == Phase::kWrites;
  }
  bool End() {
    Phase phase = Phase::kReads;
    return phase_.compare_exchange_strong(phase, Phase::kEnded) || phase == Phase::kEnded;
  }
  // Ends it even so.
  void Abort() { phase_.store(Phase::kEnded); }
  bool wrote() const { return phase_.load() == Phase::kWrites; }
  bool is_ended() const { return phase_.load() == Phase::kEnded; }

 private:
  enum class Phase : uint8_t { kReads, kWrites, kEnded };
  std::atomic<Phase> phase_{Phase::kReads};
};

// Watches over runs that take long.
class Supervisor {
 public:
  virtual ~Supervisor() = default;
  // Called now and then while a script runs; false ends it.
  virtual bool OnProgress(Run& run) = 0;
  virtual void OnEnd(Run& run) = 0;
};

class Vm {
 public:
  using Kind = Run::Kind;

  Vm(Kind kind, const Host& host, Supervisor* supervisor);
  ~Vm();
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  // The one of this state, also for its coroutines.
  static Vm& Of(lua_State* lua);

  Kind kind() const { return kind_; }
  const Host& host() const { return host_; }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  // Compiles code and answers a reference to the function, or kNoReference with the error.
  static constexpr int kNoReference = LUA_NOREF;
  int Compile(std::string_view code, const char* chunk_name, std::string* error);
  void Release(int reference) { luaL_unref(lua_, LUA_REGISTRYINDEX, reference); }
  // Is it proven of this function that it touches no keys but those that it is called with?
  bool TouchesOnlyGivenKeys(int reference, const commands::Registry& registry);

  // Calls a function and writes its reply. Scripts find keys and arguments in KEYS and ARGV,
  // functions get them as parameters.
  void Call(Run& run, int reference, commands::Args keys, commands::Args arguments);

  // Runs the code of a library, which registers its functions with the builder; "" or the error.
  // What it had registered before an error stays there.
  enum class LoadLimit : uint8_t { kTime, kNone };
  std::string LoadLibrary(std::string_view code, LoadLimit limit, LibraryBuilder& builder);

  // ---- For the functions that scripts call ---------------------------------------------------

  Run* run() { return run_; }                             // null between runs
  LibraryBuilder* builder() { return builder_; }          // set while a library is loaded
  base::Buffer& reply_buffer() { return reply_buffer_; }  // of the command that runs
  bool is_calling() const { return is_calling_; }
  void set_calling(bool is_calling) { is_calling_ = is_calling; }

  // The arguments of the function that runs, as those of a command: views into strings that stay
  // on Lua's stack. kNone and kNotText (neither strings nor numbers) when they cannot be.
  enum class Arguments : uint8_t { kRead, kNone, kNotText };
  [[nodiscard]] Arguments ReadCommand(lua_State* lua);
  commands::Args command_arguments() const { return arguments_; }

  // The next of a sequence that only depends on the seed (that of POSIX's lrand48).
  int64_t Random();
  void SeedRandom(int64_t seed);

 private:
  static void* Allocate(void* vm, void* block, size_t old_bytes, size_t new_bytes);
  static void OnHook(lua_State* lua, lua_Debug* info);

  void Open();
  void PushStrings(commands::Args strings);
  void SetGlobal(const char* name);
  void RestoreGlobals();
  void WriteFailure(const Run& run);

  const Kind kind_;
  const Host host_;
  Supervisor* const supervisor_;
  std::atomic<size_t> bytes_{0};
  lua_State* lua_ = nullptr;
  int error_handler_ = LUA_NOREF;
  int protected_globals_ = LUA_NOREF;
  int globals_ = LUA_NOREF;          // what is behind the protected ones
  int library_globals_ = LUA_NOREF;  // what is behind them while a library is loaded
  Run* run_ = nullptr;
  LibraryBuilder* builder_ = nullptr;
  int64_t load_deadline_us_ = 0;
  bool is_ending_ = false;  // the run was told to end, and may not catch the error
  int call_count_ = 0;

  bool is_calling_ = false;
  base::Buffer reply_buffer_;
  std::vector<std::string_view> arguments_;
  std::vector<std::array<char, 40>> numbers_;  // the text of those that are no strings
  uint64_t random_ = 0x1234abcd330e;
};

}  // namespace terrace::scripting
