#pragma once

// LibraryStore: the libraries of FUNCTION LOAD and their functions, shared by all workers as an
// immutable set that is replaced as a whole.
//
// Ownership: sets, libraries and functions are shared; what a run uses lives until it ends.
// Threads:   internally locked.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace terrace::scripting {

struct Function {
  std::string name;
  std::string description;
  bool has_description = false;
  uint32_t flags = 0;
};

struct Library {
  uint64_t id = 0;  // no two are the same, also after a replacement
  std::string name;
  std::string code;  // with its first line
  size_t head_bytes = 0;
  std::vector<Function> functions;
};

class LibrarySet {
 public:
  using Pointer = std::shared_ptr<const Library>;
  struct Found {
    Pointer library;  // null: there is no such function
    const Function* function = nullptr;
  };

  const std::map<std::string, Pointer, std::less<>>& libraries() const { return libraries_; }
  Pointer FindLibrary(std::string_view name) const;
  // In any case.
  Found FindFunction(std::string_view name) const;
  size_t function_count() const { return functions_.size(); }
  size_t bytes() const;

  // The name of a function that the library has in common with one of the set, or "".
  std::string Collision(const Library& library) const;
  // REQUIRES: neither its name nor those of its functions are taken.
  void Add(Pointer library);
  void Remove(std::string_view name);

 private:
  std::map<std::string, Pointer, std::less<>> libraries_;
  std::unordered_map<std::string, Found> functions_;  // by their names in lower case
};

class LibraryStore {
 public:
  using Set = std::shared_ptr<const LibrarySet>;

  Set current() const;
  // Grows with every change of the set.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // Changes a copy of the set and puts it in place, unless change answers an error, which is
  // passed on. Others change nothing meanwhile.
  std::string Change(const std::function<std::string(LibrarySet&)>& change);

  uint64_t NewId() { return next_id_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::mutex change_mutex_;   // held while a change is prepared
  mutable std::mutex mutex_;  // guards current_
  Set current_ = std::make_shared<const LibrarySet>();
  std::atomic<uint64_t> version_{1};
  std::atomic<uint64_t> next_id_{1};
};

}  // namespace terrace::scripting
