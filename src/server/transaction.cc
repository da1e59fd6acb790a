#include "server/transaction.h"

#include <utility>

#include "server/connection.h"
#include "server/under_locks.h"
#include "server/worker.h"
#include "tiers/client_lease.h"

namespace terrace::server {

namespace {

// Room for so many commands stays with the connection between transactions.
constexpr size_t kQueueKept = 64;

}  // namespace

Transaction::Queued::Queued(const commands::Command* command, commands::Args args)
    : command_(command) {
  size_t size = 0;
  for (const std::string_view arg : args) size += arg.size();
  bytes_.reserve(size);
  ends_.reserve(args.size());
  for (const std::string_view arg : args) {
    bytes_.append(arg);
    ends_.push_back(bytes_.size());
  }
}

void Transaction::Queued::Read(std::vector<std::string_view>* args) const {
  args->clear();
  size_t begin = 0;
  for (const size_t end : ends_) {
    args->push_back(std::string_view(bytes_).substr(begin, end - begin));
    begin = end;
  }
}

size_t Transaction::Queued::bytes() const {
  return sizeof(*this) + bytes_.capacity() + ends_.capacity() * sizeof(size_t);
}

void Transaction::Close() {
  is_open_ = false;
  failed_ = false;
  below_ = nullptr;
  has_keys_here_ = false;
  selects_ = false;
  flags_ = 0;
  bytes_ = 0;
  queue_.clear();
  // One long transaction must not make the connection large for good.
  if (queue_.capacity() > kQueueKept) queue_.shrink_to_fit();
}

void Transaction::Append(const commands::Command& command, commands::Args args, bool is_below) {
  // It cannot run any more: no need to keep more of it.
  if (failed_) return;
  queue_.emplace_back(&command, args);
  queue_.back().is_below = is_below;
  bytes_ += queue_.back().bytes();
  flags_ |= command.flags;
}

void Transaction::Watch(keyspace::Database& database, const keyspace::Key& key) {
  for (const auto& watched : watches_) {
    if (watched->database == database.index() && watched->key == key.bytes) return;
  }
  // A key whose time is over leaves now, so that its leaving later is no change.
  database.Peek(key);
  auto watched = std::make_unique<Watched>();
  watched->database = database.index();
  watched->key = std::string(key.bytes);
  watched->hash = key.hash;
  keyspace::Keyspace& keyspace = database.keyspace();
  keyspace.ShardOf(key).observers.Watch(database.index(), key.bytes, &watched->watch);
  watched_shards_ |= keyspace.SetOf(key);
  watches_.push_back(std::move(watched));
}

bool Transaction::IsTouched(keyspace::Keyspace& keyspace, int64_t now_ms) {
  for (const auto& watched : watches_) {
    // Removes it if its time has come, which touches the watch.
    keyspace::Database(&keyspace, watched->database, now_ms).Peek({watched->key, watched->hash});
    if (watched->watch.touched) return true;
  }
  return false;
}

void Transaction::Unwatch(keyspace::Keyspace& keyspace) {
  for (const auto& watched : watches_) {
    const keyspace::Key key{watched->key, watched->hash};
    keyspace.ShardOf(key).observers.Unwatch(&watched->watch);
  }
  watches_.clear();
  watched_shards_ = 0;
}

void Transaction::EndLease() {
  if (lease_ != nullptr) lease_->End();
  lease_.reset();
}

std::unique_ptr<Transaction> Transaction::TakeWatches() {
  auto taker = std::make_unique<Transaction>();
  taker->watches_.swap(watches_);
  std::swap(taker->watched_shards_, watched_shards_);
  return taker;
}

void RefuseWithin(Transaction* transaction, commands::Dialect dialect, std::string_view redis_error,
                  resp::Reply* reply) {
  if (dialect == commands::Dialect::kRedis72) return reply->Error(redis_error);
  transaction->Fail();
  reply->Error("ERR Command not allowed inside a transaction");
}

void EndWatching(Connection& connection, keyspace::Keyspace& keyspace) {
  connection.transaction->EndLease();
  connection.view.watched_keys.store(0, std::memory_order_relaxed);
  std::unique_ptr<Transaction> watches = connection.transaction->TakeWatches();
  const keyspace::ShardSet shards = watches->WatchedShards();
  if (shards == 0) return;
  RunUnderLocks(*connection.worker, shards,
                [&keyspace, watches = std::move(watches)] { watches->Unwatch(keyspace); });
}

void EndTransaction(Connection& connection, keyspace::Keyspace& keyspace) {
  if (connection.transaction == nullptr) return;
  connection.transaction->Close();
  EndWatching(connection, keyspace);
  connection.transaction.reset();
  connection.detours = static_cast<uint8_t>(connection.detours & ~Connection::kQueues);
  connection.view.queued_commands.store(-1, std::memory_order_relaxed);
}

}  // namespace terrace::server
