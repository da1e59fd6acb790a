#include "keyspace/shard.h"

#include <optional>
#include <utility>

#include "base/background.h"
#include "base/hash.h"

namespace terrace::keyspace {
namespace {

// A handle packs the database into the 16 bits of a pointer that user space does not use.
void* PackHandle(Entry* entry, int database) {
  return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(entry) |
                                 static_cast<uintptr_t>(database) << 48);
}

}  // namespace

Shard::Shard(int database_count, uint64_t hash_seed, uint64_t rng_seed,
             std::unique_ptr<eviction::EvictionPolicy> policy, std::atomic<int64_t>* used_bytes)
    : hash_seed_(hash_seed),
      parts_(static_cast<size_t>(database_count)),
      policy_(std::move(policy)),
      rng_(rng_seed),
      used_bytes_(used_bytes) {}

Shard::Part::~Part() {
  base::Turns turns(base::Turns::kSmallBlocks);
  table.ForEach([&](Entry* entry) {
    Entry::Free(entry);
    turns.Step();
  });
}

Shard::Part& Shard::PartFor(int database, int64_t now_ms) {
  auto& part = parts_[static_cast<size_t>(database)];
  if (!part) part = std::make_unique<Part>(hash_seed_, now_ms);
  return *part;
}

void Shard::SwapParts(int a, int b) {
  std::swap(parts_[static_cast<size_t>(a)], parts_[static_cast<size_t>(b)]);
}

std::unique_ptr<Shard::Part> Shard::TakePart(int database, const NewPolicy& new_policy,
                                             int64_t now_ms) {
  std::unique_ptr<Part> taken = std::move(parts_[static_cast<size_t>(database)]);
  if (taken == nullptr) return nullptr;
  size_t remaining = 0;
  for (const auto& part : parts_) remaining += part ? part->table.size() : 0;
  if (remaining < taken->table.size()) {
    ReplacePolicy(new_policy(), now_ms);
  } else {
    taken->table.ForEach([&](Entry* entry) {
      const auto hash = static_cast<uint32_t>(base::HashBytes(entry->key(), hash_seed_));
      policy_->OnRemove(hash, *entry->word(), static_cast<uint32_t>(entry->charge()),
                        eviction::RemoveCause::kDeleted);
    });
  }
  pending_bytes_ -= taken->charged_bytes;
  AccountStructures();
  BumpAllVersions();
  return taken;
}

void Shard::ReplacePolicy(std::unique_ptr<eviction::EvictionPolicy> policy, int64_t now_ms) {
  policy_ = std::move(policy);
  for (auto& part : parts_) {
    if (!part) continue;
    part->table.ForEach([&](Entry* entry) {
      const auto hash = static_cast<uint32_t>(base::HashBytes(entry->key(), hash_seed_));
      policy_->OnInsert(hash, *entry->word(), static_cast<uint32_t>(entry->charge()),
                        static_cast<uint32_t>(now_ms));
    });
  }
}

void Shard::BumpAllVersions() {
  for (uint32_t& version : versions_) ++version;
}

void Shard::FlushAccount() {
  used_bytes_->fetch_add(std::exchange(pending_bytes_, 0), std::memory_order_relaxed);
}

void Shard::AccountStructures() {
  auto bytes = static_cast<int64_t>(policy_->metadata_bytes());
  for (const auto& part : parts_) {
    if (part) bytes += static_cast<int64_t>(part->table.bytes() + part->expiry.bytes());
  }
  pending_bytes_ += bytes - std::exchange(structure_bytes_, bytes);
  FlushAccount();
}

eviction::Resident Shard::Describe(Entry* entry, int database, uint32_t hash) const {
  return {hash, entry->word(), static_cast<uint32_t>(entry->charge()), entry->deadline_ms(),
          PackHandle(entry, database)};
}

Shard::Handle Shard::Unpack(const eviction::Resident& resident) const {
  const auto packed = reinterpret_cast<uintptr_t>(resident.handle);
  return {reinterpret_cast<Entry*>(packed & ((uintptr_t{1} << 48) - 1)),
          static_cast<int>(packed >> 48)};
}

bool Shard::Find(uint32_t hash, eviction::Word value, eviction::Word mask,
                 eviction::Resident* found) {
  for (int database = 0; database < database_count(); ++database) {
    Part* const candidate = part(database);
    if (candidate == nullptr) continue;
    const bool hit = candidate->table.VisitHash(hash, [&](Entry* entry) {
      if ((*entry->word() & mask) != value) return false;
      *found = Describe(entry, database, hash);
      return true;
    });
    if (hit) return true;
  }
  return false;
}

size_t Shard::Sample(eviction::SampleFrom from, size_t limit, eviction::Resident* out) {
  size_t count = 0;
  while (count < limit && SampleOne(from, &out[count])) ++count;
  return count;
}

bool Shard::SampleOne(eviction::SampleFrom from, eviction::Resident* out) {
  // Choose the database by its share of the keys that qualify.
  const bool with_deadline = from == eviction::SampleFrom::kKeysWithDeadline;
  uint64_t total = 0;
  for (const auto& part : parts_) {
    if (part) total += with_deadline ? part->deadline_count : part->table.size();
  }
  if (total == 0) return false;
  uint64_t pick = rng_.Below(total);
  int database = 0;
  for (;; ++database) {
    if (!part(database)) continue;
    const uint64_t share =
        with_deadline ? part(database)->deadline_count : part(database)->table.size();
    if (pick < share) break;
    pick -= share;
  }
  Part& chosen = *part(database);
  const auto describe = [&](Entry* entry) {
    const auto hash = static_cast<uint32_t>(base::HashBytes(entry->key(), hash_seed_));
    *out = Describe(entry, database, hash);
    return true;
  };
  if (!with_deadline) return describe(chosen.table.Random(rng_));
  // Where many keys have a deadline the table gives a fair draw soon; where few have, the expiry
  // index finds one although its draw is not quite fair.
  for (int attempt = 0; attempt < 20; ++attempt) {
    Entry* entry = chosen.table.Random(rng_);
    if (entry->LiveUntilMs() != kNoDeadline) return describe(entry);
  }
  for (int attempt = 0; attempt < 20; ++attempt) {
    uint32_t hash;
    if (!chosen.expiry.Random(rng_.Next(), &hash)) return false;
    const bool hit = chosen.table.VisitHash(
        hash, [&](Entry* entry) { return entry->LiveUntilMs() != kNoDeadline && describe(entry); });
    if (hit) return true;
  }
  return false;
}

bool Shard::SoonestToExpire(eviction::Resident* found) {
  constexpr size_t kLook = 64;
  std::optional<int64_t> best_ms;
  std::vector<uint32_t> soonest;
  for (int database = 0; database < database_count(); ++database) {
    Part* const candidate = part(database);
    if (candidate == nullptr || candidate->deadline_count == 0) continue;
    // Slots of keys that are gone or whose deadline moved may come first: look further then.
    for (size_t look = kLook;; look *= 8) {
      soonest.clear();
      const size_t seen = candidate->expiry.PeekSoonest(look, &soonest);
      bool any = false;
      for (const uint32_t hash : soonest) {
        candidate->table.VisitHash(hash, [&](Entry* entry) {
          const int64_t until_ms = entry->LiveUntilMs();
          if (until_ms == kNoDeadline) return false;
          any = true;
          if (!best_ms || until_ms < *best_ms) {
            best_ms = until_ms;
            *found = Describe(entry, database, hash);
          }
          return true;
        });
      }
      if (any || seen < look) break;
    }
  }
  return best_ms.has_value();
}

}  // namespace terrace::keyspace
