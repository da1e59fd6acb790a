#include "scripting/script_runner.h"

#include <utility>

#include "base/hash.h"
#include "base/letters.h"
#include "base/sha1.h"
#include "scripting/script_flags.h"

namespace terrace::scripting {
namespace {

constexpr size_t kDigestChars = 40;

void ReplyNoScript(commands::Call& call) {
  call.reply.Error(call.speaks_valkey() ? "NOSCRIPT No matching script."
                                        : "NOSCRIPT No matching script. Please use EVAL.");
}

}  // namespace

ScriptRunner::ScriptRunner(const Host& host, ScriptStore* scripts, Supervisor* supervisor)
    : host_(host), scripts_(scripts), supervisor_(supervisor) {}

ScriptRunner::~ScriptRunner() = default;

size_t ScriptRunner::BodyHash::operator()(std::string_view body) const {
  return base::HashBytes(body, 0);
}

// ---- Finding scripts ---------------------------------------------------------------------------

void ScriptRunner::Clear() {
  planned_ = nullptr;
  by_body_.clear();
  by_digest_.clear();
  vm_.reset();
}

Vm& ScriptRunner::CurrentVm() {
  if (!IsCurrent()) {
    Clear();
    generation_ = scripts_->generation();
    vm_ = std::make_unique<Vm>(Vm::Kind::kScript, host_, supervisor_);
  }
  return *vm_;
}

void ScriptRunner::Trim() {
  if (vm_ == nullptr || IsCurrent()) return;
  Clear();
  vm_bytes_.store(0, std::memory_order_relaxed);
}

const ScriptRunner::Compiled* ScriptRunner::Keep(ScriptStore::Pointer script, int reference) {
  std::unique_ptr<Compiled>& kept = by_digest_[script->digest];
  // A digest names one script, even where two bodies should have the same.
  if (kept == nullptr) {
    kept = std::make_unique<Compiled>(Compiled{std::move(script), reference});
    by_body_.emplace(kept->script->body, kept.get());
  }
  return kept.get();
}

// Replies the error and answers nullptr when the body is no script.
const ScriptRunner::Compiled* ScriptRunner::FindBody(commands::Call& call, std::string_view body) {
  CurrentVm();
  if (const Compiled* const planned = TakePlanned(body)) return planned;
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
  const int reference = vm_->Compile(script->code(), "@user_script", &error);
  if (reference == Vm::kNoReference) {
    call.reply.Error("ERR Error compiling script (new function): " + error);
    return nullptr;
  }
  script->touches_only_given_keys = vm_->TouchesOnlyGivenKeys(reference, call.registry);
  return Keep(scripts_->Add(std::move(script)), reference);
}

const ScriptRunner::Compiled* ScriptRunner::FindDigest(std::string_view digest) {
  CurrentVm();
  if (const Compiled* const planned = TakePlanned(digest)) return planned;
  auto found = by_digest_.find(digest);
  // Clients may write it in capitals.
  if (found == by_digest_.end()) found = by_digest_.find(base::LowerCase(digest));
  if (found != by_digest_.end()) return found->second.get();
  ScriptStore::Pointer script = scripts_->Find(digest);
  if (script == nullptr) return nullptr;
  std::string error;  // it was compiled by the worker that stored it
  const int reference = vm_->Compile(script->code(), "@user_script", &error);
  return reference != Vm::kNoReference ? Keep(std::move(script), reference) : nullptr;
}

void ScriptRunner::LoadScript(commands::Call& call, std::string_view body) {
  planned_ = nullptr;  // nobody has asked for this one
  const Compiled* const compiled = FindBody(call, body);
  if (compiled != nullptr) call.reply.Bulk(compiled->script->digest);
}

// ---- Before they run ---------------------------------------------------------------------------

bool ScriptRunner::BodyNeedsOnlyKeys(commands::Args args) {
  if (!IsCurrent()) return false;
  const auto found = by_body_.find(args[1]);
  return Plan(args[1], found != by_body_.end() ? found->second : nullptr);
}

bool ScriptRunner::DigestNeedsOnlyKeys(commands::Args args) {
  if (!IsCurrent()) return false;
  const auto found = by_digest_.find(args[1]);
  return Plan(args[1], found != by_digest_.end() ? found->second.get() : nullptr);
}

bool ScriptRunner::Plan(std::string_view text, const Compiled* compiled) {
  planned_text_ = text;
  planned_ = compiled;
  return compiled != nullptr && compiled->script->touches_only_given_keys;
}

const ScriptRunner::Compiled* ScriptRunner::TakePlanned(std::string_view text) {
  const Compiled* const planned = std::exchange(planned_, nullptr);
  const bool is_same = planned_text_.data() == text.data() && planned_text_.size() == text.size();
  return is_same ? planned : nullptr;
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
  const Compiled* const compiled = FindDigest(call.args[1]);
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
