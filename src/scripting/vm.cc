#include "scripting/vm.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/numbers.h"
#include "scripting/chunk.h"
#include "scripting/conversions.h"
#include "scripting/library_builder.h"
#include "scripting/redis_api.h"
#include "scripting/sandbox.h"
#include "scripting/script_libraries.h"

namespace terrace::scripting {
namespace {

// How many instructions run between two looks at the time.
constexpr int kHookInstructions = 100'000;
// How long the code of a library may take to register its functions.
constexpr int64_t kLoadUs = 500'000;
// The collector makes a step of this size after so many calls, besides what it does by itself.
constexpr int kCollectEvery = 50;

std::string_view TextAt(lua_State* lua, int index) {
  size_t size = 0;
  const char* text = lua_tolstring(lua, index, &size);
  return text != nullptr ? std::string_view(text, size) : std::string_view();
}

int AppendTo(lua_State*, const void* bytes, size_t count, void* dump) {
  static_cast<std::string*>(dump)->append(static_cast<const char*>(bytes), count);
  return 0;
}

}  // namespace

Vm::Vm(Kind kind, const Host& host, Supervisor* supervisor)
    : kind_(kind), host_(host), supervisor_(supervisor) {
  lua_ = lua_newstate(Allocate, this);
  TERRACE_CHECK(lua_ != nullptr);
  Open();
}

Vm::~Vm() {
  // Finalizers of scripts run here, and must not find a half-closed state.
  lua_gc(lua_, LUA_GCCOLLECT, 0);
  lua_close(lua_);
}

Vm& Vm::Of(lua_State* lua) {
  void* vm = nullptr;
  lua_getallocf(lua, &vm);
  return *static_cast<Vm*>(vm);
}

void* Vm::Allocate(void* vm, void* block, size_t old_bytes, size_t new_bytes) {
  std::atomic<size_t>& bytes = static_cast<Vm*>(vm)->bytes_;
  if (new_bytes == 0) {
    std::free(block);
    // Lua keeps what it gets: a block that is gone would be freed once more.
    block = nullptr;
  } else {
    block = std::realloc(block, new_bytes);
    if (block == nullptr) return nullptr;
  }
  bytes.store(bytes.load(std::memory_order_relaxed) + new_bytes - old_bytes,
              std::memory_order_relaxed);
  return block;
}

// ---- Opening -----------------------------------------------------------------------------------

void Vm::Open() {
  OpenBaseLibraries(lua_);
  const auto library = [this](const char* name, void (*push)(lua_State*)) {
    push(lua_);
    lua_setfield(lua_, LUA_GLOBALSINDEX, name);
  };
  library("bit", PushBitLibrary);
  library("struct", PushStructLibrary);
  library("cmsgpack", PushMessagePackLibrary);
  library("cjson", PushJsonLibrary);
  lua_pushvalue(lua_, LUA_GLOBALSINDEX);
  SetCommandTables(lua_, *this);
  lua_pop(lua_, 1);
  lua_getfield(lua_, LUA_GLOBALSINDEX, LUA_MATHLIBNAME);
  lua_pushcfunction(lua_, MathRandom);
  lua_setfield(lua_, -2, "random");
  lua_pushcfunction(lua_, MathRandomSeed);
  lua_setfield(lua_, -2, "randomseed");
  lua_pop(lua_, 1);
  lua_pushcfunction(lua_, HandleError);
  error_handler_ = luaL_ref(lua_, LUA_REGISTRYINDEX);
  if (kind_ == Kind::kScript) {
    lua_pushcfunction(lua_, HandleError);
    lua_setfield(lua_, LUA_GLOBALSINDEX, "__redis__err__handler");
  }

  // From here on the globals are only reached through their protected form.
  lua_pushvalue(lua_, LUA_GLOBALSINDEX);
  RequireFields(lua_);
  lua_pushvalue(lua_, -1);
  globals_ = luaL_ref(lua_, LUA_REGISTRYINDEX);
  ProtectFields(lua_);
  ProtectStrings(lua_);
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, globals_);
  lua_pushvalue(lua_, -2);
  lua_setfield(lua_, -2, "_G");
  lua_pop(lua_, 1);
  lua_pushvalue(lua_, -1);
  protected_globals_ = luaL_ref(lua_, LUA_REGISTRYINDEX);
  lua_replace(lua_, LUA_GLOBALSINDEX);

