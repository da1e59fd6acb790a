#pragma once

// Observers: the clients that watch keys of a shard (WATCH) or wait for them (BLPOP), and which of
// the keys that are waited for have become ready; see docs/waiting.md.
//
// Promises:  costs nothing to a shard whose keys nobody observes but a look at any(). Waiters of a
//            key keep their order.
// Threads:   everything under the shard's lock, except ReadyShards, which anybody may look at.

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "keyspace/key_lists.h"
#include "keyspace/type.h"

namespace terrace::keyspace {

// Which shards have ready keys. A bit is set and cleared under its shard's lock.
struct ReadyShards {
  std::atomic<uint64_t> shards{0};
  std::atomic<uint64_t> next_order{0};
};

struct NoListState {};

// One client's watch of one key.
struct KeyWatch : KeyLists<KeyWatch, NoListState>::Link {
  bool touched = false;  // the key has changed since
};

struct WaiterListState {
  bool is_ready = false;  // in the queue of ready keys
  size_t end_count = 0;   // waiters with wants_end
};

// One client's wait for one key.
struct KeyWaiter : KeyLists<KeyWaiter, WaiterListState>::Link {
  Type type = Type::kString;  // what the key must hold
  bool wants_end = false;     // also when the key goes, or holds something else
};

class Observers {
 public:
  enum class Change : uint8_t {
    kTouched,  // in place, in a way that serves nobody
    kServes,   // came into being, was replaced, or has more to give
    kGone,
  };
  struct ReadyKey {
    int database;
    std::string key;
    uint64_t order;  // among the ready keys of all shards
  };

  // REQUIRES: before anything else. bit: the shard's.
  void Attach(ReadyShards* ready, uint64_t bit) {
    ready_shards_ = ready;
    bit_ = bit;
  }

  bool any() const { return any_; }
  // Keys that somebody waits for; and those where somebody also waits for their end.
  size_t awaited_keys() const { return waiters_.key_count(); }
  size_t keys_awaited_to_end() const { return keys_awaited_to_end_; }

  void Watch(int database, std::string_view key, KeyWatch* watch);
  void Unwatch(KeyWatch* watch);
  // Waits behind all others.
  void Wait(int database, std::string_view key, KeyWaiter* waiter);
  void EndWait(KeyWaiter* waiter);

  void TellWatchers(int database, std::string_view key);
  void TellWaiters(int database, std::string_view key, Change change);
  // A database was emptied or replaced; touched(key) says what that means for those who watch key.
  template <typename Touched>
  void OnReplaced(int database, Change change, Touched touched) {
    watches_.ForEach(database, [&](std::string_view key, WatchList& list) {
      if (touched(key)) Touch(list);
    });
    waiters_.ForEach(database, [&](std::string_view key, WaiterList& list) {
      MarkReady(database, key, list, change);
    });
  }

  // The queue of ready keys.
  bool has_ready() const { return !ready_.empty(); }
  uint64_t first_order() const { return ready_.front().order; }
  ReadyKey TakeReady();
  void PutBackReady(ReadyKey key);
  // The first who waits for a key, or nullptr.
  KeyWaiter* FirstWaiter(int database, std::string_view key);

 private:
  using WatchList = KeyLists<KeyWatch, NoListState>::List;
  using WaiterList = KeyLists<KeyWaiter, WaiterListState>::List;

  static void Touch(WatchList& list);
  void MarkReady(int database, std::string_view key, WaiterList& list, Change change);
  void UpdateAny() { any_ = !watches_.empty() || !waiters_.empty(); }

  KeyLists<KeyWatch, NoListState> watches_;
  KeyLists<KeyWaiter, WaiterListState> waiters_;
  std::deque<ReadyKey> ready_;
  ReadyShards* ready_shards_ = nullptr;
  uint64_t bit_ = 0;
  size_t keys_awaited_to_end_ = 0;
  bool any_ = false;
};

}  // namespace terrace::keyspace
