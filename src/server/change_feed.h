#pragma once

// ChangeFeed: tells those who follow (replicas, the append-only file) of every change of the keys
// on which the local tier has the last word. What commands do is appended by the request path; what
// no command does (expiry, eviction), by the feed itself.
//
// Ownership: everything it is given outlives it.
// Threads:   any, but for what says otherwise.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "keyspace/keyspace.h"
#include "keyspace/mutation.h"
#include "replication/effect_stream.h"
#include "server/persistence.h"
#include "server/settings.h"

namespace terrace::server {

class ChangeFeed : private keyspace::MutationSink {
 public:
  // id: of its stream, see EffectStream.
  ChangeFeed(keyspace::Keyspace* keyspace, const Persistence* persistence, std::string id);

  replication::EffectStream& stream() { return stream_; }
  // Does anybody follow? Exact for who holds a shard lock.
  bool is_followed() const { return stream_.is_followed(); }
  // Is this key part of what is followed?
  bool Has(std::string_view key) const { return persistence_->Keeps(key); }

  // REQUIRES: the locks of all shards, which makes what is followed begin at this moment.
  void Follow(std::shared_ptr<replication::Follower> follower);
  void Unfollow(const replication::Follower* follower);

  void Apply(const Settings& settings);

 private:
  void OnMutation(const keyspace::Mutation& mutation) override;
  void OnPartsExpired(int database, const keyspace::Key& key,
                      std::span<const std::string> parts) override;

  keyspace::Keyspace* const keyspace_;
  const Persistence* const persistence_;
  replication::EffectStream stream_;
  std::atomic<bool> lazy_expire_{false};
  std::atomic<bool> lazy_eviction_{false};
};

}  // namespace terrace::server