  if (kind_ == Kind::kFunction) {
    lua_newtable(lua_);
    SetLibraryTables(lua_, *this);
    RequireFields(lua_);
    library_globals_ = luaL_ref(lua_, LUA_REGISTRYINDEX);
  }
}

// ---- Compiling ---------------------------------------------------------------------------------

// A script may have replaced them by setfenv(0).
void Vm::RestoreGlobals() {
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, protected_globals_);
  lua_replace(lua_, LUA_GLOBALSINDEX);
}

int Vm::Compile(std::string_view code, const char* chunk_name, std::string* error) {
  RestoreGlobals();
  // Lua's parser holds a string that a collection would free, and would take byte code unchecked.
  lua_gc(lua_, LUA_GCSTOP, 0);
  int failed = 1;
  if (code.starts_with(LUA_SIGNATURE[0])) {
    lua_pushfstring(lua_, "%s:1: unexpected symbol near '<\\27>'", chunk_name + 1);
  } else {
    failed = luaL_loadbuffer(lua_, code.data(), code.size(), chunk_name);
  }
  lua_gc(lua_, LUA_GCRESTART, 0);
  if (failed == 0) return luaL_ref(lua_, LUA_REGISTRYINDEX);
  *error = TextAt(lua_, -1);
  lua_pop(lua_, 1);
  return kNoReference;
}

bool Vm::TouchesOnlyGivenKeys(int reference, const commands::Registry& registry) {
  std::string dump;
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, reference);
  const bool is_dumped = lua_dump(lua_, AppendTo, &dump) == 0;
  lua_pop(lua_, 1);
  Chunk chunk;
  const KeySource source = kind_ == Kind::kScript ? KeySource::kGlobal : KeySource::kParameter;
  return is_dumped && ReadChunk(dump, &chunk) &&
         scripting::TouchesOnlyGivenKeys(chunk, source, registry);
}

// What is behind the protected globals while a library's code runs: only what registers functions.
std::string Vm::LoadLibrary(std::string_view code, LoadLimit limit, LibraryBuilder& builder) {
  std::string error;
  const int reference = Compile(code, "@user_function", &error);
  if (reference == kNoReference) return "Error compiling function: " + error;
  const auto set_globals = [this](int contents) {
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, protected_globals_);
    lua_getmetatable(lua_, -1);
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, contents);
    lua_setfield(lua_, -2, "__index");
    lua_pop(lua_, 2);
  };
  set_globals(library_globals_);
  builder_ = &builder;
  load_deadline_us_ = host_.clock->MonoUs() + kLoadUs;
  is_ending_ = false;
  if (limit == LoadLimit::kTime) lua_sethook(lua_, OnHook, LUA_MASKCOUNT, kHookInstructions);
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, reference);
  if (lua_pcall(lua_, 0, 0, 0) != 0) {
    if (lua_istable(lua_, -1)) {
      error = ReadError(lua_, -1).text;
    } else {
      error = "ERR " + std::string(TextAt(lua_, -1));
    }
    error = "Error registering functions: " + error;
  }
  lua_sethook(lua_, nullptr, 0, 0);
  builder_ = nullptr;
  set_globals(globals_);
  Release(reference);
  lua_settop(lua_, 0);
  return error;
}

// ---- Calling -----------------------------------------------------------------------------------

void Vm::PushStrings(commands::Args strings) {
  lua_createtable(lua_, static_cast<int>(strings.size()), 0);
  int index = 0;
  for (const std::string_view string : strings) {
    lua_pushlstring(lua_, string.data(), string.size());
    lua_rawseti(lua_, -2, ++index);
  }
}

// Sets a global to the value on top, behind the protection.
void Vm::SetGlobal(const char* name) {
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, globals_);
  lua_insert(lua_, -2);
  lua_setfield(lua_, -2, name);
  lua_pop(lua_, 1);
}

