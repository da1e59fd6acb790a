#include "scripting/library_store.h"

#include <utility>

#include "base/letters.h"
#include "scripting/script_flags.h"

namespace terrace::scripting {

LibrarySet::Pointer LibrarySet::FindLibrary(std::string_view name) const {
  const auto found = libraries_.find(name);
  return found != libraries_.end() ? found->second : nullptr;
}

LibrarySet::Found LibrarySet::FindFunction(std::string_view name) const {
  const auto found = functions_.find(base::LowerCase(name));
  return found != functions_.end() ? found->second : Found();
}

size_t LibrarySet::bytes() const {
  size_t bytes = sizeof(*this);
  for (const auto& [name, library] : libraries_) {
    bytes += sizeof(Library) + 2 * name.size() + library->code.size();
    for (const Function& function : library->functions) {
      bytes += sizeof(Function) + 2 * function.name.size() + function.description.size();
    }
  }
  return bytes;
}

std::string LibrarySet::Collision(const Library& library) const {
  for (const Function& function : library.functions) {
    if (functions_.contains(base::LowerCase(function.name))) return function.name;
  }
  return "";
}

void LibrarySet::Add(Pointer library) {
  for (const Function& function : library->functions) {
    functions_[base::LowerCase(function.name)] = {library, &function};
  }
  libraries_[library->name] = std::move(library);
}

void LibrarySet::Remove(std::string_view name) {
  const auto found = libraries_.find(name);
  if (found == libraries_.end()) return;
  for (const Function& function : found->second->functions) {
    functions_.erase(base::LowerCase(function.name));
  }
  libraries_.erase(found);
}

LibraryStore::Set LibraryStore::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

std::string LibraryStore::Change(const std::function<std::string(LibrarySet&)>& change) {
  std::lock_guard changing(change_mutex_);
  auto set = std::make_shared<LibrarySet>(*current());
  std::string error = change(*set);
  if (!error.empty()) return error;
  std::lock_guard lock(mutex_);
  current_ = std::move(set);
  version_.fetch_add(1, std::memory_order_release);
  return "";
}

}  // namespace terrace::scripting
