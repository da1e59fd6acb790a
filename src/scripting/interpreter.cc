#include "scripting/interpreter.h"

#include <optional>
#include <utility>

#include "base/hash.h"
#include "base/numbers.h"
#include "base/sha1.h"
#include "scripting/script_flags.h"

namespace terrace::scripting {
namespace {

constexpr size_t kDigestChars = 40;
constexpr size_t kNumkeysAt = 2;
constexpr size_t kKeysAt = 3;

void ReplyNoScript(commands::Call& call) {
  call.reply.Error("NOSCRIPT No matching script. Please use EVAL.");
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

// The count of keys; replies the error and answers nullopt when it makes no sense.
std::optional<size_t> KeyCount(commands::Call& call) {
  const auto count = call.Integer(kNumkeysAt);
  if (!count) return std::nullopt;
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

Interpreter::Interpreter(const Host& host, ScriptStore* scripts, Supervisor* supervisor)
    : host_(host), scripts_(scripts), supervisor_(supervisor) {}

Interpreter::~Interpreter() = default;

size_t Interpreter::BodyHash::operator()(std::string_view body) const {
  return base::HashBytes(body, 0);
}

// ---- Finding scripts ---------------------------------------------------------------------------

Vm& Interpreter::ScriptVm() {
  if (script_vm_ == nullptr || generation_ != scripts_->generation()) {
    by_body_.clear();
    by_digest_.clear();
    generation_ = scripts_->generation();
    script_vm_ = std::make_unique<Vm>(Vm::Kind::kScript, host_, supervisor_);
  }
  return *script_vm_;
}

void Interpreter::Trim() {
  if (script_vm_ == nullptr || generation_ == scripts_->generation()) return;
  by_body_.clear();
  by_digest_.clear();
  script_vm_.reset();
  script_vm_bytes_.store(0, std::memory_order_relaxed);
}

const Interpreter::Compiled* Interpreter::Compile(ScriptStore::Pointer script, std::string* error) {
  const int reference = ScriptVm().Compile(script->code(), "@user_script", error);
  if (reference == Vm::kNoReference) return nullptr;
  script = scripts_->Add(std::move(script));
  auto compiled = std::make_unique<Compiled>(Compiled{script, reference});
  const Compiled* const result = compiled.get();
  by_body_.emplace(script->body, result);
  by_digest_.emplace(script->digest, std::move(compiled));
  return result;
}

// Replies the error and answers nullptr when the body is no script.
const Interpreter::Compiled* Interpreter::FindBody(commands::Call& call, std::string_view body) {
  ScriptVm();
  // A pass over the body is much cheaper than its digest, which only names it.
  const auto found = by_body_.find(body);
  if (found != by_body_.end()) return found->second;
  auto script = std::make_shared<Script>();
  script->body = body;
  std::string error = ParseScriptHead(body, &script->head);
  if (!error.empty()) {
    call.reply.Error("ERR " + error);
    return nullptr;
  }
  script->digest = base::Sha1Hex(body);
  const Compiled* const compiled = Compile(std::move(script), &error);
  if (compiled == nullptr) {
    call.reply.Error("ERR Error compiling script (new function): " + error);
  }
  return compiled;
}

const Interpreter::Compiled* Interpreter::FindDigest(std::string_view digest) {
  ScriptVm();
  const auto found = by_digest_.find(digest);
  if (found != by_digest_.end()) return found->second.get();
  ScriptStore::Pointer script = scripts_->Find(digest);
  if (script == nullptr) return nullptr;
  std::string error;  // it was compiled by the worker that stored it
  return Compile(std::move(script), &error);
}

void Interpreter::LoadScript(commands::Call& call, std::string_view body) {
  const Compiled* const compiled = FindBody(call, body);
  if (compiled != nullptr) call.reply.Bulk(compiled->script->digest);
}

// ---- Running -----------------------------------------------------------------------------------

void Interpreter::Eval(commands::Call& call, Writes writes) {
  const auto key_count = KeyCount(call);
  if (!key_count) return;
  const Compiled* const compiled = FindBody(call, call.args[1]);
  if (compiled != nullptr) RunScript(call, *compiled, writes, *key_count);
}

void Interpreter::EvalDigest(commands::Call& call, Writes writes) {
  if (call.args[1].size() != kDigestChars) return ReplyNoScript(call);
  const auto key_count = KeyCount(call);
  if (!key_count) return;
  const Compiled* compiled = FindDigest(call.args[1]);
  if (compiled == nullptr) compiled = FindDigest(Lower(call.args[1]));
  if (compiled == nullptr) return ReplyNoScript(call);
  RunScript(call, *compiled, writes, *key_count);
}

void Interpreter::RunScript(commands::Call& call, const Compiled& compiled, Writes writes,
                            size_t key_count) {
  // A script that is flushed by another worker meanwhile lives on.
  const ScriptStore::Pointer script = compiled.script;
  Run run{call, Run::Kind::kScript, script->digest};
  Start(*script_vm_, run, script->head.flags, writes, compiled.reference, key_count);
  script_vm_bytes_.store(script_vm_->bytes(), std::memory_order_relaxed);
}

// Checks what the flags say, then runs.
void Interpreter::Start(Vm& vm, Run& run, uint32_t flags, Writes writes, int reference,
                        size_t key_count) {
  commands::Call& call = run.call;
  const bool is_declared = (flags & kUndeclared) == 0;
  run.over_memory_limit = call.db.keyspace().IsOverLimit();
  run.read_only = writes == Writes::kForbidden || (is_declared && (flags & kNoWrites) != 0);
  run.allows_oom = is_declared && (flags & kAllowOom) != 0;
  run.begin_us = call.clock.MonoUs();
  if (is_declared) {
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
