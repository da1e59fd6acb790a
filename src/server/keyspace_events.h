#pragma once

// KeyspaceEvents: publishes what happens to keys on channels of their own
// (notify-keyspace-events): __keyspace@<db>__:<key> says the event, __keyevent@<db>__:<event> the
// key.
//
// Promises:  costs nothing while no class of events is chosen.
// Threads:   thread-safe; the keyspace calls it under the lock of the key's shard.

#include <atomic>
#include <cstdint>
#include <string_view>

#include "keyspace/keyspace.h"
#include "server/messaging.h"

namespace terrace::server {

class KeyspaceEvents : public keyspace::MutationSink {
 public:
  KeyspaceEvents(keyspace::Keyspace* keyspace, Messaging* messaging);

  // classes: letters in the form that CONFIG GET shows. Any thread.
  void SetClasses(std::string_view classes);

  void OnMutation(const keyspace::Mutation& mutation) override;
  void OnEvent(int database, const keyspace::Key& key, keyspace::KeyEvent event) override;
  void OnMiss(int database, const keyspace::Key& key) override;

 private:
  bool Wants(char event_class) const;
  void Publish(int database, std::string_view key, keyspace::KeyEvent event);

  keyspace::Keyspace* const keyspace_;
  Messaging* const messaging_;
  std::atomic<uint64_t> classes_{0};  // one bit a letter
};

}  // namespace terrace::server
