#pragma once

// ScriptStore: the bodies of scripts by their digest, shared by all workers. Each worker compiles
// what it runs for itself.
//
// Ownership: scripts are shared and immutable; one that is flushed lives until its last run ends.
// Threads:   internally locked.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "scripting/script_flags.h"

namespace terrace::scripting {

struct Script {
  std::string digest;
  std::string body;
  ScriptHead head;
  // Proven: it touches no keys but those that it is called with.
  bool touches_only_given_keys = false;

  std::string_view code() const { return std::string_view(body).substr(head.bytes); }
};

class ScriptStore {
 public:
  using Pointer = std::shared_ptr<const Script>;

  // nullptr when there is none. The case of the digest does not matter.
  Pointer Find(std::string_view digest) const;
  // Keeps the script, or answers the one of the same digest that is there.
  Pointer Add(Pointer script);
  void Flush();

  // Grows with every flush: what was compiled before is not to be used any more.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  size_t count() const;
  size_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string_view, Pointer> scripts_;  // keys point into the scripts
  size_t bytes_ = 0;
  std::atomic<uint64_t> generation_{1};
};

}  // namespace terrace::scripting
