#include "scripting/function_runner.h"

#include <utility>

#include "commands/registry.h"
#include "keyspace/rdb/footer.h"
#include "keyspace/rdb/format.h"
#include "keyspace/rdb/reader.h"
#include "keyspace/rdb/writer.h"
#include "scripting/library_builder.h"
#include "scripting/script_flags.h"

namespace terrace::scripting {
namespace {

// What stands before the code of a library in the formats of Redis.
constexpr uint8_t kLibraryTag = 245;
constexpr uint8_t kOldLibraryTag = 246;  // of release candidates of Redis 7.0
// Redis has functions since the version of this format.
constexpr uint16_t kDumpVersion = keyspace::rdb::kVersionOfStream2;

std::string Quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

}  // namespace

FunctionRunner::FunctionRunner(const Host& host, LibraryStore* libraries, Supervisor* supervisor)
    : host_(host), libraries_(libraries), supervisor_(supervisor) {}

FunctionRunner::~FunctionRunner() = default;

// ---- Libraries in the Lua state ----------------------------------------------------------------

Vm& FunctionRunner::CurrentVm() {
  if (vm_ == nullptr) vm_ = std::make_unique<Vm>(Vm::Kind::kFunction, host_, supervisor_);
  return *vm_;
}

const LibrarySet& FunctionRunner::CurrentSet() {
  if (version_ != libraries_->version()) Trim();
  return *set_;
}

void FunctionRunner::Unload(const Loaded& loaded) {
  for (const auto& [name, function] : loaded.functions) vm_->Release(function.reference);
}

void FunctionRunner::Trim() {
  version_ = libraries_->version();
  set_ = libraries_->current();
  for (auto at = loaded_.begin(); at != loaded_.end();) {
    const LibrarySet::Pointer current = set_->FindLibrary(at->second.library->name);
    if (current != nullptr && current->id == at->first) {
      ++at;
    } else {
      Unload(at->second);
      at = loaded_.erase(at);
    }
  }
  // An empty state holds nothing that anybody could miss.
  if (loaded_.empty()) vm_.reset();
  UpdateBytes();
}

void FunctionRunner::UpdateBytes() {
  vm_bytes_.store(vm_ != nullptr ? vm_->bytes() : 0, std::memory_order_relaxed);
}

FunctionRunner::Loaded* FunctionRunner::LoadedFor(const LibrarySet::Pointer& library,
                                                  std::string* error) {
  const auto found = loaded_.find(library->id);
  if (found != loaded_.end()) return &found->second;
  LibraryBuilder builder;
  *error = CurrentVm().LoadLibrary(std::string_view(library->code).substr(library->head_bytes),
                                   Vm::LoadLimit::kNone, builder);
  Loaded loaded{library, {}};
  for (const auto& [name, function] : builder.functions()) {
    loaded.functions.emplace(name, LoadedFunction{function.reference});
  }
  if (!error->empty()) {
    Unload(loaded);
    return nullptr;
  }
  return &loaded_.emplace(library->id, std::move(loaded)).first->second;
}

// ---- Calling -----------------------------------------------------------------------------------

bool FunctionRunner::NeedsOnlyKeys(commands::Args args) {
  const LibrarySet::Found found = CurrentSet().FindFunction(args[1]);
  if (found.library == nullptr) return false;
  const auto loaded = loaded_.find(found.library->id);
  if (loaded == loaded_.end()) return false;
  const auto function = loaded->second.functions.find(found.function->name);
  return function != loaded->second.functions.end() &&
         function->second.touches_only_given_keys.value_or(false);
}

void FunctionRunner::Call(commands::Call& call, Writes writes) {
  // Where not all locks are held, they were chosen for a function of set_: it may not be exchanged
  // for one that needs others.
  const LibrarySet& set = call.executor->HoldsAllLocks() ? CurrentSet() : *set_;
  const LibrarySet::Found found = set.FindFunction(call.args[1]);
  if (found.library == nullptr) return call.reply.Error("ERR Function not found");
  const auto key_count = ParseKeyCount(call, "ERR Bad number of keys provided");
  if (!key_count) return;
  std::string error;
  Loaded* const loaded = LoadedFor(found.library, &error);
  if (loaded == nullptr) return call.reply.Error("ERR " + error);
  const auto at = loaded->functions.find(found.function->name);
  // What a library registers may depend on chance, in spite of all warnings.
  if (at == loaded->functions.end()) return call.reply.Error("ERR Function not found");
  LoadedFunction& function = at->second;
  if (!function.touches_only_given_keys) {
    function.touches_only_given_keys = vm_->TouchesOnlyGivenKeys(function.reference, call.registry);
  }
  Run run(call, Run::Kind::kFunction, found.function->name);
  StartRun(*vm_, run, found.function->flags, writes, function.reference, *key_count);
  UpdateBytes();
}

// ---- Loading -----------------------------------------------------------------------------------

// Compiles a library and lets it register its functions; it fits into the set. "" or the error.
std::string FunctionRunner::Create(std::string_view code, Vm::LoadLimit limit,
                                   const LibrarySet& set, Existing existing,
                                   LibrarySet::Pointer* result) {
  LibraryHead head;
  std::string error = ParseLibraryHead(code, &head);
  if (!error.empty()) return error;
  if (!IsFunctionName(head.name)) {
    return "Library names can only contain letters, numbers, or underscores(_) and must be at "
           "least one character long";
  }
  if (!commands::SameName(head.engine, "lua"))
    return "Engine " + Quoted(head.engine) + " not found";
  if (existing == Existing::kRefuse && set.FindLibrary(head.name) != nullptr) {
    return "Library " + Quoted(head.name) + " already exists";
  }
  LibraryBuilder builder;
  error = CurrentVm().LoadLibrary(code.substr(head.bytes), limit, builder);
  auto library = std::make_shared<Library>();
  Loaded loaded;
  for (auto& [name, function] : builder.functions()) {
    loaded.functions.emplace(name, LoadedFunction{function.reference});
    library->functions.push_back(
        {name, function.description, function.has_description, function.flags});
  }
  if (error.empty() && library->functions.empty()) error = "No functions registered";
  if (error.empty()) {
    LibrarySet others = set;
    others.Remove(head.name);
    const std::string taken = others.Collision(*library);
    if (!taken.empty()) error = "Function " + taken + " already exists";
  }
  if (!error.empty()) {
    Unload(loaded);
    return error;
  }
  library->id = libraries_->NewId();
  library->name = head.name;
  library->code = code;
  library->head_bytes = head.bytes;
  loaded.library = library;
  loaded_.emplace(library->id, std::move(loaded));
  *result = std::move(library);
  return "";
}

std::string FunctionRunner::LoadLibrary(std::string_view code, Vm::LoadLimit limit,
                                        Existing existing, LibrarySet::Pointer* library) {
  std::string error = libraries_->Change([&](LibrarySet& set) {
    std::string failure = Create(code, limit, set, existing, library);
    if (failure.empty()) {
      set.Remove((*library)->name);
      set.Add(*library);
    }
    return failure;
  });
  UpdateBytes();
  return error;
}

std::string FunctionRunner::LoadSaved(std::string_view code, Existing existing) {
  LibrarySet::Pointer library;
  return LoadLibrary(code, Vm::LoadLimit::kNone, existing, &library);
}

void FunctionRunner::Load(commands::Call& call, std::string_view code, Existing existing) {
  LibrarySet::Pointer library;
  const std::string error = LoadLibrary(code, Vm::LoadLimit::kTime, existing, &library);
  error.empty() ? call.reply.Bulk(library->name) : call.reply.Error("ERR " + error);
}

// Creates the libraries of a payload without its footer.
std::string FunctionRunner::ReadLibraries(std::string_view payload, LibrarySet* set) {
  keyspace::rdb::Reader reader(payload);
  while (reader.left() > 0) {
    uint8_t tag;
    if (!reader.Byte(&tag)) return "can not read data type";
    if (tag == kOldLibraryTag) return "Pre-GA function format not supported";
    if (tag != kLibraryTag) return "given type is not a function";
    std::string code;
    if (!reader.String(&code)) return "Failed loading library payload";
    LibrarySet::Pointer library;
    std::string error = Create(code, Vm::LoadLimit::kNone, *set, Existing::kRefuse, &library);
    if (!error.empty()) return error;
    set->Add(std::move(library));
  }
  return "";
}

void FunctionRunner::Restore(commands::Call& call, std::string_view payload, RestorePolicy policy) {
  if (!keyspace::rdb::HasValidFooter(payload)) {
    return call.reply.Error("ERR DUMP payload version or checksum are wrong");
  }
  payload.remove_suffix(keyspace::rdb::kFooterSize);
  const std::string error = libraries_->Change([&](LibrarySet& set) -> std::string {
    LibrarySet restored;
    std::string failure = ReadLibraries(payload, &restored);
    if (!failure.empty()) return failure;
    if (policy == RestorePolicy::kFlush) set = LibrarySet();
    for (const auto& [name, library] : restored.libraries()) {
      if (set.FindLibrary(name) == nullptr) continue;
      if (policy == RestorePolicy::kAppend) return "Library " + name + " already exists";
      set.Remove(name);
    }
    for (const auto& [name, library] : restored.libraries()) {
      const std::string taken = set.Collision(*library);
      if (!taken.empty()) return "Function " + taken + " already exists";
    }
    for (const auto& [name, library] : restored.libraries()) set.Add(library);
    return "";
  });
  Trim();  // also what a refused payload has left behind
  error.empty() ? call.reply.Ok() : call.reply.Error("ERR " + error);
}

std::string DumpLibraries(const LibrarySet& set) {
  std::string payload;
  keyspace::rdb::Writer writer(&payload);
  for (const auto& [name, library] : set.libraries()) {
    writer.Byte(kLibraryTag);
    writer.String(library->code);
  }
  keyspace::rdb::AppendFooter(kDumpVersion, &payload);
  return payload;
}

}  // namespace terrace::scripting
