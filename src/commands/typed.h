#pragma once

// How handlers reach values of one type: Find for reading, Draft for writing. Both answer WRONGTYPE
// themselves. A hash may hold fields whose deadline has passed; a Draft purges them first, and what
// is only read is asked with call.now_ms().
//
// Ownership: what is found is valid until the next write to the same shard.

#include <cstddef>
#include <memory>
#include <utility>

#include "base/rng.h"
#include "commands/call.h"
#include "keyspace/types/hash.h"
#include "keyspace/types/set.h"
#include "keyspace/types/zset.h"

namespace terrace::commands {

template <typename T>
inline constexpr keyspace::Type kTypeOf = keyspace::Type::kString;
template <>
inline constexpr keyspace::Type kTypeOf<keyspace::Hash> = keyspace::Type::kHash;
template <>
inline constexpr keyspace::Type kTypeOf<keyspace::Set> = keyspace::Type::kSet;
template <>
inline constexpr keyspace::Type kTypeOf<keyspace::Zset> = keyspace::Type::kZset;

// Types whose keys live on when their last element goes.
template <typename T>
inline constexpr bool kMayBeEmpty = false;

// The generator of the key's shard. REQUIRES: its lock, which every handler has.
inline base::Rng& RngOf(Call& call, size_t key_argument) {
  return call.db.keyspace().ShardOf(call.key(key_argument)).rng();
}

// What a key holds for reading.
template <typename T>
struct Found {
  const T* object = nullptr;  // nullptr: absent, or wrong_type
  bool wrong_type = false;    // the error has been replied
  explicit operator bool() const { return object != nullptr; }
};

template <typename T>
Found<T> Find(Call& call, size_t key_argument) {
  const keyspace::Key key = call.key(key_argument);
  keyspace::Entry* const entry = call.db.Read(key);
  if (entry == nullptr) return {};
  if (entry->type() != kTypeOf<T>) {
    call.reply.WrongType();
    return {.wrong_type = true};
  }
  return {.object = static_cast<const T*>(entry->object())};
}

// A value being written: the key's own, or a new one that Commit stores.
template <typename T>
class Draft {
 public:
  Draft(Call& call, size_t key_argument) : Draft(call, call.key(key_argument)) {}
  Draft(Call& call, const keyspace::Key& key) : call_(call), key_(key) {
    entry_ = call.db.Write(key);
    if (entry_ == nullptr) return;
    if (entry_->type() != kTypeOf<T>) {
      call.reply.WrongType();
      wrong_type_ = true;
      return;
    }
    if (!call.db.PurgeDueParts(key, entry_)) {
      entry_ = nullptr;
      return;
    }
    object_ = &call.db.EditObject<T>(entry_);
  }

  // The error has been replied.
  bool wrong_type() const { return wrong_type_; }
  bool exists() const { return entry_ != nullptr; }

  // The value, created empty where there is none.
  T& operator*() { return *operator->(); }
  T* operator->() {
    if (object_ == nullptr) Create(std::make_unique<T>());
    return object_;
  }
  // REQUIRES: there is no value yet.
  void Create(std::unique_ptr<T> object) {
    created_ = std::move(object);
    object_ = created_.get();
  }

  // Stores the value or tells of its change; a value that has become empty is removed. To be called
  // once, only if something changed.
  void Commit(keyspace::KeyEvent event) {
    if (created_) return Store(event);
    call_.db.Changed(key_, entry_, event);
    if (IsGone()) call_.db.RemoveEmptied(key_);
  }
  // The same, where nothing but what the value keeps beside its elements changed.
  void CommitBeside(keyspace::KeyEvent event) {
    if (created_) return Store(event);
    call_.db.ChangedBeside(key_, entry_, event);
  }

 private:
  void Store(keyspace::KeyEvent event) {
    if (IsGone()) return;
    call_.db.SetObject(key_, std::move(created_), keyspace::kNoDeadline, event);
  }
  bool IsGone() const { return !kMayBeEmpty<T> && object_->size() == 0; }

  Call& call_;
  keyspace::Key key_;
  keyspace::Entry* entry_ = nullptr;
  T* object_ = nullptr;
  std::unique_ptr<T> created_;
  bool wrong_type_ = false;
};

// Stores the result of a ...STORE command whatever the key held; an empty result removes the key.
template <typename T>
void StoreResult(Call& call, size_t key_argument, std::unique_ptr<T> result,
                 keyspace::KeyEvent event) {
  const keyspace::Key key = call.key(key_argument);
  if (result->size() == 0) {
    call.db.Remove(key, keyspace::events::kDel);
    return;
  }
  call.db.SetObject(key, std::move(result), keyspace::kNoDeadline, event);
}

}  // namespace terrace::commands