void Vm::Call(Run& run, int reference, commands::Args keys, commands::Args arguments) {
  run_ = &run;
  is_ending_ = false;
  lua_sethook(lua_, OnHook, LUA_MASKCOUNT, kHookInstructions);
  RestoreGlobals();
  lua_rawgeti(lua_, LUA_REGISTRYINDEX, error_handler_);
  int parameters = 0;
  if (kind_ == Kind::kScript) {
    PushStrings(keys);
    SetGlobal("KEYS");
    PushStrings(arguments);
    SetGlobal("ARGV");
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, reference);
  } else {
    lua_rawgeti(lua_, LUA_REGISTRYINDEX, reference);
    PushStrings(keys);
    PushStrings(arguments);
    parameters = 2;
  }
  if (lua_pcall(lua_, parameters, 1, 1) == 0) {
    WriteReply(lua_, run.protocol, run.call.reply);
  } else {
    WriteFailure(run);
  }
  lua_settop(lua_, 0);
  lua_sethook(lua_, nullptr, 0, 0);
  run_ = nullptr;
  if (supervisor_ != nullptr) supervisor_->OnEnd(run);
  if (++call_count_ >= kCollectEvery) {
    call_count_ = 0;
    lua_gc(lua_, LUA_GCSTEP, kCollectEvery);
  }
}

// Replies the error on top.
void Vm::WriteFailure(const Run& run) {
  if (!lua_istable(lua_, -1)) {
    const std::string_view text =
        lua_isstring(lua_, -1) != 0 ? TextAt(lua_, -1) : "execution failure";
    return run.call.reply.Error("ERR Error running script " + std::string(run.name) + ", " +
                                std::string(text.substr(0, 100)));
  }
  const ErrorInfo error = ReadError(lua_, -1);
  std::string text(error.text.empty() ? "ERR unknown error" : error.text);
  if (!error.line.empty() && !error.source.empty()) {
    text.append(" script: ").append(run.name).append(", on ");
    text.append(error.source).append(":").append(error.line).append(".");
  }
  WriteError(run.call.reply, text, error.counted);
}

void Vm::OnHook(lua_State* lua, lua_Debug*) {
  Vm& vm = Of(lua);
  const char* text = nullptr;
  if (vm.builder_ != nullptr) {
    if (vm.host_.clock->MonoUs() > vm.load_deadline_us_) text = "FUNCTION LOAD timeout";
  } else if (vm.run_ != nullptr && vm.supervisor_ != nullptr) {
    if (vm.is_ending_ || !vm.supervisor_->OnProgress(*vm.run_)) {
      text = "Script killed by user with SCRIPT KILL...";
    }
  }
  if (text == nullptr) return;
  vm.is_ending_ = true;
  // From now on every line raises it again, so that no pcall keeps the script alive.
  lua_sethook(lua, OnHook, LUA_MASKLINE, 0);
  PushError(lua, text);
  lua_error(lua);
}

// ---- Arguments of commands ---------------------------------------------------------------------

Vm::Arguments Vm::ReadCommand(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count == 0) return Arguments::kNone;
  arguments_.clear();
  if (numbers_.size() < static_cast<size_t>(count)) numbers_.resize(static_cast<size_t>(count));
  for (int i = 1; i <= count; ++i) {
    const int type = lua_type(lua, i);
    if (type == LUA_TSTRING) {
      arguments_.push_back(TextAt(lua, i));
    } else if (type == LUA_TNUMBER) {
      // Lua's own conversion would lose digits.
      const lua_Number number = lua_tonumber(lua, i);
      std::array<char, 40>& text = numbers_[static_cast<size_t>(i - 1)];
      base::Int64Text integer_text;
      base::DoubleText double_text;
      const auto integer = base::ExactInt64(number);
      std::string_view digits = integer ? base::FormatInt64(*integer, integer_text)
                                        : base::FormatDouble(number, double_text);
      // What 0/0 is on this processor; Redis shows its sign here, if nowhere else.
      if (std::isnan(number) && std::signbit(number)) digits = "-nan";
      std::memcpy(text.data(), digits.data(), digits.size());
      arguments_.emplace_back(text.data(), digits.size());
    } else {
      return Arguments::kNotText;
    }
  }
  return Arguments::kRead;
}

// ---- Chance ------------------------------------------------------------------------------------

int64_t Vm::Random() {
  constexpr uint64_t kMask = (uint64_t{1} << 48) - 1;
  random_ = (random_ * 0x5deece66d + 0xb) & kMask;
  return static_cast<int64_t>(random_ >> 17);
}

void Vm::SeedRandom(int64_t seed) {
  random_ = static_cast<uint64_t>(static_cast<uint32_t>(seed)) << 16 | 0x330e;
}

}  // namespace terrace::scripting
