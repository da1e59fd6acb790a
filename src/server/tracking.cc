#include "server/tracking.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/buffer.h"
#include "resp/reply.h"

namespace terrace::server {
namespace {

// Buckets that one call looks at, in search of a victim or of clients that have ended.
constexpr size_t kVictimBuckets = 64;
constexpr size_t kSweptBuckets = 256;

std::string ArrayOf(const std::vector<std::string_view>& keys) {
  base::Buffer bytes;
  resp::Reply writer(&bytes);
  writer.Array(keys.size());
  for (const std::string_view key : keys) writer.Bulk(key);
  return std::string(bytes.view());
}

}  // namespace

Tracking::Tracking(keyspace::Keyspace* keyspace, Messaging* messaging)
    : keyspace_(keyspace),
      messaging_(messaging),
      parts_(static_cast<size_t>(keyspace->shard_count())) {
  keyspace_->AddSink(this, keyspace::Listening::kNo);
}

void Tracking::SetLimits(Limits limits) {
  keys_max_.store(limits.keys_max);
  items_max_.store(limits.items_max);
}

void Tracking::Start(Client client) {
  std::lock_guard lock(clients_mutex_);
  clients_.insert(client.id);
  client_count_.fetch_add(1);
  keyspace_->ChangeListening(1);
}

void Tracking::Stop(Client client) {
  std::lock_guard lock(clients_mutex_);
  clients_.erase(client.id);
  client_count_.fetch_sub(1);
  keyspace_->ChangeListening(-1);
  ends_.fetch_add(1);
}

// ---- Keys that were read -----------------------------------------------------------------------

void Tracking::Remember(Client client, const keyspace::Key& key) {
  Part& part = PartOf(key);
  auto found = part.table.find(key.bytes);
  if (found != part.table.end()) {
    const std::vector<Client>& readers = found->second;
    if (std::find(readers.begin(), readers.end(), client) != readers.end()) return;
  }
  if (IsFull(1)) [[unlikely]] {
    MakeRoom(part, key.bytes);
    found = part.table.find(key.bytes);
  }
  if (found == part.table.end()) {
    found = part.table.emplace(std::string(key.bytes), std::vector<Client>()).first;
    key_count_.fetch_add(1, std::memory_order_relaxed);
  }
  found->second.push_back(client);
  item_count_.fetch_add(1, std::memory_order_relaxed);
}

void Tracking::Doubt(Client client, std::string_view key) {
  auto message = std::make_shared<Message>();
  message->what = Message::What::kInvalidation;
  message->payload = ArrayOf({key});
  message->clients = {client.id};
  messaging_->Leave(client.worker, std::move(message));
}

// Would the table, with so many keys and items more, be over a limit?
bool Tracking::IsFull(int64_t more) const {
  const auto is_over = [more](int64_t count, const std::atomic<uint64_t>& limit) {
    const uint64_t max = limit.load(std::memory_order_relaxed);
    return max != 0 && static_cast<uint64_t>(std::max<int64_t>(0, count + more)) > max;
  };
  return is_over(key_count(), keys_max_) || is_over(item_count(), items_max_);
}

bool Tracking::IsOverLimit() const { return IsFull(0); }

// For one item more of the key to keep: another key goes, or where there is none, its readers.
void Tracking::MakeRoom(Part& part, std::string_view keep) {
  auto victim = PickVictim(part, keep);
  if (victim == part.table.end()) victim = part.table.find(keep);
  if (victim != part.table.end()) Announce(part.table, victim, 0);
}

// Goes round the table, so that a key which has just been read stays for a while. Its end if there
// is none beside the one to keep.
Tracking::Table::iterator Tracking::PickVictim(Part& part, std::string_view keep) {
  Table& table = part.table;
  for (size_t i = 0; i < kVictimBuckets && !table.empty(); ++i) {
    part.victim_bucket = (part.victim_bucket + 1) % table.bucket_count();
    const size_t bucket = part.victim_bucket;
    for (auto at = table.begin(bucket); at != table.end(bucket); ++at) {
      if (at->first != keep) return table.find(at->first);
    }
  }
  // The buckets are far from full.
  auto first = table.begin();
  if (first != table.end() && first->first == keep) ++first;
  return first;
}

// Tells the readers of a key, and forgets it.
void Tracking::Announce(Table& table, Table::iterator entry, uint64_t writer) {
  const std::string keys = ArrayOf({entry->first});
  std::map<size_t, std::vector<uint64_t>> by_worker;
  for (const Client& reader : entry->second) by_worker[reader.worker].push_back(reader.id);
  for (auto& [worker, ids] : by_worker) {
    auto message = std::make_shared<Message>();
    message->what = Message::What::kInvalidation;
    message->payload = keys;
    message->clients = std::move(ids);
    message->writer = writer;
    messaging_->Leave(worker, std::move(message));
  }
  Forget(table, entry);
}

void Tracking::Forget(Table& table, Table::iterator entry) {
  key_count_.fetch_sub(1, std::memory_order_relaxed);
  item_count_.fetch_sub(static_cast<int64_t>(entry->second.size()), std::memory_order_relaxed);
  table.erase(entry);
}

void Tracking::Clear() {
  // What has been swept stays known: its worker reads that without the lock.
  for (Part& part : parts_) part.table = Table();
  key_count_.store(0);
  item_count_.store(0);
}

void Tracking::Trim(int shard_index, int keys_max) {
  if (!IsOverLimit()) return;
  keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << shard_index);
  Part& part = parts_[static_cast<size_t>(shard_index)];
  for (int i = 0; i < keys_max && IsOverLimit() && !part.table.empty(); ++i) {
    Announce(part.table, PickVictim(part, ""), 0);
  }
}

