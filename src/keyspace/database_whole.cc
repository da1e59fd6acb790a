// Database: what concerns all of its keys at once.

#include <string>
#include <vector>

#include "keyspace/database.h"

namespace terrace::keyspace {

size_t Database::size() const {
  size_t size = 0;
  for (int i = 0; i < keyspace_->shard_count(); ++i) {
    if (const Shard::Part* part = keyspace_->shard(i).part(index_)) size += part->table.size();
  }
  return size;
}

Entry* Database::Random() {
  // Expired keys may be many, and are removed when they are met.
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const size_t total = size();
    if (total == 0) return nullptr;
    Entry* entry = nullptr;
    base::Rng& rng = keyspace_->shard(0).rng();
    uint64_t pick = rng.Below(total);
    for (int i = 0; i < keyspace_->shard_count(); ++i) {
      Shard::Part* part = keyspace_->shard(i).part(index_);
      if (part == nullptr) continue;
      if (pick < part->table.size()) {
        entry = part->table.Random(rng);
        break;
      }
      pick -= part->table.size();
    }
    if (entry->IsLive(now_ms_)) return entry;
    const std::string key(entry->key());
    FindLive(keyspace_->MakeKey(key));
  }
  return nullptr;
}

uint64_t Database::Scan(uint64_t cursor, std::optional<Type> removed,
                        const std::function<void(Entry*)>& visit) {
  // Clients may send any cursor.
  if (cursor >> 32 >= static_cast<uint64_t>(keyspace_->shard_count())) return 0;
  auto shard_index = static_cast<int>(cursor >> 32);
  auto position = static_cast<uint32_t>(cursor);
  {
    ShardLock lock(*keyspace_, ShardSet{1} << shard_index);
    if (Shard::Part* part = keyspace_->shard(shard_index).part(index_)) {
      std::vector<std::string> expired;
      position = part->table.Scan(position, [&](Entry* entry) {
        if (entry->IsLive(now_ms_)) return visit(entry);
        if (!removed || entry->type() == *removed) expired.emplace_back(entry->key());
      });
      // Removing moves entries, so it waits until the visit is over.
      for (const std::string& key : expired) FindLive(keyspace_->MakeKey(key));
    } else {
      position = 0;
    }
  }
  if (position == 0) {
    if (++shard_index == keyspace_->shard_count()) return 0;
  }
  return static_cast<uint64_t>(shard_index) << 32 | position;
}

void Database::ForEach(const std::function<void(Entry*)>& visit) {
  for (int i = 0; i < keyspace_->shard_count(); ++i) {
    if (Shard::Part* part = keyspace_->shard(i).part(index_)) {
      part->table.ForEach([&](Entry* entry) {
        if (entry->IsLive(now_ms_)) visit(entry);
      });
    }
  }
}

// Is there an entry of this key, live or not?
bool Database::Holds(Shard::Part* part, std::string_view bytes) const {
  if (part == nullptr) return false;
  return bool{part->table.FindSlot(bytes, keyspace_->MakeKey(bytes).table_hash())};
}

void Database::Clear(Extends extends) {
  for (int i = 0; i < keyspace_->shard_count(); ++i) {
    Shard& shard = keyspace_->shard(i);
    if (!shard.observers.any()) continue;
    shard.observers.OnReplaced(index_, Observers::Change::kGone, [&](std::string_view key) {
      return Holds(shard.part(index_), key);
    });
  }
  keyspace_->ClearDatabase(index_, moment_ms_);
  Mutation mutation;
  mutation.database = index_;
  mutation.kind = MutationKind::kCleared;
  mutation.more_follows = extends == Extends::kMoreFollows;
  for (MutationSink* sink : keyspace_->sinks()) sink->OnMutation(mutation);
}

void Database::Swap(int other) {
  for (int i = 0; i < keyspace_->shard_count(); ++i) {
    Shard& shard = keyspace_->shard(i);
    if (shard.observers.any()) {
      // What was there is gone, and what is live on the other side appears. What has expired there
      // leaves first: that is no news here.
      const auto swap = [&](int from, int to) {
        shard.observers.OnReplaced(from, Observers::Change::kServes, [&](std::string_view key) {
          const bool appears = Other(to).Peek(keyspace_->MakeKey(key)) != nullptr;
          return appears || Holds(shard.part(from), key);
        });
      };
      swap(index_, other);
      swap(other, index_);
    }
    shard.SwapParts(index_, other);
    shard.BumpAllVersions();
  }
  for (const int index : {index_, other}) {
    Mutation mutation;
    mutation.database = index;
    mutation.kind = MutationKind::kCleared;
    mutation.more_follows = index == index_;
    for (MutationSink* sink : keyspace_->sinks()) sink->OnMutation(mutation);
  }
}

}  // namespace terrace::keyspace
