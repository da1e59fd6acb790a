#include "scripting/redis_api.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "base/sha1.h"
#include "commands/registry.h"
#include "scripting/conversions.h"
#include "scripting/library_builder.h"
#include "scripting/sandbox.h"
#include "scripting/vm.h"

namespace terrace::scripting {
namespace {

using commands::Command;

// Where a script may say that its writes go; there is nothing here yet that they would go to.
enum Propagation : int { kNowhere = 0, kLog = 1, kReplicas = 2, kEverywhere = kLog | kReplicas };

// The name by which scripts call these functions, and what errors call it then. Valkey has the same
// functions as `server`, and says so whichever name they are called by.
struct Api {
  const char* name;
  std::string_view unknown_command;
  std::string_view wrong_arity;
  std::string_view no_argument;
  std::string_view not_text;
};
constexpr Api kRedis{
    .name = "redis",
    .unknown_command = "Unknown Redis command called from script",
    .wrong_arity = "Wrong number of args calling Redis command from script",
    .no_argument = "Please specify at least one argument for this redis lib call",
    .not_text = "Lua redis lib command arguments must be strings or integers",
};
constexpr Api kServer{
    .name = "server",
    .unknown_command = "Unknown command called from script",
    .wrong_arity = "Wrong number of args calling command from script",
    .no_argument = "Please specify at least one argument for this call",
    .not_text = "Command arguments must be strings or integers",
};

// The one that the running function was called by: each has closures of its own.
const Api& ApiOf(lua_State* lua) {
  const Run* const run = Vm::Of(lua).run();
  if (run != nullptr && run->call.speaks_valkey()) return kServer;
  return *static_cast<const Api*>(lua_touserdata(lua, lua_upvalueindex(1)));
}

int Raise(lua_State* lua, std::string_view text) {
  PushError(lua, text);
  return lua_error(lua);
}

// The same with a text that begins with the name of the running function.
int RaiseNamed(lua_State* lua, std::string_view text) {
  return Raise(lua, std::string(ApiOf(lua).name).append(text));
}

// Reads the arguments of the running function; false with an error table pushed when they are none
// for a command.
bool ReadCommand(lua_State* lua, Vm& vm) {
  switch (vm.ReadCommand(lua)) {
    case Vm::Arguments::kRead:
      return true;
    case Vm::Arguments::kNone:
      PushError(lua, ApiOf(lua).no_argument);
      return false;
    case Vm::Arguments::kNotText:
      PushError(lua, ApiOf(lua).not_text);
      return false;
  }
  return false;
}

// ---- Commands ----------------------------------------------------------------------------------

// Why a script may not run this command, or "": with a code in front when it has one of its own.
std::string RefusalOf(const Api& api, const Vm& vm, const Run& run, const Command* command,
                      commands::Args arguments) {
  if (command == nullptr) return std::string(api.unknown_command);
  if (command->handler == nullptr || !command->ArityFits(arguments.size())) {
    return std::string(api.wrong_arity);
  }
  const bool is_for_scripts = !command->has(commands::kNoScript) ||
                              (run.call.speaks_valkey() && command->has(commands::kValkeyScript));
  if (!is_for_scripts && !vm.host().allows_every_command->load()) {
    return "This Redis command is not allowed from script";
  }
  const std::string denied =
      run.call.executor->WhyDenied(*command, arguments, commands::Executor::Denial::kNoted);
  if (!denied.empty()) return "ACL failure in script: " + denied;
  const bool writes = command->has(commands::kWrite);
  if (run.read_only && (writes || command->has(commands::kMayReplicate))) {
    return "Write commands are not allowed from read-only scripts.";
  }
  // Once it has written, a script is not stopped half-way.
  if (run.over_memory_limit && !run.allows_oom && !run.wrote() &&
      command->has(commands::kDenyOom)) {
    return "-OOM command not allowed when used memory > 'maxmemory'.";
  }
  return "";
}

std::string_view CodeOf(std::string_view refusal) {
  if (!refusal.starts_with('-')) return "ERR";
  return refusal.substr(1, refusal.find(' ') - 1);
}

// Marks the state as inside a command, also when an error leaves the scope.
class Calling {
 public:
  explicit Calling(Vm& vm) : vm_(vm) { vm_.set_calling(true); }
  ~Calling() { vm_.set_calling(false); }

