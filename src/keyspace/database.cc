#include "keyspace/database.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"

namespace terrace::keyspace {
namespace {

// A string that grows in place gets room for its next growth, up to this much.
constexpr size_t kGrowthMax = 1024 * 1024;

// What a change means for those who wait for the key. Lists and sorted sets that are not empty have
// served who waited for them; a stream goes on growing under its readers.
template <typename Extent>
Observers::Change ChangeFor(MutationKind kind, KeyEvent event, Extent extent) {
  if (kind != MutationKind::kChanged) return Observers::Change::kGone;
  if (extent == Extent::kWhole) return Observers::Change::kServes;
  const bool serves =
      event.event_class == 't' && (event.name == "xadd" || event.name == "xgroup-destroy");
  return serves ? Observers::Change::kServes : Observers::Change::kTouched;
}

bool IsSameString(const Entry& entry, const Database::Fill& fill) {
  return !fill.object && entry.is_string() && entry.string() == fill.string;
}

size_t GrownCapacity(size_t size) { return size + std::min(size, kGrowthMax); }

}  // namespace

// ---- Lookups -----------------------------------------------------------------------------------

Database::Found Database::FindLive(const Key& key) {
  Shard& shard = keyspace_->ShardOf(key);
  Shard::Part* part = shard.part(index_);
  if (part == nullptr) return {&shard, nullptr, {}};
  const Table::Slot slot = part->table.FindSlot(key.bytes, key.table_hash());
  if (!slot) return {&shard, part, {}};
  Entry* entry = slot.entry();
  if (entry->IsLive(now_ms_)) [[likely]] {
    return {&shard, part, slot};
  }
  const Found dead{&shard, part, slot};
  if (entry->IsExpired(now_ms_)) {
    RemoveFound(key, dead, eviction::RemoveCause::kExpired, MutationKind::kExpired,
                events::kExpired);
  } else {
    RemoveFound(key, dead, eviction::RemoveCause::kExpired, MutationKind::kDropped, events::kNone);
  }
  return {&shard, part, {}};
}

const Entry* Database::Glance(const Key& key) const {
  const Shard::Part* part = keyspace_->ShardOf(key).part(index_);
  if (part == nullptr) return FindOverlay(key);
  const Table::Slot slot = part->table.FindSlot(key.bytes, key.table_hash());
  if (!slot || !slot.entry()->IsLive(now_ms_)) return FindOverlay(key);
  return slot.entry();
}

Entry* Database::FindOverlay(const Key& key) const {
  for (const Overlaid& overlaid : overlay_) {
    if (overlaid.key.bytes == key.bytes) return overlaid.entry;
  }
  return nullptr;
}

// Reads what the table has not: what was fetched for this call, or nothing.
Entry* Database::ReadElsewhere(const Key& key, Shard& shard) {
  Entry* const overlaid = FindOverlay(key);
  if (overlaid != nullptr) {
    ++shard.stats.hits;
    return overlaid;
  }
  CountMiss(key, shard);
  return nullptr;
}

void Database::NoteMiss(const Key& key) { CountMiss(key, keyspace_->ShardOf(key)); }

void Database::CountMiss(const Key& key, Shard& shard) {
  ++shard.stats.misses;
  if (!keyspace_->is_listened_to()) return;
  for (MutationSink* sink : keyspace_->sinks()) sink->OnMiss(index_, key);
}

Entry* Database::Read(const Key& key) {
  const Found found = FindLive(key);
  if (found.slot) [[likely]] {
    Entry* entry = found.slot.entry();
    ++found.shard->stats.hits;
    if (touches_) found.shard->policy().OnHit(key.table_hash(), *entry->word(), now32());
    return entry;
  }
  return ReadElsewhere(key, *found.shard);
}

Entry* Database::Write(const Key& key) {
  const Found found = FindLive(key);
  if (!found.slot) return nullptr;
  Entry* entry = found.slot.entry();
  if (touches_) found.shard->policy().OnHit(key.table_hash(), *entry->word(), now32());
  return entry;
}

Entry* Database::ReadUntouched(const Key& key) {
  const Found found = FindLive(key);
  if (!found.slot) return ReadElsewhere(key, *found.shard);
  ++found.shard->stats.hits;
  return found.slot.entry();
}

Entry* Database::Peek(const Key& key) {
  const Found found = FindLive(key);
  return found.slot ? found.slot.entry() : FindOverlay(key);
}

// ---- What every change goes through
// --------------------------------------------------------------

void Database::Tell(const Key& key, Shard& shard, MutationKind kind, KeyEvent event, Entry* entry,
                    bool created, bool had_regional_copy, Extent extent) {
  // Eviction, expiry and dropped copies do not change what the authority says, but a fetch that
  // began before an expiry could bring the dead value back, so expiry counts as a write.
  const bool is_copy = kind == MutationKind::kDropped || kind == MutationKind::kRefreshed;
  if (kind != MutationKind::kEvicted && !is_copy) {
    shard.BumpVersion(key.table_hash());
    // A step within a change has no event of its own.
    shard.stats.changes += !event.name.empty();
  }
  const bool is_beside = extent == Extent::kBeside;
  if (shard.observers.any() && !is_copy) [[unlikely]] {
    if (!is_beside) shard.observers.TellWatchers(index_, key.bytes);
    shard.observers.TellWaiters(index_, key.bytes, ChangeFor(kind, event, extent));
  }
  if (!keyspace_->is_listened_to()) return;
  const Mutation mutation{index_,    key,  kind, event, entry, created, had_regional_copy,
                          is_beside, false};
  for (MutationSink* sink : keyspace_->sinks()) sink->OnMutation(mutation);
}

void Database::Announce(const Key& key, KeyEvent event) {
  if (!keyspace_->is_listened_to()) return;
  for (MutationSink* sink : keyspace_->sinks()) sink->OnEvent(index_, key, event);
}

void Database::Schedule(Shard::Part& part, const Key& key, const Due& before, const Due& after) {
  part.deadline_count += (after.live_until_ms != kNoDeadline);
  part.deadline_count -= (before.live_until_ms != kNoDeadline);
  part.parts_count += (after.parts_ms != kNoDeadline);
  part.parts_count -= (before.parts_ms != kNoDeadline);
  const int64_t before_ms = before.first_ms();
  const int64_t after_ms = after.first_ms();
  if (after_ms == kNoDeadline) return;
  // A slot at or before the new deadline is already there: it will be looked at in time.
  if (before_ms != kNoDeadline && before_ms <= after_ms) return;
  part.expiry.Add(key.table_hash(), after_ms);
}

void Database::Recharge(Shard& shard, Shard::Part& part, Entry* entry, size_t old_charge,
                        size_t new_charge) {
  if (old_charge == new_charge) return;
  shard.Charge(part, static_cast<int64_t>(new_charge) - static_cast<int64_t>(old_charge));
  shard.policy().OnResize(*entry->word(), static_cast<uint32_t>(old_charge),
                          static_cast<uint32_t>(new_charge));
}

Entry* Database::InsertNew(const Key& key, const EntrySpec& spec, KeyEvent event,
                           MutationKind kind) {
  Shard& shard = keyspace_->ShardOf(key);
  Shard::Part& part = shard.PartFor(index_, moment_ms_);
  Entry* entry = Entry::New(spec);
  const size_t table_bytes = part.table.bytes();
  part.table.Insert(entry, key.table_hash());
  Schedule(part, key, {}, DueOf(entry));
  const size_t charge = entry->charge();
  shard.policy().OnInsert(key.table_hash(), *entry->word(), static_cast<uint32_t>(charge), now32());
  shard.Charge(part, static_cast<int64_t>(charge));
  if (part.table.bytes() != table_bytes) shard.AccountStructures();
  Tell(key, shard, kind, event, entry, true);
  return entry;
}

// A new block for an entry whose layout changes; the value it points to is not freed.
Entry* Database::ReplaceEntry(const Key& key, const Found& found, const EntrySpec& spec) {
  Entry* old = found.slot.entry();
  const Due before = DueOf(old);
  Entry* entry = Entry::New(spec);
  *entry->word() = *old->word();
  found.slot.set_entry(entry);
  Schedule(*found.part, key, before, DueOf(entry));
  return entry;
}

void Database::RemoveFound(const Key& key, const Found& found, eviction::RemoveCause cause,
                           MutationKind kind, KeyEvent event) {
  Entry* entry = found.slot.entry();
  const size_t charge = entry->charge();
  // The caller's view of the key may be the entry's own bytes: tell before freeing.
  Tell(key, *found.shard, kind, event, entry, false);
  found.shard->policy().OnRemove(key.table_hash(), *entry->word(), static_cast<uint32_t>(charge),
                                 cause);
  if (cause == eviction::RemoveCause::kExpired && kind == MutationKind::kExpired) {
    ++found.shard->stats.expired;
  }
  Schedule(*found.part, key, DueOf(entry), {});
  found.part->table.Erase(found.slot, key.table_hash());
  found.shard->Charge(*found.part, -static_cast<int64_t>(charge));
  keyspace_->Discard(entry);
}

// ---- Whole values
// --------------------------------------------------------------------------------

// Puts a value where there may be another.
Entry* Database::Put(const Key& key, const EntrySpec& spec, KeyEvent event) {
  const Found found = FindLive(key);
  if (!found.slot) return InsertNew(key, spec, event, MutationKind::kChanged);
  Entry* old = found.slot.entry();
  const size_t old_charge = old->charge();
  const bool had_regional_copy = old->has_tier() && old->tier().regional_copy;
  Entry* entry = ReplaceEntry(key, found, spec);
  keyspace_->Discard(old);
  Recharge(*found.shard, *found.part, entry, old_charge, entry->charge());
  found.shard->policy().OnHit(key.table_hash(), *entry->word(), now32());
  Tell(key, *found.shard, MutationKind::kChanged, event, entry, false, had_regional_copy);
  return entry;
}

Entry* Database::SetString(const Key& key, std::string_view value, int64_t deadline_ms,
                           KeyEvent event) {
  const Found found = FindLive(key);
  if (found.slot) {
    Entry* old = found.slot.entry();
    if (deadline_ms == kKeepDeadline) deadline_ms = old->deadline_ms();
    if (old->is_string() && old->is_inline()) {
      const int64_t before_ms = old->deadline_ms();
      // Within the same block, which has no tier and is charged as before.
      if (old->TryAssignInline(value, deadline_ms)) {
        if (before_ms != kNoDeadline || deadline_ms != kNoDeadline) {
          Schedule(*found.part, key, {before_ms, kNoDeadline}, {deadline_ms, kNoDeadline});
        }
        found.shard->policy().OnHit(key.table_hash(), *old->word(), now32());
        Tell(key, *found.shard, MutationKind::kChanged, event, old, false);
        return old;
      }
    }
  }
  EntrySpec spec;
  spec.key = key.bytes;
  spec.deadline_ms = deadline_ms == kKeepDeadline ? kNoDeadline : deadline_ms;
  if (value.size() <= Entry::kInlineValueMax) {
    spec.string = value;
  } else {
    spec.heap = HeapString::New(value, value.size());
  }
  return Put(key, spec, event);
}

Entry* Database::SetObject(const Key& key, std::unique_ptr<Object> object, int64_t deadline_ms,
                           KeyEvent event) {
  EntrySpec spec;
  spec.key = key.bytes;
  spec.type = object->type();
  spec.deadline_ms = deadline_ms;
  if (deadline_ms == kKeepDeadline) {
    const Entry* old = Peek(key);
    spec.deadline_ms = old != nullptr ? old->deadline_ms() : kNoDeadline;
  }
  spec.object = object.release();
  return Put(key, spec, event);
}

bool Database::Remove(const Key& key, KeyEvent event) {
  const Found found = FindLive(key);
  if (!found.slot) {
    // Nothing is here, but who deletes may know that what lies below has changed: what is being
    // fetched, and what is remembered to be absent, is not current any more.
    keyspace_->ShardOf(key).BumpVersion(key.table_hash());
    return false;
  }
  RemoveFound(key, found, eviction::RemoveCause::kDeleted, MutationKind::kRemoved, event);
  return true;
}

void Database::RemoveEmptied(const Key& key) {
  if (Remove(key, events::kDel)) JoinChange(key);
}

void Database::JoinChange(const Key& key) { --keyspace_->ShardOf(key).stats.changes; }

void Database::Copy(const Key& from, Database& target, const Key& to, KeyEvent to_event) {
  const Entry* source = Peek(from);
  TERRACE_CHECK(source != nullptr);
  EntrySpec spec;
  spec.key = to.bytes;
  spec.type = source->type();
  spec.deadline_ms = source->deadline_ms();
  spec.raw = source->is_raw_string();
  spec.text = source->is_text_string();
  if (!source->is_string()) {
    spec.object = source->object()->Clone().release();
  } else if (source->is_inline()) {
    spec.string = source->string();
  } else {
    spec.heap = HeapString::New(source->string(), source->string().size());
  }
  target.Put(to, spec, to_event);
}

void Database::Move(const Key& from, Database& target, const Key& to, KeyEvent from_event,
                    KeyEvent to_event) {
  const Found found = FindLive(from);
  TERRACE_CHECK(found.slot);
  Entry* source = found.slot.entry();
  EntrySpec spec;
  spec.key = to.bytes;
  spec.type = source->type();
  spec.deadline_ms = source->deadline_ms();
  spec.raw = source->is_raw_string();
  spec.text = source->is_text_string();
  if (!source->is_string()) {
    spec.object = source->object();
  } else if (!source->is_inline()) {
    spec.heap = source->heap_string();
  } else {
    spec.string = source->string();
  }
  // Take the source out first, but keep its block until the value has been copied or handed over.
  const size_t charge = source->charge();
  Tell(from, *found.shard, MutationKind::kRemoved, events::kNone, source, false);
  found.shard->policy().OnRemove(from.table_hash(), *source->word(), static_cast<uint32_t>(charge),
                                 eviction::RemoveCause::kDeleted);
  Schedule(*found.part, from, DueOf(source), {});
  found.part->table.Erase(found.slot, from.table_hash());
  found.shard->Charge(*found.part, -static_cast<int64_t>(charge));
  target.Put(to, spec, events::kTakenOver);
  Entry::FreeKeepingValue(source);
  Announce(from, from_event);
  target.Announce(to, to_event);
}

// ---- Changes in place
// ----------------------------------------------------------------------------

char* Database::EditString(const Key& key, size_t size) {
  Found found = FindLive(key);
  if (!found.slot) {
    EntrySpec spec;
    spec.key = key.bytes;
    spec.heap = HeapString::New({}, size);
    InsertNew(key, spec, events::kNone, MutationKind::kChanged);
    found = FindLive(key);
  }
  Entry* entry = found.slot.entry();
  TERRACE_CHECK(entry->is_string());
  const size_t old_charge = entry->charge();
  const bool inline_before = entry->is_inline();
  if (inline_before || entry->heap_string()->capacity < size || !entry->is_raw_string()) {
    const std::string_view value = entry->string();
    EntrySpec spec;
    spec.key = entry->key();
    spec.deadline_ms = entry->deadline_ms();
    spec.raw = true;
    const TierBlock tier = entry->has_tier() ? entry->tier() : TierBlock{};
    if (entry->has_tier()) spec.tier = &tier;
    if (inline_before || entry->heap_string()->capacity < size) {
      spec.heap = HeapString::New(value.substr(0, size), std::max(GrownCapacity(size), size));
    } else {
      spec.heap = entry->heap_string();
    }
    const bool reused = !inline_before && spec.heap == entry->heap_string();
    Entry* const replaced = ReplaceEntry(key, found, spec);
    if (reused) {
      Entry::FreeKeepingValue(entry);
    } else {
      Entry::Free(entry);
    }
    entry = replaced;
  }
  HeapString* heap = entry->heap_string();
  if (heap->size < size) std::memset(heap->bytes + heap->size, 0, size - heap->size);
  heap->size = static_cast<uint32_t>(size);
  Recharge(*found.shard, *found.part, entry, old_charge, entry->charge());
  return heap->bytes;
}

// What an object weighs, and when it is due, since EditObject.
void Database::AccountEdit(const Key& key, Entry* entry) {
  Shard& shard = keyspace_->ShardOf(key);
  Shard::Part& part = shard.PartFor(index_, moment_ms_);
  const size_t charge = entry->charge();
  Recharge(shard, part, entry, charge - entry->object()->bytes() + edited_bytes_, charge);
  edited_bytes_ = entry->object()->bytes();
  const Due due = DueOf(entry);
  Schedule(part, key, edited_due_, due);
  edited_due_ = due;
}

// A command has changed this key: if it was a copy, it is none any more, and how long copies are
// used does not bound it. Returns whether the regional tier had the same value.
bool Database::TakeOver(const Key& key, Entry* entry) {
  if (!entry->has_tier()) [[likely]]
    return false;
  const bool had_regional_copy = entry->tier().regional_copy;
  const Due before = DueOf(entry);
  entry->void_tier();
  edited_due_ = DueOf(entry);
  Schedule(*keyspace_->ShardOf(key).part(index_), key, before, edited_due_);
  return had_regional_copy;
}

void Database::EndEdit(const Key& key, Entry* entry, KeyEvent event, Extent extent) {
  if (!entry->is_string()) AccountEdit(key, entry);
  const bool had_regional_copy = TakeOver(key, entry);
  Tell(key, keyspace_->ShardOf(key), MutationKind::kChanged, event, entry, false, had_regional_copy,
       extent);
}

void Database::Changed(const Key& key, Entry* entry, KeyEvent event) {
  EndEdit(key, entry, event, Extent::kPart);
}

void Database::ChangedBeside(const Key& key, Entry* entry, KeyEvent event) {
  EndEdit(key, entry, event, Extent::kBeside);
}

void Database::SetDeadline(const Key& key, Entry* entry, int64_t deadline_ms, KeyEvent event) {
  const Found found = FindLive(key);
  TERRACE_CHECK(found.slot && found.slot.entry() == entry);
  const bool had_regional_copy = TakeOver(key, entry);
  const Due before = DueOf(entry);
  if (entry->TrySetDeadline(deadline_ms)) {
    Schedule(*found.part, key, before, DueOf(entry));
    Tell(key, *found.shard, MutationKind::kChanged, event, entry, false, had_regional_copy,
         Extent::kPart);
    return;
  }
  const size_t old_charge = entry->charge();
  EntrySpec spec;
  spec.key = entry->key();
  spec.type = entry->type();
  spec.deadline_ms = deadline_ms;
  spec.raw = entry->is_raw_string();
  spec.text = entry->is_text_string();
  if (!entry->is_string()) {
    spec.object = entry->object();
  } else if (entry->is_inline()) {
    spec.string = entry->string();
  } else {
    spec.heap = entry->heap_string();
  }
  Entry* replaced = ReplaceEntry(key, found, spec);
  Entry::FreeKeepingValue(entry);
  Recharge(*found.shard, *found.part, replaced, old_charge, replaced->charge());
  Tell(key, *found.shard, MutationKind::kChanged, event, replaced, false, had_regional_copy,
       Extent::kPart);
}

void Database::ClearDeadline(const Key& key, Entry* entry, KeyEvent event) {
  SetDeadline(key, entry, kNoDeadline, event);
}

// ---- Copies of lower tiers
// -----------------------------------------------------------------------

Entry* Database::FillCopy(const Key& key, Fill fill) {
  const Found before = FindLive(key);
  if (before.slot && IsSameString(*before.slot.entry(), fill)) {
    RemoveFound(key, before, eviction::RemoveCause::kReplaced, MutationKind::kRefreshed,
                events::kNone);
  } else {
    DropCopy(key);
  }
  EntrySpec spec;
  spec.key = key.bytes;
  spec.deadline_ms = fill.deadline_ms;
  spec.tier = &fill.tier;
  if (fill.object) {
    spec.type = fill.object->type();
    spec.object = fill.object.release();
  } else if (fill.string.size() <= Entry::kInlineValueMax) {
    spec.string = fill.string;
  } else {
    spec.heap = HeapString::New(fill.string, fill.string.size());
  }
  return InsertNew(key, spec, events::kNone, MutationKind::kDropped);
}

bool Database::DropCopy(const Key& key) {
  const Found found = FindLive(key);
  if (!found.slot) {
    // Who has kept what it read of the lower tier must hear of it, whether or not we have.
    Tell(key, *found.shard, MutationKind::kDropped, events::kNone, nullptr, false);
    return false;
  }
  RemoveFound(key, found, eviction::RemoveCause::kReplaced, MutationKind::kDropped, events::kNone);
  return true;
}

// ---- For Keyspace
// --------------------------------------------------------------------------------

bool Database::Evict(Entry* entry) {
  const Key key = keyspace_->MakeKey(entry->key());
  Shard& shard = keyspace_->ShardOf(key);
  for (MutationSink* sink : keyspace_->sinks()) {
    if (sink->MayEvict(index_, key, entry)) continue;
    shard.policy().OnKept(key.table_hash(), *entry->word(), static_cast<uint32_t>(entry->charge()),
                          now32());
    return false;
  }
  Shard::Part* part = shard.part(index_);
  const Found found{&shard, part, part->table.FindSlot(key.bytes, key.table_hash())};
  ++shard.stats.evicted;
  RemoveFound(key, found, eviction::RemoveCause::kEvicted, MutationKind::kEvicted,
              events::kEvicted);
  return true;
}

void Database::ExpireOrReschedule(Shard& shard, Shard::Part& part, uint32_t table_hash) {
  // Visit without changing, then change: removing moves entries within the bucket.
  while (true) {
    Entry* due_entry = nullptr;
    int64_t later_ms = kNoDeadline;
    part.table.VisitHash(table_hash, [&](Entry* entry) {
      const int64_t due_ms = DueOf(entry).first_ms();
      if (due_ms == kNoDeadline) return false;
      if (due_ms <= now_ms_) {
        due_entry = entry;
        return true;
      }
      later_ms = later_ms == kNoDeadline ? due_ms : std::min(later_ms, due_ms);
      return false;
    });
    if (due_entry == nullptr) {
      if (later_ms != kNoDeadline) part.expiry.Add(table_hash, later_ms);
      return;
    }
    const Key key = keyspace_->MakeKey(due_entry->key());
    const bool parts_only = due_entry->IsLive(now_ms_);
    FindLive(key);  // removes what is not live
    if (!parts_only) continue;
    if (PurgeDueParts(key, due_entry) && DueOf(due_entry).first_ms() <= now_ms_) {
      // Too many at once: the rest in the next round.
      part.expiry.Add(table_hash, now_ms_);
      return;
    }
  }
}

bool Database::PurgeDueParts(const Key& key, Entry* entry) {
  constexpr size_t kPartsPerCallMax = 1000;
  if (entry->is_string()) return true;
  const int64_t next_ms = entry->object()->next_part_deadline_ms();
  if (next_ms == kNoDeadline || next_ms > now_ms_) return true;
  Object& object = EditObject<Object>(entry);
  std::vector<std::string> gone;
  const bool is_told = keyspace_->is_listened_to();
  keyspace_->ShardOf(key).stats.expired_parts +=
      object.RemoveDueParts(now_ms_, kPartsPerCallMax, [&](std::string_view part) {
        if (is_told) gone.emplace_back(part);
      });
  AccountEdit(key, entry);
  // No command has changed it: a copy stays one, for as long as it did. That the tier below has the
  // same value is not known any more.
  bool had_regional_copy = false;
  if (entry->has_tier()) {
    TierBlock tier = entry->tier();
    had_regional_copy = std::exchange(tier.regional_copy, false);
    entry->set_tier(tier);
  }
  Tell(key, keyspace_->ShardOf(key), MutationKind::kChanged, events::kHashFieldExpired, entry,
       false, had_regional_copy, Extent::kPart);
  if (is_told) {
    for (MutationSink* sink : keyspace_->sinks()) sink->OnPartsExpired(index_, key, gone);
  }
  if (object.size() > 0) return true;
  RemoveEmptied(key);
  return false;
}

}  // namespace terrace::keyspace