void Tracking::Sweep(int shard_index) {
  const uint64_t ends = ends_.load();
  Part& part = parts_[static_cast<size_t>(shard_index)];
  // Only this shard's worker touches it, so a look costs no wait for a lock that a script holds.
  if (key_count() == 0 || part.swept_ends == ends) return;
  keyspace::ShardLock lock(*keyspace_, keyspace::ShardSet{1} << shard_index);
  Table& table = part.table;
  // A table that was built anew holds its keys elsewhere.
  if (part.swept_bucket_count != table.bucket_count()) {
    part.swept_bucket_count = table.bucket_count();
    part.swept_bucket = 0;
    part.round_ends = ends;
  }
  std::lock_guard clients_lock(clients_mutex_);
  const auto has_ended = [this](const Client& reader) { return !clients_.contains(reader.id); };
  std::vector<std::string_view> unread;
  for (size_t i = 0; i < kSweptBuckets && part.swept_bucket < table.bucket_count(); ++i) {
    const size_t bucket = part.swept_bucket++;
    for (auto at = table.begin(bucket); at != table.end(bucket); ++at) {
      item_count_.fetch_sub(static_cast<int64_t>(std::erase_if(at->second, has_ended)));
      if (at->second.empty()) unread.push_back(at->first);
    }
  }
  for (const std::string_view key : unread) Forget(table, table.find(key));
  if (part.swept_bucket < table.bucket_count()) return;
  part.swept_ends = part.round_ends;
  part.swept_bucket_count = 0;
}

// ---- Changes -----------------------------------------------------------------------------------

void Tracking::OnMutation(const keyspace::Mutation& mutation) {
  using keyspace::MutationKind;
  if (mutation.kind == MutationKind::kCleared) {
    // Keys have one name space, whatever their database: everything is forgotten.
    if (mutation.more_follows) return;
    Clear();
    if (client_count() == 0) return;
    auto message = std::make_shared<Message>();
    message->what = Message::What::kInvalidation;
    message->writer = messaging_->running_client();
    messaging_->LeaveForAll(std::move(message));
    return;
  }
  if (client_count() == 0) return;
  // A copy that enters is no change: what it replaces, if anything, has been announced. And the
  // same value again is none.
  if (mutation.kind == MutationKind::kDropped && mutation.created) return;
  if (mutation.kind == MutationKind::kRefreshed || mutation.is_beside) return;
  // What expires or is evicted under a client's hands is not its own change: NOLOOP is told, too.
  const bool is_change =
      mutation.kind == MutationKind::kChanged || mutation.kind == MutationKind::kRemoved;
  const uint64_t writer = is_change ? messaging_->running_client() : 0;
  if (prefix_count_.load(std::memory_order_relaxed) > 0) {
    NoteForPrefixes(mutation.key.bytes, writer);
  }
  Table& table = PartOf(mutation.key).table;
  const auto found = table.find(mutation.key.bytes);
  if (found != table.end()) Announce(table, found, writer);
}

// ---- Prefixes ----------------------------------------------------------------------------------

void Tracking::AddPrefix(Client client, std::string_view prefix, bool no_loop) {
  std::lock_guard lock(prefixes_mutex_);
  prefixes_[std::string(prefix)].listeners.push_back({client, no_loop});
  prefix_count_.store(prefixes_.size());
}

void Tracking::RemovePrefix(Client client, std::string_view prefix) {
  std::lock_guard lock(prefixes_mutex_);
  const auto found = prefixes_.find(prefix);
  if (found == prefixes_.end()) return;
  std::erase_if(found->second.listeners,
                [&](const Listener& listener) { return listener.client == client; });
  if (found->second.listeners.empty()) prefixes_.erase(found);
  prefix_count_.store(prefixes_.size());
}

void Tracking::NoteForPrefixes(std::string_view key, uint64_t writer) {
  const size_t worker = messaging_->CurrentWorker();
  {
    std::lock_guard lock(prefixes_mutex_);
    bool any = false;
    for (auto& [prefix, state] : prefixes_) {
      if (!key.starts_with(prefix)) continue;
      state.changed[std::string(key)] = writer;
      any = true;
    }
    if (!any || broadcast_is_due_) return;
    broadcast_is_due_ = true;
  }
  defer_(worker == Messaging::kNobody ? 0 : worker);
}

void Tracking::Broadcast() {
  std::lock_guard lock(prefixes_mutex_);
  broadcast_is_due_ = false;
  for (auto& [prefix, state] : prefixes_) {
    if (state.changed.empty()) continue;
    std::vector<std::string_view> all;
    for (const auto& [key, writer] : state.changed) all.push_back(key);
    const std::string keys = ArrayOf(all);
    for (const Listener& listener : state.listeners) {
      auto message = std::make_shared<Message>();
      message->what = Message::What::kInvalidation;
      message->is_broadcast = true;
      message->clients = {listener.client.id};
      message->payload = keys;
      if (listener.no_loop) {
        std::vector<std::string_view> foreign;
        for (const auto& [key, writer] : state.changed) {
          if (writer != listener.client.id) foreign.push_back(key);
        }
        if (foreign.empty()) continue;
        message->payload = ArrayOf(foreign);
      }
      messaging_->Leave(listener.client.worker, std::move(message));
    }
    state.changed.clear();
  }
}

}  // namespace terrace::server
