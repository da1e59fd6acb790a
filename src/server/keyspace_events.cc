#include "server/keyspace_events.h"

#include <string>

namespace terrace::server {
namespace {

// What 'A' stands for.
constexpr std::string_view kAll = "g$lshzxetd";

// Letters have a bit each; '$', the only class that is none, has the one below 'A'.
constexpr uint64_t BitOf(char letter) {
  return uint64_t{1} << (letter == '$' ? 0 : letter - 'A' + 1);
}

}  // namespace

KeyspaceEvents::KeyspaceEvents(keyspace::Keyspace* keyspace, Messaging* messaging)
    : keyspace_(keyspace), messaging_(messaging) {
  keyspace_->AddSink(this, keyspace::Listening::kNo);
}

void KeyspaceEvents::SetClasses(std::string_view classes) {
  uint64_t bits = 0;
  for (const char letter : classes) {
    if (letter != 'A') {
      bits |= BitOf(letter);
      continue;
    }
    for (const char included : kAll) bits |= BitOf(included);
  }
  // Events that go to no kind of channel need not be heard of.
  if ((bits & (BitOf('K') | BitOf('E'))) == 0) bits = 0;
  const uint64_t before = classes_.exchange(bits);
  if ((before == 0) != (bits == 0)) keyspace_->ChangeListening(bits != 0 ? 1 : -1);
}

bool KeyspaceEvents::Wants(char event_class) const {
  return (classes_.load(std::memory_order_relaxed) & BitOf(event_class)) != 0;
}

void KeyspaceEvents::OnMutation(const keyspace::Mutation& mutation) {
  const bool is_new = mutation.created || mutation.event.is_new;
  if (is_new && mutation.kind == keyspace::MutationKind::kChanged && Wants('n')) {
    Publish(mutation.database, mutation.key.bytes, keyspace::events::kNew);
  }
  OnEvent(mutation.database, mutation.key, mutation.event);
}

void KeyspaceEvents::OnEvent(int database, const keyspace::Key& key, keyspace::KeyEvent event) {
  if (event.event_class == 0 || !Wants(event.event_class)) return;
  Publish(database, key.bytes, event);
}

void KeyspaceEvents::OnMiss(int database, const keyspace::Key& key) {
  if (Wants('m')) Publish(database, key.bytes, keyspace::events::kMiss);
}

void KeyspaceEvents::Publish(int database, std::string_view key, keyspace::KeyEvent event) {
  const size_t sender = messaging_->CurrentWorker();
  const std::string database_name = std::to_string(database);
  const auto publish = [&](std::string_view kind, std::string_view about, std::string_view what) {
    std::string channel;
    channel.reserve(kind.size() + database_name.size() + about.size() + 6);
    channel.append("__").append(kind).append("@").append(database_name).append("__:").append(about);
    messaging_->Publish(sender, NameKind::kChannel, channel, what);
  };
  if (Wants('K')) publish("keyspace", key, event.name);
  if (Wants('E')) publish("keyevent", event.name, key);
}

}  // namespace terrace::server
