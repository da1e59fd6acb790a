// The HyperLogLog family: sketches of how many distinct elements were seen, in plain strings.

#include <memory>
#include <span>
#include <string>

#include "base/rng.h"
#include "commands/call.h"
#include "commands/registry.h"
#include "keyspace/types/hyperloglog.h"

namespace terrace::commands {
namespace {

using keyspace::Database;
using keyspace::Entry;
using keyspace::HllEncoding;
using keyspace::HllRegisters;
using keyspace::HllUpdate;
using keyspace::KeyEvent;

constexpr KeyEvent kPfadd{'$', "pfadd"};
constexpr std::string_view kCorrupt = "INVALIDOBJ Corrupted HLL object detected";

size_t SparseBytesMax(const Call& call) { return call.limits.encoding.hll_sparse_max_bytes; }

// Replies the error and returns false when the entry is no sketch. REQUIRES: entry is not null.
bool IsSketch(Call& call, const Entry* entry) {
  if (!entry->is_string()) {
    call.reply.WrongType();
    return false;
  }
  if (keyspace::IsHyperLogLog(entry->string())) return true;
  call.reply.Error("WRONGTYPE Key is not a valid HyperLogLog string value.");
  return false;
}

// Overwrites the sketch of a key, which keeps its deadline.
void Store(Call& call, size_t key_argument, std::string_view sketch, KeyEvent event) {
  call.db.SetString(call.key(key_argument), sketch, Database::kKeepDeadline, event)->mark_raw();
}

void Create(Call& call) {
  std::string sketch = keyspace::NewHyperLogLog();
  keyspace::HllMarkStale(sketch);
  for (size_t i = 2; i < call.argc(); ++i) {
    (void)keyspace::HllAdd(&sketch, call.args[i], SparseBytesMax(call));
  }
  call.db.SetString(call.key(1), sketch, keyspace::kNoDeadline, kPfadd)->mark_raw();
  call.reply.Integer(1);
}

// Dense sketches are 12 KiB: they change in place.
void AddDense(Call& call, size_t first_new) {
  const keyspace::Key key = call.key(1);
  const std::span<char> sketch(call.db.EditString(key, keyspace::kHllDenseSize),
                               keyspace::kHllDenseSize);
  for (size_t i = first_new; i < call.argc(); ++i) {
    (void)keyspace::HllAddDense(sketch, call.args[i]);
  }
  call.db.Changed(key, call.db.Peek(key), kPfadd);
  call.reply.Integer(1);
}

void AddSparse(Call& call, std::string_view value, size_t first_new) {
  std::string sketch(value);
  for (size_t i = first_new; i < call.argc(); ++i) {
    if (keyspace::HllAdd(&sketch, call.args[i], SparseBytesMax(call)) == HllUpdate::kCorrupt) {
      return call.reply.Error(kCorrupt);
    }
  }
  Store(call, 1, sketch, kPfadd);
  call.reply.Integer(1);
}

void Pfadd(Call& call) {
  const Entry* entry = call.db.Write(call.key(1));
  if (entry == nullptr) return Create(call);
  if (!IsSketch(call, entry)) return;
  // Most elements were seen before: nothing is written for them.
  for (size_t i = 2; i < call.argc(); ++i) {
    const HllUpdate update = keyspace::HllProbe(entry->string(), call.args[i]);
    if (update == HllUpdate::kCorrupt) return call.reply.Error(kCorrupt);
    if (update == HllUpdate::kUnchanged) continue;
    if (keyspace::EncodingOf(entry->string()) == HllEncoding::kDense) return AddDense(call, i);
    return AddSparse(call, entry->string(), i);
  }
  call.reply.Integer(0);
}

// Remembers the estimate in the sketch, as clients may see with GET. Copies of lower tiers stay as
// they came.
void StoreCount(Call& call, const Entry* entry, uint64_t count) {
  const keyspace::Key key = call.key(1);
  if (entry->has_tier() || call.db.Write(key) != entry) return;
  if (keyspace::EncodingOf(entry->string()) == HllEncoding::kDense) {
    const std::span<char> sketch(call.db.EditString(key, keyspace::kHllDenseSize),
                                 keyspace::kHllDenseSize);
    keyspace::HllStoreCount(sketch, count);
    call.db.Changed(key, call.db.Peek(key), keyspace::events::kNone);
    return;
  }
  std::string sketch(entry->string());
  keyspace::HllStoreCount(sketch, count);
  Store(call, 1, sketch, keyspace::events::kNone);
}

void CountOne(Call& call) {
  const Entry* entry = call.db.Read(call.key(1));
  if (entry == nullptr) return call.reply.Integer(0);
  if (!IsSketch(call, entry)) return;
  std::optional<uint64_t> count = keyspace::HllCachedCount(entry->string());
  if (!count) {
    count = keyspace::HllCount(entry->string());
    if (!count) return call.reply.Error(kCorrupt);
    StoreCount(call, entry, *count);
  }
  call.reply.Integer(static_cast<int64_t>(*count));
}

// The union of the sketches from this argument on, and whether one of them is dense. False after
// an error.
bool Unite(Call& call, size_t first, HllRegisters* registers, bool* any_dense) {
  registers->fill(0);
  *any_dense = false;
  for (size_t i = first; i < call.argc(); ++i) {
    const Entry* entry = call.db.Read(call.key(i));
    if (entry == nullptr) continue;
    if (!IsSketch(call, entry)) return false;
    *any_dense |= keyspace::EncodingOf(entry->string()) == HllEncoding::kDense;
    if (!keyspace::HllMergeInto(entry->string(), registers)) {
      call.reply.Error(kCorrupt);
      return false;
    }
  }
  return true;
}

void Pfcount(Call& call) {
  if (call.argc() == 2) return CountOne(call);
  HllRegisters registers;
  bool any_dense;
  if (!Unite(call, 1, &registers, &any_dense)) return;
  call.reply.Integer(static_cast<int64_t>(keyspace::HllCount(registers)));
}

void Pfmerge(Call& call) {
  HllRegisters registers;
  bool any_dense;
  if (!Unite(call, 1, &registers, &any_dense)) return;
  const Entry* entry = call.db.Write(call.key(1));
  std::string sketch = entry != nullptr ? std::string(entry->string()) : keyspace::NewHyperLogLog();
  if ((any_dense && !keyspace::HllToDense(&sketch)) ||
      !keyspace::HllRaise(&sketch, registers, SparseBytesMax(call))) {
    return call.reply.Error(kCorrupt);
  }
  if (entry != nullptr) {
    Store(call, 1, sketch, kPfadd);
  } else {
    call.db.SetString(call.key(1), sketch, keyspace::kNoDeadline, kPfadd)->mark_raw();
  }
  call.reply.Ok();
}

void ReplyRegisters(Call& call, std::string_view sketch) {
  HllRegisters registers{};
  if (!keyspace::HllMergeInto(sketch, &registers)) return call.reply.Error(kCorrupt);
  call.reply.Array(registers.size());
  for (const uint8_t rank : registers) call.reply.Integer(rank);
}

// The bytes of the sketch after making it dense; nullopt after an error.
std::optional<std::string> MakeDense(Call& call, std::string_view value) {
  std::string sketch(value);
  if (!keyspace::HllToDense(&sketch)) {
    call.reply.Error(kCorrupt);
    return std::nullopt;
  }
  if (sketch.size() != value.size()) {
    call.db.SetString(call.key(2), sketch, Database::kKeepDeadline, keyspace::events::kNone)
        ->mark_raw();
  }
  return sketch;
}

void Pfdebug(Call& call) {
  const Entry* entry = call.db.Write(call.key(2));
  if (entry == nullptr) return call.reply.Error("ERR The specified key does not exist");
  if (!IsSketch(call, entry)) return;
  const bool is_sparse = keyspace::EncodingOf(entry->string()) == HllEncoding::kSparse;
  const bool known = call.Is(1, "getreg") || call.Is(1, "decode") || call.Is(1, "encoding") ||
                     call.Is(1, "todense");
  const std::string word(call.args[1].substr(0, call.args[1].find('\0')));
  if (!known) return call.reply.Error("ERR Unknown PFDEBUG subcommand '" + word + "'");
  if (call.Is(1, "encoding")) return call.reply.Simple(is_sparse ? "sparse" : "dense");
  if (call.Is(1, "decode")) {
    if (!is_sparse) return call.reply.Error("ERR HLL encoding is not sparse");
    return call.reply.Bulk(keyspace::HllDescribeSparse(entry->string()));
  }
  const std::optional<std::string> dense = MakeDense(call, entry->string());
  if (!dense) return;
  if (call.Is(1, "getreg")) return ReplyRegisters(call, *dense);
  call.reply.Integer(is_sparse);
}

void Pfselftest(Call& call) {
  base::Rng rng(static_cast<uint64_t>(call.now_ms()));
  const std::string failure = keyspace::HllSelfTest(&rng, SparseBytesMax(call));
  failure.empty() ? call.reply.Ok() : call.reply.Error(failure);
}

constexpr Command kHyperLogLogCommands[] = {
    {.name = "pfadd",
     .arity = -2,
     .flags = kWrite | kDenyOom | kFast,
     .categories = kHyperLogLog,
     .keys = {1, 1, 1, "RW insert"},
     .resolve = Resolve::kValue,
     .handler = Pfadd,
     .group = "hyperloglog",
     .since = "2.8.9",
     .syntax = "key [element...]",
     .summary = "Shows elements to a sketch, creating it if needed.",
     .complexity = "O(N), N: elements given"},
    {.name = "pfcount",
     .arity = -2,
     .flags = kReadOnly | kMayReplicate,
     .categories = kHyperLogLog,
     .keys = {Noted(KeysFrom(1, "RW access"),
                    "RW because it may change the internal representation of the key, and "
                    "propagate to replicas")},
     .resolve = Resolve::kValue,
     .handler = Pfcount,
     .group = "hyperloglog",
     .since = "2.8.9",
     .syntax = "key...",
     .summary = "Estimates how many distinct elements sketches have seen together.",
     .complexity = "O(N), N: keys; O(1) for one"},
    {.name = "pfmerge",
     .arity = -2,
     .flags = kWrite | kDenyOom,
     .categories = kHyperLogLog,
     .keys = {KeyAt(1, "RW access insert"), KeysFrom(2, "RO access")},
     .resolve = Resolve::kValue,
     .handler = Pfmerge,
     .group = "hyperloglog",
     .since = "2.8.9",
     .syntax = "destkey [sourcekey...]",
     .summary = "Merges sketches into the first of them.",
     .complexity = "O(N), N: keys given"},
    {.name = "pfdebug",
     .arity = 3,
     .flags = kWrite | kDenyOom | kAdmin | kSystem,
     .categories = kHyperLogLog,
     .keys = {2, 2, 1, "RW access"},
     .resolve = Resolve::kValue,
     .handler = Pfdebug,
     .group = "hyperloglog",
     .since = "2.8.9",
     .syntax = "subcommand key",
     .summary = "Shows the inside of a sketch.",
     .complexity = "O(N), N: bytes of the value"},
    {.name = "pfselftest",
     .arity = 1,
     .flags = kAdmin | kNoLocks | kSystem,
     .categories = kHyperLogLog,
     .handler = Pfselftest,
     .group = "hyperloglog",
     .since = "2.8.9",
     .summary = "Tests sketches against the truth; takes a second or more."},
};

}  // namespace

std::span<const Command> HyperLogLogCommands() { return kHyperLogLogCommands; }

}  // namespace terrace::commands
