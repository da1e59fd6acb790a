#include "scripting/script_runner.h"

#include <utility>

#include "base/hash.h"
#include "base/sha1.h"
#include "scripting/script_flags.h"

namespace terrace::scripting {
namespace {

constexpr size_t kDigestChars = 40;

void ReplyNoScript(commands::Call& call) {
  call.reply.Error("NOSCRIPT No matching script. Please use EVAL.");
}

}  // namespace

ScriptRunner::ScriptRunner(const Host& host, ScriptStore* scripts, Supervisor* supervisor)
    : host_(host), scripts_(scripts), supervisor_(supervisor) {}

ScriptRunner::~ScriptRunner() = default;

size_t ScriptRunner::BodyHash::operator()(std::string_view body) const {
  return base::HashBytes(body, 0);
}

// ---- Finding scripts ---------------------------------------------------------------------------

Vm& ScriptRunner::CurrentVm() {
  if (vm_ == nullptr || generation_ != scripts_->generation()) {
    by_body_.clear();
    by_digest_.clear();
    generation_ = scripts_->generation();
    vm_ = std::make_unique<Vm>(Vm::Kind::kScript, host_, supervisor_);
  }
  return *vm_;
}

void ScriptRunner::Trim() {
  if (vm_ == nullptr || generation_ == scripts_->generation()) return;
  by_body_.clear();
  by_digest_.clear();
  vm_.reset();
  vm_bytes_.store(0, std::memory_order_relaxed);
}

const ScriptRunner::Compiled* ScriptRunner::Compile(ScriptStore::Pointer script,
                                                    std::string* error) {
  const int reference = CurrentVm().Compile(script->code(), "@user_script", error);
  if (reference == Vm::kNoReference) return nullptr;
  script = scripts_->Add(std::move(script));
  auto compiled = std::make_unique<Compiled>(Compiled{script, reference});
  const Compiled* const result = compiled.get();
  by_body_.emplace(script->body, result);
  by_digest_.emplace(script->digest, std::move(compiled));
  return result;
}

// Replies the error and answers nullptr when the body is no script.
const ScriptRunner::Compiled* ScriptRunner::FindBody(commands::Call& call, std::string_view body) {
  CurrentVm();
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

const ScriptRunner::Compiled* ScriptRunner::FindDigest(std::string_view digest) {
  CurrentVm();
  const auto found = by_digest_.find(digest);
  if (found != by_digest_.end()) return found->second.get();
  ScriptStore::Pointer script = scripts_->Find(digest);
  if (script == nullptr) return nullptr;
  std::string error;  // it was compiled by the worker that stored it
  return Compile(std::move(script), &error);
}

void ScriptRunner::LoadScript(commands::Call& call, std::string_view body) {
  const Compiled* const compiled = FindBody(call, body);
  if (compiled != nullptr) call.reply.Bulk(compiled->script->digest);
}

// ---- Running -----------------------------------------------------------------------------------

void ScriptRunner::Eval(commands::Call& call, Writes writes) {
  const auto key_count = ParseKeyCount(call, "");
  if (!key_count) return;
  const Compiled* const compiled = FindBody(call, call.args[1]);
  if (compiled != nullptr) RunScript(call, *compiled, writes, *key_count);
}

void ScriptRunner::EvalDigest(commands::Call& call, Writes writes) {
  if (call.args[1].size() != kDigestChars) return ReplyNoScript(call);
  const auto key_count = ParseKeyCount(call, "");
  if (!key_count) return;
  const Compiled* compiled = FindDigest(call.args[1]);
  if (compiled == nullptr) compiled = FindDigest(LowerCase(call.args[1]));
  if (compiled == nullptr) return ReplyNoScript(call);
  RunScript(call, *compiled, writes, *key_count);
}

void ScriptRunner::RunScript(commands::Call& call, const Compiled& compiled, Writes writes,
                             size_t key_count) {
  // A script that is flushed by another worker meanwhile lives on.
  const ScriptStore::Pointer script = compiled.script;
  Run run(call, Run::Kind::kScript, script->digest);
  StartRun(*vm_, run, script->head.flags, writes, compiled.reference, key_count);
  vm_bytes_.store(vm_->bytes(), std::memory_order_relaxed);
}

}  // namespace terrace::scripting
