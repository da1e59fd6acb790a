#include "keyspace/observers.h"

#include <utility>

namespace terrace::keyspace {

void Observers::Watch(int database, std::string_view key, KeyWatch* watch) {
  watches_.Append(database, key, watch);
  UpdateAny();
}

void Observers::Unwatch(KeyWatch* watch) {
  watches_.Remove(watch);
  UpdateAny();
}

void Observers::Wait(int database, std::string_view key, KeyWaiter* waiter) {
  waiters_.Append(database, key, waiter);
  size_t& end_count = waiter->list().state.end_count;
  keys_awaited_to_end_ += waiter->wants_end && end_count == 0;
  end_count += waiter->wants_end;
  UpdateAny();
}

void Observers::EndWait(KeyWaiter* waiter) {
  size_t& end_count = waiter->list().state.end_count;
  end_count -= waiter->wants_end;
  keys_awaited_to_end_ -= waiter->wants_end && end_count == 0;
  waiters_.Remove(waiter);
  UpdateAny();
}

void Observers::Touch(WatchList& list) {
  for (KeyWatch* watch = list.first; watch != nullptr; watch = watch->next()) watch->touched = true;
}

void Observers::TellWatchers(int database, std::string_view key) {
  if (watches_.empty()) return;
  if (WatchList* list = watches_.Find(database, key)) Touch(*list);
}

void Observers::TellWaiters(int database, std::string_view key, Change change) {
  if (change == Change::kTouched || waiters_.empty()) return;
  if (WaiterList* list = waiters_.Find(database, key)) MarkReady(database, key, *list, change);
}

void Observers::MarkReady(int database, std::string_view key, WaiterList& list, Change change) {
  if (list.state.is_ready) return;
  if (change == Change::kGone && list.state.end_count == 0) return;
  list.state.is_ready = true;
  const uint64_t order = ready_shards_->next_order.fetch_add(1, std::memory_order_relaxed);
  ready_.push_back({database, std::string(key), order});
  ready_shards_->shards.fetch_or(bit_, std::memory_order_relaxed);
}

Observers::ReadyKey Observers::TakeReady() {
  ReadyKey key = std::move(ready_.front());
  ready_.pop_front();
  if (ready_.empty()) ready_shards_->shards.fetch_and(~bit_, std::memory_order_relaxed);
  // From here on it may become ready again.
  if (WaiterList* list = waiters_.Find(key.database, key.key)) list->state.is_ready = false;
  return key;
}

void Observers::PutBackReady(ReadyKey key) {
  if (WaiterList* list = waiters_.Find(key.database, key.key)) list->state.is_ready = true;
  ready_.push_front(std::move(key));
  ready_shards_->shards.fetch_or(bit_, std::memory_order_relaxed);
}

KeyWaiter* Observers::FirstWaiter(int database, std::string_view key) {
  WaiterList* const list = waiters_.Find(database, key);
  return list != nullptr ? list->first : nullptr;
}

}  // namespace terrace::keyspace
