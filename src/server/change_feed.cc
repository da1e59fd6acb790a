#include "server/change_feed.h"

namespace terrace::server {

ChangeFeed::ChangeFeed(keyspace::Keyspace* keyspace, const Persistence* persistence, std::string id)
    : keyspace_(keyspace), persistence_(persistence), stream_(std::move(id)) {
  keyspace_->AddSink(this, keyspace::Listening::kNo);
}

void ChangeFeed::Follow(std::shared_ptr<replication::Follower> follower) {
  stream_.Follow(std::move(follower));
  keyspace_->ChangeListening(1);
}

void ChangeFeed::Unfollow(const replication::Follower* follower) {
  if (stream_.Unfollow(follower)) keyspace_->ChangeListening(-1);
}

void ChangeFeed::OnMutation(const keyspace::Mutation& mutation) {
  const bool is_expiry = mutation.kind == keyspace::MutationKind::kExpired;
  if (!is_expiry && mutation.kind != keyspace::MutationKind::kEvicted) return;
  if (!is_followed() || !Has(mutation.key.bytes)) return;
  const bool is_lazy = is_expiry ? lazy_expire_.load() : lazy_eviction_.load();
  stream_.Append(
      {mutation.database, {is_lazy ? "UNLINK" : "DEL", std::string(mutation.key.bytes)}});
}

void ChangeFeed::OnPartsExpired(int database, const keyspace::Key& key,
                                std::span<const std::string> parts) {
  if (!is_followed() || !Has(key.bytes)) return;
  replication::Effect effect{database, {"HDEL", std::string(key.bytes)}};
  effect.arguments.insert(effect.arguments.end(), parts.begin(), parts.end());
  stream_.Append(effect);
}

void ChangeFeed::Apply(const Settings& settings) {
  lazy_expire_.store(settings.lazyfree_lazy_expire);
  lazy_eviction_.store(settings.lazyfree_lazy_eviction);
}

}  // namespace terrace::server
