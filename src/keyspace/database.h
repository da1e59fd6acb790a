#pragma once

// Database: one logical database as a command sees it while it holds its shards' locks: lookups,
// and the one write door. Every change of the keyspace goes through here, and only here the write
// version is bumped, the account kept, the expiry index and the eviction policy told, and the
// mutation sinks fed.
//
// Promises:  an expired (or no longer fresh) key is absent to every function here.
// Ownership: an Entry* is valid until the next write through any Database of the same shard.
// Threads:   REQUIRES the lock of the key's shard for every call with a key, of all shards for the
//            calls without one.
// Units:     deadlines in ms on NowMs time.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "keyspace/keyspace.h"

namespace terrace::keyspace {

class Database {
 public:
  Database(Keyspace* keyspace, int index, int64_t now_ms)
      : keyspace_(keyspace), index_(index), now_ms_(now_ms), moment_ms_(now_ms) {}

  Keyspace& keyspace() const { return *keyspace_; }
  int index() const { return index_; }
  // What has a deadline up to then has expired.
  int64_t now_ms() const { return now_ms_; }
  // What is noted down as the time of what is done.
  int64_t moment_ms() const { return moment_ms_; }
  // From here on nothing has expired: for changes that are repeated as they were made. What did
  // expire among them is removed by the one that says so.
  void RestTime() { now_ms_ = 0; }
  // The same moment, another database.
  Database Other(int index) const {
    Database other(keyspace_, index, moment_ms_);
    other.now_ms_ = now_ms_;
    return other;
  }

  // ---- Lookups -------------------------------------------------------------------------------

  // For commands that read: counts a hit or a miss and tells the policy.
  Entry* Read(const Key& key);
  // For commands that read, but do not use: EXISTS, TYPE, TTL. Counts, and the policy is not told.
  Entry* ReadUntouched(const Key& key);
  // For commands that write a key of which Redis says that it was missed: counts a miss.
  void NoteMiss(const Key& key);
  // For commands that write: tells the policy, counts nothing.
  Entry* Write(const Key& key);
  // For commands that only look (OBJECT, TOUCH-less EXISTS of scripts, EXPLAIN): neither.
  Entry* Peek(const Key& key);
  // As Peek, but leaves an expired key where it is, for the command that will come upon it.
  const Entry* Glance(const Key& key) const;

  // Do Read and Write tell the policy? Not for a client in the mode of CLIENT NO-TOUCH.
  void set_touches(bool touches) { touches_ = touches; }

  // ---- The write door: whole values ----------------------------------------------------------

  // Sets a string, whatever was there. deadline_ms may be kNoDeadline or kKeepDeadline.
  static constexpr int64_t kKeepDeadline = -2;
  Entry* SetString(const Key& key, std::string_view value, int64_t deadline_ms, KeyEvent event);
  // Sets a value of any other type, whatever was there.
  Entry* SetObject(const Key& key, std::unique_ptr<Object> object, int64_t deadline_ms,
                   KeyEvent event);
  // Removes a key; false when it is absent.
  bool Remove(const Key& key, KeyEvent event);
  // After a change that left it empty and that has been told of: the two count as one.
  void RemoveEmptied(const Key& key);
  // The last change that was told of is part of the one before it: the two count as one.
  void JoinChange(const Key& key);

  // Moves the value and deadline of a key to another key (and database), whatever was there.
  // REQUIRES: from exists; the locks of both keys.
  void Move(const Key& from, Database& target, const Key& to, KeyEvent from_event,
            KeyEvent to_event);
  // Copies likewise.
  void Copy(const Key& from, Database& target, const Key& to, KeyEvent to_event);

  // ---- The write door: changes in place ------------------------------------------------------
  // A copy that a command changes is a copy no more: the key is ours, as after SetString.

  // Makes the string of this key size bytes long (new bytes are zero), creating the key or moving
  // the string to the heap as needed, and returns its bytes to write into. Ends with Changed().
  // REQUIRES: the key is absent or a string.
  char* EditString(const Key& key, size_t size);

  // The object of this key for changes in place; ends with Changed() or with Remove() when empty.
  // REQUIRES: entry is the key's and is not a string.
  template <typename T>
  T& EditObject(Entry* entry) {
    edited_bytes_ = entry->object()->bytes();
    edited_due_ = DueOf(entry);
    return *static_cast<T*>(entry->object());
  }

  // Ends a change in place: accounts for it and tells everybody.
  void Changed(const Key& key, Entry* entry, KeyEvent event);
  // The same for a change of what the value keeps beside its elements (Mutation::is_beside).
  void ChangedBeside(const Key& key, Entry* entry, KeyEvent event);

  // Removes the parts of the value (fields of a hash) whose deadline has passed, a bounded number
  // at once; false when nothing is left and the key is gone. REQUIRES: entry is the key's.
  bool PurgeDueParts(const Key& key, Entry* entry);

