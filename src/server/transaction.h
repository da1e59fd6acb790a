#pragma once

// Transaction: what a client has said between MULTI and EXEC, and the keys that it watches.
//
// Promises:  what is queued is a copy. A watch is touched by every change of its key from Watch()
//            to Unwatch(), whichever thread makes it.
// Ownership: its connection's. REQUIRES: Unwatch() before it is destroyed.
// Threads:   confined to the client's loop; the state of the watches is under the shards' locks.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/command.h"
#include "commands/dialect.h"
#include "keyspace/database.h"
#include "resp/reply.h"

namespace terrace::tiers {
class ClientLease;
struct Route;
}  // namespace terrace::tiers

namespace terrace::server {

class Transaction {
 public:
  // One queued command. Its arguments lie one behind the other.
  class Queued {
   public:
    Queued(const commands::Command* command, commands::Args args);
    const commands::Command& command() const { return *command_; }
    // Views of its arguments.
    void Read(std::vector<std::string_view>* args) const;
    size_t bytes() const;
    // Does the regional tier run it?
    bool is_below = false;

   private:
    const commands::Command* command_;
    std::string bytes_;
    std::vector<size_t> ends_;
  };

  // ---- The queue: MULTI to EXEC or DISCARD ------------------------------------------------------

  bool is_open() const { return is_open_; }
  void Open() { is_open_ = true; }
  // Empties the queue and ends the transaction; the watches stay.
  void Close();
  // A command could not be queued: EXEC will refuse all of them.
  void Fail() { failed_ = true; }
  bool failed() const { return failed_; }
  void Append(const commands::Command& command, commands::Args args, bool is_below);
  const std::vector<Queued>& queue() const { return queue_; }
  size_t bytes() const { return bytes_; }
  // Has any queued command this flag?
  bool any_has(uint32_t flag) const { return (flags_ & flag) == flag; }
  // Has any queued command one of these?
  bool any_of(uint32_t flags) const { return (flags_ & flags) != 0; }

  // ---- Where it runs: here, or as a whole on one regional tier
  // -----------------------------------

  // The connection on which keys are watched there, until EXEC, UNWATCH or DISCARD; or null.
  const std::shared_ptr<tiers::ClientLease>& lease() const { return lease_; }
  void set_lease(std::shared_ptr<tiers::ClientLease> lease) { lease_ = std::move(lease); }
  // What is watched there is not watched any more.
  void EndLease();
  // The route by which it goes to the regional tier; null: nothing of it does.
  const tiers::Route* below() const { return below_; }
  void set_below(const tiers::Route* route) { below_ = route; }
  // Has it keys that are no regional tier's, queued or watched?
  bool has_keys_here() const { return has_keys_here_ || !watches_.empty(); }
  void set_has_keys_here() { has_keys_here_ = true; }
  // Does it change the database for what is queued next?
  bool selects() const { return selects_; }
  void set_selects() { selects_ = true; }

  // ---- The watches ------------------------------------------------------------------------------

  // REQUIRES: the lock of the key's shard.
  void Watch(keyspace::Database& database, const keyspace::Key& key);
  // Has a watched key changed, or expired? REQUIRES: the locks of WatchedShards().
  bool IsTouched(keyspace::Keyspace& keyspace, int64_t now_ms);
  keyspace::ShardSet WatchedShards() const { return watched_shards_; }
  // REQUIRES: the locks of WatchedShards().
  void Unwatch(keyspace::Keyspace& keyspace);
  size_t watch_count() const { return watches_.size(); }
  // Gives its watches away: Unwatch the result instead.
  std::unique_ptr<Transaction> TakeWatches();

 private:
  struct Watched {
    int database;
    std::string key;
    uint64_t hash;
    keyspace::KeyWatch watch;
  };

  bool is_open_ = false;
  bool failed_ = false;
  const tiers::Route* below_ = nullptr;
  std::shared_ptr<tiers::ClientLease> lease_;
  bool has_keys_here_ = false;
  bool selects_ = false;
  uint32_t flags_ = 0;
  size_t bytes_ = 0;
  std::vector<Queued> queue_;
  keyspace::ShardSet watched_shards_ = 0;
  std::vector<std::unique_ptr<Watched>> watches_;
};

inline constexpr std::string_view kMixedWatches =
    "CROSSROUTE Keys that are watched must all be on routes whose writes one regional tier runs, "
    "or "
    "all on other routes";

inline constexpr std::string_view kWatchWithin = "ERR WATCH inside MULTI is not allowed";

// For a command that may not be queued: Redis goes on with the transaction after its error, Valkey
// gives it up after one of its own.
void RefuseWithin(Transaction* transaction, commands::Dialect dialect, std::string_view redis_error,
                  resp::Reply* reply);

struct Connection;

// UNWATCH: no key is watched any more. Waits for no lock while the thread holds others.
void EndWatching(Connection& connection, keyspace::Keyspace& keyspace);
// What DISCARD, RESET and EXEC end with: no transaction, no watches. Likewise.
void EndTransaction(Connection& connection, keyspace::Keyspace& keyspace);

}  // namespace terrace::server
