#pragma once

// Observers: the clients that watch keys of a shard (WATCH).
//
// Promises:  costs nothing to a shard whose keys nobody observes but a look at any().
// Threads:   everything under the shard's lock.

#include <string_view>

#include "keyspace/key_lists.h"

namespace terrace::keyspace {

struct NoListState {};

// One client's watch of one key.
struct KeyWatch : KeyLists<KeyWatch, NoListState>::Link {
  bool touched = false;  // the key has changed since
};

class Observers {
 public:
  bool any() const { return any_; }

  void Watch(int database, std::string_view key, KeyWatch* watch);
  void Unwatch(KeyWatch* watch);

  // A key has changed for clients.
  void OnChange(int database, std::string_view key);
  // Many keys of a database may have changed: changed(key) says which.
  template <typename Changed>
  void OnChanges(int database, Changed changed) {
    watches_.ForEach(database, [&](std::string_view key, KeyLists<KeyWatch, NoListState>::List& l) {
      if (changed(key)) Touch(l);
    });
  }

 private:
  static void Touch(KeyLists<KeyWatch, NoListState>::List& list);

  KeyLists<KeyWatch, NoListState> watches_;
  bool any_ = false;
};

}  // namespace terrace::keyspace