 private:
  Vm& vm_;
};

enum class OnError : uint8_t { kRaise, kReturn };

int CallCommand(lua_State* lua, OnError on_error) {
  Vm& vm = Vm::Of(lua);
  Run* const run = vm.run();
  if (run == nullptr) {
    return RaiseNamed(lua, ".call/pcall can only be called inside a script invocation");
  }
  if (vm.is_calling()) {
    PushError(lua, "recursive call of redis.call or redis.pcall");
    return 1;
  }
  if (!ReadCommand(lua, vm)) return on_error == OnError::kRaise ? lua_error(lua) : 1;
  const Calling calling(vm);
  const commands::Args arguments = vm.command_arguments();
  const Command* const command = run->call.registry.Resolve(arguments);
  const std::string refusal = RefusalOf(ApiOf(lua), vm, *run, command, arguments);
  if (!refusal.empty()) {
    run->call.executor->CountRefused(command, CodeOf(refusal));
    PushError(lua, refusal);
    MarkCounted(lua);
    return on_error == OnError::kRaise ? lua_error(lua) : 1;
  }
  if (command->has(commands::kWrite) && !run->BeginWrite()) {
    return Raise(lua, "Script killed by user with SCRIPT KILL...");
  }
  vm.reply_buffer().ClearAndTrim(size_t{64} << 10);
  resp::Reply reply(&vm.reply_buffer(), run->protocol);
  run->call.executor->Run(*command, arguments, run->call.session, reply);
  const std::string_view bytes = vm.reply_buffer().view();
  lua_settop(lua, 0);  // there may be as many arguments as the stack has places
  PushReply(lua, bytes);
  return bytes[0] == '-' && on_error == OnError::kRaise ? lua_error(lua) : 1;
}

int RedisCall(lua_State* lua) { return CallCommand(lua, OnError::kRaise); }
int RedisPCall(lua_State* lua) { return CallCommand(lua, OnError::kReturn); }

int AclCheckCommand(lua_State* lua) {
  Vm& vm = Vm::Of(lua);
  if (vm.run() == nullptr) {
    return RaiseNamed(lua, ".acl_check_cmd can only be called inside a script invocation");
  }
  if (!ReadCommand(lua, vm)) return lua_error(lua);
  const Command* const command = vm.run()->call.registry.Resolve(vm.command_arguments());
  if (command == nullptr) {
    return Raise(lua,
                 "Invalid command passed to " + std::string(ApiOf(lua).name) + ".acl_check_cmd()");
  }
  const std::string denied = vm.run()->call.executor->WhyDenied(*command, vm.command_arguments(),
                                                                commands::Executor::Denial::kAsked);
  lua_pushboolean(lua, denied.empty());
  return 1;
}

// ---- Replies and protocols ---------------------------------------------------------------------

bool IsOneString(lua_State* lua) { return lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING; }

int ErrorReply(lua_State* lua) {
  if (!IsOneString(lua)) {
    PushError(lua, "wrong number or type of arguments");
    return 1;
  }
  const std::string text = lua_tostring(lua, 1);
  PushError(lua, text.starts_with('-') ? text : "-" + text);
  return 1;
}

int StatusReply(lua_State* lua) {
  if (!IsOneString(lua)) {
    PushError(lua, "wrong number or type of arguments");
    return 1;
  }
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, "ok");
  return 1;
}

int SetProtocol(lua_State* lua) {
  Vm& vm = Vm::Of(lua);
  if (lua_gettop(lua) != 1) return RaiseNamed(lua, ".setresp() requires one argument.");
  const auto protocol = static_cast<int>(lua_tointeger(lua, 1));
  if (protocol != 2 && protocol != 3) return Raise(lua, "RESP version must be 2 or 3.");
  if (vm.run() == nullptr) {
    return RaiseNamed(lua, ".setresp can only be called inside a script invocation");
  }
  vm.run()->protocol = protocol;
  vm.run()->call.session.protocol = protocol;
  return 0;
}

int SetPropagation(lua_State* lua) {
  if (lua_gettop(lua) != 1) return RaiseNamed(lua, ".set_repl() requires one argument.");
  if ((lua_tointeger(lua, 1) & ~lua_Integer{kEverywhere}) != 0) {
    return Raise(lua,
                 "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  }
  return 0;
}

int ReplicateCommands(lua_State* lua) {
  lua_pushboolean(lua, 1);
  return 1;
}

// ---- The rest ----------------------------------------------------------------------------------

int Sha1Of(lua_State* lua) {
  if (lua_gettop(lua) != 1) return Raise(lua, "wrong number of arguments");
  size_t size = 0;
  const char* text = lua_tolstring(lua, 1, &size);
  const std::string digest = base::Sha1Hex({text != nullptr ? text : "", size});
  lua_pushlstring(lua, digest.data(), digest.size());
  return 1;
}

int WriteLog(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count < 2) return RaiseNamed(lua, ".log() requires two arguments or more.");
  if (lua_isnumber(lua, 1) == 0) {
    return Raise(lua, "First argument must be a number (log level).");
  }
  const lua_Number level = lua_tonumber(lua, 1);
  if (!(level >= 0 && level < 4)) return Raise(lua, "Invalid debug level.");
  std::string text;
  for (int i = 2; i <= count; ++i) {
    size_t size;
    const char* piece = lua_tolstring(lua, i, &size);
    if (piece == nullptr) continue;
    if (i > 2) text += ' ';
    text.append(piece, size);
  }
  Vm::Of(lua).host().log->Write(static_cast<base::Log::Level>(level), "script_log",
                                {{"text", text}});
  return 0;
}

// Without a debugger there is nothing to stop for.
int Breakpoint(lua_State* lua) {
  lua_pushboolean(lua, 0);
  return 1;
}
int Debug(lua_State*) { return 0; }

int RegisterFunction(lua_State* lua) {
  LibraryBuilder* const builder = Vm::Of(lua).builder();
  if (builder == nullptr) {
    return RaiseNamed(lua, ".register_function can only be called on FUNCTION LOAD command");
  }
  const std::string error = builder->Register(lua, ApiOf(lua).name);
  return error.empty() ? 0 : Raise(lua, error);
}

constexpr luaL_Reg kApiFunctions[] = {
    {"call", RedisCall},           {"pcall", RedisPCall},        {"log", WriteLog},
    {"setresp", SetProtocol},      {"sha1hex", Sha1Of},          {"error_reply", ErrorReply},
    {"status_reply", StatusReply}, {"set_repl", SetPropagation}, {"acl_check_cmd", AclCheckCommand},
};
constexpr luaL_Reg kScriptFunctions[] = {
    {"breakpoint", Breakpoint},
    {"debug", Debug},
    {"replicate_commands", ReplicateCommands},
};
constexpr luaL_Reg kLibraryFunctions[] = {
    {"register_function", RegisterFunction},
    {"log", WriteLog},
};

template <size_t count>
void SetFunctions(lua_State* lua, const luaL_Reg (&functions)[count], const Api& api) {
  for (const luaL_Reg& function : functions) {
    lua_pushlightuserdata(lua, const_cast<Api*>(&api));
    lua_pushcclosure(lua, function.func, 1);
    lua_setfield(lua, -2, function.name);
  }
}

struct Constant {
  const char* name;
  int value;
};
constexpr Constant kLogLevels[] = {
    {"LOG_DEBUG", 0}, {"LOG_VERBOSE", 1}, {"LOG_NOTICE", 2}, {"LOG_WARNING", 3}};
constexpr Constant kPropagations[] = {{"REPL_NONE", kNowhere},
                                      {"REPL_AOF", kLog},
                                      {"REPL_SLAVE", kReplicas},
                                      {"REPL_REPLICA", kReplicas},
                                      {"REPL_ALL", kEverywhere}};

template <size_t count>
void SetConstants(lua_State* lua, const Constant (&constants)[count]) {
  for (const Constant& constant : constants) {
    lua_pushinteger(lua, constant.value);
    lua_setfield(lua, -2, constant.name);
  }
}

void SetVersion(lua_State* lua, std::string_view version) {
  lua_pushlstring(lua, version.data(), version.size());
  lua_setfield(lua, -2, "REDIS_VERSION");
  // A byte for each part: 7.2.6 is 0x00070206.
  int number = 0;
  for (const char* at = version.data(); at < version.data() + version.size(); ++at) {
    int part = 0;
    at = std::from_chars(at, version.data() + version.size(), part).ptr;
    number = number << 8 | part;
  }
  lua_pushinteger(lua, number);
  lua_setfield(lua, -2, "REDIS_VERSION_NUM");
}

}  // namespace

void SetCommandTables(lua_State* lua, const Vm& vm) {
  for (const Api* api : {&kRedis, &kServer}) {
    lua_newtable(lua);
    SetFunctions(lua, kApiFunctions, *api);
    if (vm.kind() == Vm::Kind::kScript) SetFunctions(lua, kScriptFunctions, *api);
    SetConstants(lua, kLogLevels);
    SetConstants(lua, kPropagations);
    SetVersion(lua, vm.host().redis_version);
    lua_setfield(lua, -2, api->name);
  }
}

void SetLibraryTables(lua_State* lua, const Vm& vm) {
  for (const Api* api : {&kRedis, &kServer}) {
    lua_newtable(lua);
    SetFunctions(lua, kLibraryFunctions, *api);
    SetConstants(lua, kLogLevels);
    SetVersion(lua, vm.host().redis_version);
    RequireFields(lua);
    Protect(lua);
    lua_setfield(lua, -2, api->name);
  }
}

int MathRandom(lua_State* lua) {
  constexpr int64_t kRange = 2147483647;
  const lua_Number fraction =
      static_cast<lua_Number>(Vm::Of(lua).Random() % kRange) / static_cast<lua_Number>(kRange);
  switch (lua_gettop(lua)) {
    case 0:
      lua_pushnumber(lua, fraction);
      return 1;
    case 1: {
      const int last = luaL_checkint(lua, 1);
      luaL_argcheck(lua, last >= 1, 1, "interval is empty");
      lua_pushnumber(lua, std::floor(fraction * last) + 1);
      return 1;
    }
    case 2: {
      const int first = luaL_checkint(lua, 1);
      const int last = luaL_checkint(lua, 2);
      luaL_argcheck(lua, first <= last, 2, "interval is empty");
      const lua_Number count = static_cast<lua_Number>(last) - first + 1;
      lua_pushnumber(lua, std::floor(fraction * count) + first);
      return 1;
    }
    default:
      return luaL_error(lua, "wrong number of arguments");
  }
}

int MathRandomSeed(lua_State* lua) {
  Vm::Of(lua).SeedRandom(luaL_checkint(lua, 1));
  return 0;
}

}  // namespace terrace::scripting
