#pragma once

// MutationSink: what wants to know of every change of the keyspace: WATCH, client tracking,
// keyspace notifications, the tiers' spill ledger, later replication. The keyspace calls it from
// its write door and knows nothing else about it.
//
// Threads: called under the lock of the key's shard, on the thread that made the change. It must
// not
//          take a shard lock, wait or do I/O; what takes longer goes to a mailbox.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "keyspace/entry.h"
#include "keyspace/key.h"

namespace terrace::keyspace {

// A keyspace notification: its class (a letter of notify-keyspace-events) and its name.
struct KeyEvent {
  char event_class = 0;  // 0: no notification
  std::string_view name;
  bool is_new = false;  // "new" comes before it, even if the key was there and is overwritten
};

namespace events {
inline constexpr KeyEvent kNone{};
// Of a change that nobody is notified of. kNone is that of a step within a change.
inline constexpr KeyEvent kUnannounced{0, "unannounced"};
// A key takes a value over from another: what else there is to announce follows (OnEvent).
inline constexpr KeyEvent kTakenOver{0, "taken over", true};
inline constexpr KeyEvent kDel{'g', "del"};
inline constexpr KeyEvent kExpire{'g', "expire"};
inline constexpr KeyEvent kPersist{'g', "persist"};
inline constexpr KeyEvent kRenameFrom{'g', "rename_from"};
inline constexpr KeyEvent kRenameTo{'g', "rename_to"};
inline constexpr KeyEvent kCopyTo{'g', "copy_to", true};
inline constexpr KeyEvent kMoveFrom{'g', "move_from"};
inline constexpr KeyEvent kMoveTo{'g', "move_to"};
inline constexpr KeyEvent kRestore{'g', "restore", true};
inline constexpr KeyEvent kSet{'$', "set"};
inline constexpr KeyEvent kExpired{'x', "expired"};
inline constexpr KeyEvent kHashFieldExpired{'h', "hexpired"};
inline constexpr KeyEvent kEvicted{'e', "evicted"};
inline constexpr KeyEvent kNew{'n', "new"};
inline constexpr KeyEvent kMiss{'m', "keymiss"};
}  // namespace events

enum class MutationKind : uint8_t {
  kChanged,    // created, overwritten or changed in place
  kRemoved,    // deleted by a command
  kExpired,    // its deadline passed
  kEvicted,    // memory was short; the value may live on in a lower tier
  kRefreshed,  // a copy of a lower tier's value makes room for a newer copy of the same value
  kDropped,    // a copy of a lower tier's value was given up: nothing changed for clients
  kCleared,    // the whole database was emptied; key is empty
};

struct Mutation {
  int database = 0;
  Key key;
  MutationKind kind = MutationKind::kChanged;
  KeyEvent event;
  Entry* entry =
      nullptr;           // the key's entry: after a change, before a removal; nullptr when cleared
  bool created = false;  // the key did not exist before
  // What was overwritten or changed had the same value in the regional tier
  // (TierBlock::regional_copy).
  bool had_regional_copy = false;
  // Only what the value keeps beside its elements (the groups of a stream): to those who watch or
  // track the key it has not changed.
  bool is_beside = false;
  bool more_follows = false;  // cleared: the same command empties further databases
};

class MutationSink {
 public:
  virtual ~MutationSink() = default;
  virtual void OnMutation(const Mutation& mutation) = 0;

  // Parts of a value (fields of a hash) have expired, after the mutation that says that it changed.
  virtual void OnPartsExpired(int database, const Key& key, std::span<const std::string> parts) {}

  // An event of a change that consists of several mutations, after all of them. Same lock.
  virtual void OnEvent(int database, const Key& key, KeyEvent event) {}

  // A command has looked for a key that is not there. Under the same lock.
  virtual void OnMiss(int database, const Key& key) {}

  // May this key be evicted now? Asked before kEvicted; false keeps it (its value cannot yet be
  // taken by a lower tier).
  virtual bool MayEvict(int database, const Key& key, Entry* entry) { return true; }
};

}  // namespace terrace::keyspace
