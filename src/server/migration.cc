#include "server/migration.h"

#include <algorithm>
#include <utility>

#include "keyspace/database.h"
#include "keyspace/dump.h"
#include "resp/command_writer.h"
#include "server/messaging.h"
#include "server/under_locks.h"
#include "server/waiter.h"
#include "server/worker.h"
#include "tiers/regional_wire.h"

namespace terrace::server {
namespace {

using End = tiers::MigrationAnswer::End;

// An error names at most so many keys, and so much of each.
constexpr size_t kNamedKeysMax = 10;
constexpr size_t kNamedBytesMax = 128;

std::string ConnectionError(End end) {
  switch (end) {
    case End::kAnswered:
      break;
    case End::kNotConnected:
      return "IOERR error or timeout connecting to the client";
    case End::kWriteFailed:
      return "IOERR error or timeout writing to target instance";
    case End::kReadFailed:
      return "IOERR error or timeout reading from target instance";
  }
  return "";
}

}  // namespace

Migration::Migration(Worker* worker, uint64_t client_id, MigrationOrder order)
    : worker_(worker),
      keyspace_(worker->core().keyspace),
      client_id_(client_id),
      order_(std::move(order)) {}

// With something on its way only when the server stops.
Migration::~Migration() {
  if (sent_.empty()) return;
  keyspace::ShardLock lock(*keyspace_, ShardsOfSent());
  Unwatch();
}

void Migration::Begin() {
  Connection* const connection = worker_->Find(client_id_);
  if (connection == nullptr || connection->waiter == nullptr) return;  // it has gone
  waiter_ = connection->waiter;
  Next();
}

// Steps begin with a fresh stack, and without the locks of the one before.
void Migration::Soon(void (Migration::*step)()) {
  worker_->loop().Post([self = shared_from_this(), step] { (self.get()->*step)(); });
}

bool Migration::IsClientGone() const {
  const Connection* const connection = worker_->Find(client_id_);
  return connection == nullptr || connection->waiter != waiter_;
}

keyspace::ShardSet Migration::ShardsOfSent() const {
  keyspace::ShardSet shards = 0;
  for (const auto& sent : sent_) shards |= keyspace_->SetOf(sent->AsKey());
  return shards;
}

// REQUIRES: the locks of what was sent.
void Migration::Unwatch() {
  for (const auto& sent : sent_) {
    if (sent->watch.is_linked()) keyspace_->ShardOf(sent->AsKey()).observers.Unwatch(&sent->watch);
  }
}

// ---- One batch ---------------------------------------------------------------------------------

void Migration::Next() {
  if (is_over_ || next_ == order_.keys.size() || IsClientGone()) return Finish();
  const size_t end = std::min(order_.keys.size(), next_ + kBatchKeys);
  keyspace::ShardSet shards = 0;
  for (size_t i = next_; i < end; ++i) {
    shards |= keyspace_->SetOf(keyspace_->MakeKey(order_.keys[i]));
  }
  RunUnderLocks(*worker_, shards, [self = shared_from_this(), end] { self->Dump(end); });
}

// REQUIRES: the locks of the keys up to end.
void Migration::Dump(size_t end) {
  batch_ = std::make_shared<tiers::MigrationBatch>();
  batch_->login = order_.target.login;
  batch_->database = order_.target_database;
  batch_->timeout_ms = order_.timeout_ms;
  const int64_t now_ms = worker_->core().clock->NowMs();
  keyspace::Database database(keyspace_, order_.database, now_ms);
  for (; next_ < end && batch_->restores.size() < kBatchBytes; ++next_) {
    const keyspace::Key key = keyspace_->MakeKey(order_.keys[next_]);
    const keyspace::Entry* const entry = database.Peek(key);
    if (entry != nullptr) Append(key, *entry, now_ms);  // else it has gone since it was asked for
  }
  batch_->restore_count = sent_.size();
  sent_.empty() ? Soon(&Migration::Next) : Soon(&Migration::SendBatch);
}

void Migration::Append(const keyspace::Key& key, const keyspace::Entry& entry, int64_t now_ms) {
  auto sent = std::make_unique<Sent>();
  sent->key = std::string(key.bytes);
  sent->hash = key.hash;
  sent->deadline_ms = entry.deadline_ms();
  // A lifetime of 0 would be for ever.
  const int64_t ttl_ms = sent->deadline_ms == keyspace::kNoDeadline
                             ? 0
                             : std::max<int64_t>(1, sent->deadline_ms - now_ms);
  const std::string payload =
      entry.is_string() ? keyspace::EncodeStringDump(entry.string())
                        : keyspace::EncodeDump(*entry.object(), keyspace::DumpReader::kRedis5);
  const std::string ttl = std::to_string(ttl_ms);
  std::vector<std::string_view> command = {"RESTORE", key.bytes, ttl, payload};
  if (order_.replaces) command.push_back("REPLACE");
  resp::AppendCommand(&batch_->restores, command);
  if (!order_.copies) {
    keyspace_->ShardOf(key).observers.Watch(order_.database, sent->key, &sent->watch);
  }
  sent_.push_back(std::move(sent));
}

void Migration::SendBatch() {
  // It may have hung up since the batch before.
  if (target_ != nullptr && target_->is_lost()) GiveBackTarget();
  using Age = tiers::MigrationTargets::Age;
  if (target_ == nullptr) {
    target_ =
        worker_->migration_targets().Take(order_.target, was_retried_ ? Age::kNew : Age::kAny);
  }
  target_->Send(batch_, [self = shared_from_this()](tiers::MigrationAnswer answer) {
    self->OnAnswer(std::move(answer));
  });
}

void Migration::GiveBackTarget() {
  worker_->migration_targets().GiveBack(std::exchange(target_, nullptr));
}

void Migration::OnAnswer(tiers::MigrationAnswer answer) {
  answered_ += answer.restored.size();
  const bool was_lost = answer.end == End::kWriteFailed || answer.end == End::kReadFailed;
  if (target_->is_lost()) GiveBackTarget();
  // A connection that was kept may have been closed by the target. As in Redis, once, and only as
  // long as nothing is known to have been restored.
  if (was_lost && !answer.timed_out && answered_ == 0 && !std::exchange(was_retried_, true)) {
    return SendBatch();
  }
  is_over_ = answer.end != End::kAnswered || answer.is_refused;
  if (target_error_.empty()) target_error_ = std::move(answer.error);
  connection_error_ = ConnectionError(answer.end);
  batch_.reset();
  RunUnderLocks(*worker_, ShardsOfSent(),
                [self = shared_from_this(), restored = std::move(answer.restored)] {
                  self->Settle(restored);
                });
}

// REQUIRES: the locks of what was sent.
void Migration::Settle(const std::vector<bool>& restored) {
  Messaging* const messaging = worker_->core().messaging;
  const int64_t now_ms = worker_->core().clock->NowMs();
  // All of them first: a key that was named twice is not to notice its own deletion.
  Unwatch();
  const uint64_t cause = messaging->ExchangeRunningClient(client_id_);
  for (size_t i = 0; i < restored.size() && !order_.copies; ++i) {
    if (restored[i]) DeleteUnchanged(*sent_[i], now_ms);
  }
  messaging->ExchangeRunningClient(cause);
  sent_.clear();
  Soon(&Migration::Next);
}

void Migration::DeleteUnchanged(const Sent& sent, int64_t now_ms) {
  // Its time is over there, too.
  if (sent.deadline_ms != keyspace::kNoDeadline && sent.deadline_ms <= now_ms) return;
  if (!sent.watch.touched) {
    keyspace::Database(keyspace_, order_.database, now_ms)
        .Remove(sent.AsKey(), keyspace::events::kDel);
    return;
  }
  ++changed_count_;
  if (changed_.size() < kNamedKeysMax) changed_.push_back(sent.key.substr(0, kNamedBytesMax));
}

// ---- The end -----------------------------------------------------------------------------------

void Migration::Finish() {
  if (target_ != nullptr) GiveBackTarget();
  // Who waits for the end of one of the keys.
  if (keyspace_->ready_shards() != 0) {
    worker_->path().HandOverExpired(worker_->core().clock->NowMs());
  }
  RequestPath::EndWait(worker_->core(), waiter_, Reply());
}

std::string Migration::Reply() const {
  base::Buffer buffer;
  resp::Reply reply(&buffer, waiter_->session.protocol);
  if (!target_error_.empty()) {
    reply.Error("ERR Target instance replied with error: " + target_error_);
  } else if (!connection_error_.empty()) {
    reply.Error(connection_error_);
  } else if (changed_count_ > 0) {
    std::string names;
    for (const std::string& key : changed_) names += " '" + key + "'";
    reply.Error("ERR Keys that were changed while they were sent stay here: " +
                std::to_string(changed_count_) + ", such as" + names);
  } else {
    reply.Ok();
  }
  return std::string(buffer.view());
}

}  // namespace terrace::server
