#pragma once

// Tracking: which clients may hold copies of which keys (CLIENT TRACKING), so that they hear when
// one changes.
//
// Promises:  a key read by a client that tracks is remembered before the read's locks are released,
//            so no change after it is missed; a change is announced once per reader, then the key
//            is forgotten. Announcements that are not asked for may happen, missing ones may not.
// Limits:    tracking-table-max-keys and tracking-table-max-items; beyond them keys are forgotten,
//            and announced as if changed. What is new makes room in its own shard's part: at most a
//            key and an item for each shard is above a limit.
// Threads:   thread-safe. A shard's table is guarded by the shard's lock; prefixes by a mutex that
//            comes after those of shards and before that of Messaging.
// See:       docs/messaging.md

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/buffer.h"
#include "keyspace/keyspace.h"
#include "server/messaging.h"

namespace terrace::server {

// How one connection tracks. On its loop.
struct TrackingState {
  bool is_broadcast = false;
  bool opt_in = false;
  bool opt_out = false;
  bool no_loop = false;
  bool is_caching_given = false;  // CLIENT CACHING, for the next command
  bool is_redirect_broken = false;
  uint64_t redirect = 0;  // the client that hears in its place; 0: itself
  size_t redirect_worker = 0;
  std::vector<std::string> prefixes;
  base::Buffer held;  // pushes that belong behind the reply of what the connection waits for

  bool TracksReads() const {
    if (is_broadcast) return false;
    return opt_in ? is_caching_given : !(opt_out && is_caching_given);
  }
};

class Tracking : public keyspace::MutationSink {
 public:
  Tracking(keyspace::Keyspace* keyspace, Messaging* messaging);

  // A client that tracks, and its worker.
  struct Client {
    uint64_t id = 0;
    size_t worker = 0;
    bool operator==(const Client&) const = default;
  };
  // What the table may hold; 0: no limit. An item is a key and one client that has read it.
  struct Limits {
    uint64_t keys_max = 0;
    uint64_t items_max = 0;
  };

  // How to run a task at the end of the turn of a worker, on its thread.
  void OnDefer(std::function<void(size_t worker)> defer) { defer_ = std::move(defer); }
  void SetLimits(Limits limits);

  // A client begins, or ends, to track at all.
  void Start(Client client);
  void Stop(Client client);
  void AddPrefix(Client client, std::string_view prefix, bool no_loop);
  void RemovePrefix(Client client, std::string_view prefix);

  // The client has read this key. REQUIRES: the lock of the key's shard.
  void Remember(Client client, const keyspace::Key& key);
  // The client has read this key where no change of it would be noticed: it is told at once, behind
  // the reply, that it has changed.
  void Doubt(Client client, std::string_view key);
  // Announces what has changed under prefixes. At the end of a turn.
  void Broadcast();

  // Is the table over a limit, as it may be after one was lowered?
  bool IsOverLimit() const;
  // Announces and forgets keys of this shard while the table is over a limit, at most so many.
  // REQUIRES (both): the caller holds no shard lock.
  void Trim(int shard_index, int keys_max);
  // Forgets clients that have ended, a bounded part of this shard's table at a time. Always by the
  // same thread.
  void Sweep(int shard_index);

  void OnMutation(const keyspace::Mutation& mutation) override;

  int64_t client_count() const { return client_count_.load(std::memory_order_relaxed); }
  int64_t key_count() const { return key_count_.load(std::memory_order_relaxed); }
  int64_t item_count() const { return item_count_.load(std::memory_order_relaxed); }
  size_t prefix_count() const { return prefix_count_.load(); }

 private:
  using Table = std::unordered_map<std::string, std::vector<Client>, NameHash, std::equal_to<>>;
  // What is remembered of a shard's keys, under the shard's lock.
  struct Part {
    Table table;
    size_t victim_bucket = 0;  // where to look for a key to forget
    // A round over the table that forgets the clients that had ended when it began.
    size_t swept_bucket = 0;
    size_t swept_bucket_count = 0;  // of the table as it was, or 0: no round is under way
    uint64_t round_ends = 0;        // ends_ when the round began
    // ends_ when the last complete round began. Of the thread that sweeps, under no lock.
    uint64_t swept_ends = 0;
  };
  struct Listener {
    Client client;
    bool no_loop;
  };
  struct Prefix {
    std::vector<Listener> listeners;
    std::map<std::string, uint64_t, std::less<>> changed;  // and who changed it last
  };

  Part& PartOf(const keyspace::Key& key) {
    return parts_[static_cast<size_t>(keyspace_->ShardIndex(key))];
  }
  void Clear();
  void NoteForPrefixes(std::string_view key, uint64_t writer);
  void MakeRoom(Part& part, std::string_view keep);
  Table::iterator PickVictim(Part& part, std::string_view keep);
  void Announce(Table& table, Table::iterator entry, uint64_t writer);
  void Forget(Table& table, Table::iterator entry);
  bool IsFull(int64_t more) const;

  keyspace::Keyspace* const keyspace_;
  Messaging* const messaging_;
  std::function<void(size_t worker)> defer_;
  std::atomic<uint64_t> keys_max_{0};
  std::atomic<uint64_t> items_max_{0};
  std::atomic<int64_t> client_count_{0};
  std::atomic<int64_t> key_count_{0};
  std::atomic<int64_t> item_count_{0};
  std::atomic<uint64_t> ends_{0};  // clients that have ended so far
  std::vector<Part> parts_;        // by shard

  std::mutex clients_mutex_;              // a leaf
  std::unordered_set<uint64_t> clients_;  // those that track; guarded by clients_mutex_

  mutable std::mutex prefixes_mutex_;
  std::map<std::string, Prefix, std::less<>> prefixes_;  // guarded by prefixes_mutex_
  bool broadcast_is_due_ = false;                        // likewise
  std::atomic<size_t> prefix_count_{0};
};

}  // namespace terrace::server
