#include "scripting/script_store.h"

#include "base/letters.h"

namespace terrace::scripting {
namespace {

// What a script takes beside its body, about.
constexpr size_t kScriptOverheadBytes = sizeof(Script) + 64;

}  // namespace

ScriptStore::Pointer ScriptStore::Find(std::string_view digest) const {
  std::lock_guard lock(mutex_);
  const auto found = scripts_.find(base::LowerCase(digest));
  return found != scripts_.end() ? found->second : nullptr;
}

ScriptStore::Pointer ScriptStore::Add(Pointer script) {
  std::lock_guard lock(mutex_);
  const auto [at, added] = scripts_.emplace(script->digest, script);
  if (added) bytes_ += script->digest.size() + script->body.size() + kScriptOverheadBytes;
  return at->second;
}

void ScriptStore::Flush() {
  std::lock_guard lock(mutex_);
  scripts_.clear();
  bytes_ = 0;
  generation_.fetch_add(1, std::memory_order_release);
}

size_t ScriptStore::count() const {
  std::lock_guard lock(mutex_);
  return scripts_.size();
}

size_t ScriptStore::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace terrace::scripting
