#pragma once

// Migration: one MIGRATE on its way, from the moment its client waits to the reply. The
// straight-line version, which migration.cc is the desugaring of:
//
//   for each batch of its keys:
//     lock; dump what is there, and watch it; unlock
//     await what the target says to each RESTORE
//     lock; delete what the target has and nobody has changed here meanwhile; unlock
//   wake the client with the reply
//
// Promises:  a key is deleted only when the target has confirmed the very value that is deleted. A
//            key that was written or removed in between stays as it is, and the reply names it. No
//            lock is held and no thread stands still while the target is waited for. When the
//            client goes, the batch on its way is finished and no other is begun.
// Ownership: shared by what is on its way; the worker outlives it.
// Threads:   the worker's loop.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keyspace/keyspace.h"
#include "keyspace/observers.h"
#include "tiers/migration_targets.h"

namespace terrace::server {

class Waiter;
class Worker;

struct MigrationOrder {
  tiers::MigrationTargets::Address target;
  int64_t target_database = 0;
  int64_t timeout_ms = 0;
  bool copies = false;    // COPY
  bool replaces = false;  // REPLACE
  int database = 0;       // that the keys are in
  std::vector<std::string> keys;
};

class Migration : public std::enable_shared_from_this<Migration> {
 public:
  // One batch: so many bytes, so many keys, or one large value. Bounds what is dumped under the
  // locks at once, and the memory that it takes.
  static constexpr size_t kBatchBytes = size_t{1} << 20;
  static constexpr size_t kBatchKeys = 256;

  Migration(Worker* worker, uint64_t client_id, MigrationOrder order);
  ~Migration();

  // To be called on the loop's next turn: by then the client waits.
  void Begin();

 private:
  struct Sent {
    keyspace::KeyWatch watch;
    std::string key;
    uint64_t hash = 0;
    int64_t deadline_ms = 0;
    keyspace::Key AsKey() const { return {key, hash}; }
  };

  void Next();
  void Dump(size_t end);
  void Append(const keyspace::Key& key, const keyspace::Entry& entry, int64_t now_ms);
  void SendBatch();
  void GiveBackTarget();
  void OnAnswer(tiers::MigrationAnswer answer);
  void Settle(const std::vector<bool>& restored);
  void DeleteUnchanged(const Sent& sent, int64_t now_ms);
  void Soon(void (Migration::*step)());
  keyspace::ShardSet ShardsOfSent() const;
  void Unwatch();
  bool IsClientGone() const;
  void Finish();
  std::string Reply() const;

  Worker* const worker_;
  keyspace::Keyspace* const keyspace_;
  const uint64_t client_id_;
  const MigrationOrder order_;
  std::shared_ptr<Waiter> waiter_;
  tiers::MigrationTarget* target_ = nullptr;  // lent
  size_t next_ = 0;                           // the first key that no batch has had
  // The batch on its way.
  std::vector<std::unique_ptr<Sent>> sent_;
  std::shared_ptr<tiers::MigrationBatch> batch_;
  // What will be replied.
  size_t answered_ = 0;  // RESTOREs
  bool was_retried_ = false;
  bool is_over_ = false;  // no more can be sent
  std::string target_error_;
  std::string connection_error_;
  std::vector<std::string> changed_;  // keys, at most kNamedKeysMax of them
  size_t changed_count_ = 0;
};

}  // namespace terrace::server