  void SetDeadline(const Key& key, Entry* entry, int64_t deadline_ms, KeyEvent event);
  void ClearDeadline(const Key& key, Entry* entry, KeyEvent event);

  // ---- Copies of lower tiers -----------------------------------------------------------------

  // A copy enters: no write version is bumped, because nothing changed for anybody. Replaces what
  // is there. Takes value.object over.
  struct Fill {
    std::string_view string;
    std::unique_ptr<Object> object;  // set for every type but strings
    int64_t deadline_ms = kNoDeadline;
    TierBlock tier;
  };
  Entry* FillCopy(const Key& key, Fill fill);
  // A copy is given up; false when the key is absent.
  bool DropCopy(const Key& key);
  void SetTier(Entry* entry, const TierBlock& tier) { entry->set_tier(tier); }

  // A value that answers this call only: Read and Peek find it where the table has none. For what
  // was fetched for a request and may not be kept. Owned by the caller.
  void Overlay(const Key& key, Entry* entry) { overlay_.push_back({key, entry}); }

  // ---- The whole database --------------------------------------------------------------------

  size_t size() const;
  Entry* Random();
  // Visits one step of a scan and returns the next cursor, 0 at the end. Expired keys, of
  // all types or of one, are removed on the way.
  // Needs no lock: takes each shard's itself.
  uint64_t Scan(uint64_t cursor, std::optional<Type> removed,
                const std::function<void(Entry*)>& visit);
  void ForEach(const std::function<void(Entry*)>& visit);
  // kMoreFollows: the same command empties further databases afterwards.
  enum class Extends : uint8_t { kHereOnly, kMoreFollows };
  void Clear(Extends extends = Extends::kHereOnly);
  void Swap(int other);

  // ---- For Keyspace --------------------------------------------------------------------------

  // Removes a victim of the eviction policy; false when a sink wants it kept for now.
  bool Evict(Entry* entry);
  // The expiry index says these may be due: removes what is, re-adds what is not.
  void ExpireOrReschedule(Shard& shard, Shard::Part& part, uint32_t table_hash);

 private:
  struct Found {
    Shard* shard;
    Shard::Part* part;
    Table::Slot slot;
  };
  Found FindLive(const Key& key);
  bool Holds(Shard::Part* part, std::string_view bytes) const;
  Entry* FindOverlay(const Key& key) const;
  Entry* ReadElsewhere(const Key& key, Shard& shard);
  void CountMiss(const Key& key, Shard& shard);
  Entry* InsertNew(const Key& key, const EntrySpec& spec, KeyEvent event, MutationKind kind);
  Entry* ReplaceEntry(const Key& key, const Found& found, const EntrySpec& spec);
  Entry* Put(const Key& key, const EntrySpec& spec, KeyEvent event);
  void RemoveFound(const Key& key, const Found& found, eviction::RemoveCause cause,
                   MutationKind kind, KeyEvent event);
  // When the expiry index must look at an entry: because it stops being live, or parts of it do.
  struct Due {
    int64_t live_until_ms = kNoDeadline;
    int64_t parts_ms = kNoDeadline;
    int64_t first_ms() const {
      if (live_until_ms == kNoDeadline || parts_ms == kNoDeadline) {
        return std::max(live_until_ms, parts_ms);
      }
      return std::min(live_until_ms, parts_ms);
    }
  };
  static Due DueOf(const Entry* entry) {
    return {entry->LiveUntilMs(),
            entry->is_string() ? kNoDeadline : entry->object()->next_part_deadline_ms()};
  }
  void Schedule(Shard::Part& part, const Key& key, const Due& before, const Due& after);
  void Recharge(Shard& shard, Shard::Part& part, Entry* entry, size_t old_charge,
                size_t new_charge);
  void AccountEdit(const Key& key, Entry* entry);
  bool TakeOver(const Key& key, Entry* entry);
  enum class Extent : uint8_t { kWhole, kPart, kBeside };  // of the value that was changed
  void Tell(const Key& key, Shard& shard, MutationKind kind, KeyEvent event, Entry* entry,
            bool created, bool had_regional_copy = false, Extent extent = Extent::kWhole);
  void Announce(const Key& key, KeyEvent event);
  void EndEdit(const Key& key, Entry* entry, KeyEvent event, Extent extent);
  uint32_t now32() const { return static_cast<uint32_t>(moment_ms_); }

  Keyspace* keyspace_;
  int index_;
  int64_t now_ms_;
  int64_t moment_ms_;
  bool touches_ = true;
  size_t edited_bytes_ = 0;  // what the object being edited weighed before
  Due edited_due_;           // and when it was due
  struct Overlaid {
    Key key;
    Entry* entry;
  };
  std::vector<Overlaid> overlay_;
};

}  // namespace terrace::keyspace
