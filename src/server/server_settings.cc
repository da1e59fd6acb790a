// Server: its settings, and how each comes into effect.

#include <algorithm>
#include <utility>

#include "server/change_feed.h"
#include "server/descriptor_limit.h"
#include "server/replicas.h"
#include "server/server.h"

namespace terrace::server {
namespace {

keyspace::EncodingLimits EncodingLimitsOf(const Settings& settings, uint64_t hash_seed) {
  const auto count = [](int64_t value) { return static_cast<size_t>(value); };
  return {.hash_max_listpack_entries = count(settings.hash_max_listpack_entries),
          .hash_max_listpack_value = settings.hash_max_listpack_value,
          .set_max_intset_entries = count(settings.set_max_intset_entries),
          .set_max_listpack_entries = count(settings.set_max_listpack_entries),
          .set_max_listpack_value = count(settings.set_max_listpack_value),
          .zset_max_listpack_entries = count(settings.zset_max_listpack_entries),
          .zset_max_listpack_value = settings.zset_max_listpack_value,
          .list_max_listpack_size = settings.list_max_listpack_size,
          .stream_node_max_bytes = settings.stream_node_max_bytes,
          .stream_node_max_entries = count(settings.stream_node_max_entries),
          .hll_sparse_max_bytes = settings.hll_sparse_max_bytes,
          .hash_seed = hash_seed};
}

std::string Listed(std::span<const std::string> names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : " ") + name;
  return list;
}

}  // namespace

Settings Server::settings() const {
  std::lock_guard lock(settings_mutex_);
  return settings_;
}

std::string Server::SetConfig(std::span<const ConfigTable::Pair> pairs,
                              ConfigTable::Client client) {
  const keyspace::ShardLock shards(*keyspace_, keyspace_->AllShards());
  std::lock_guard lock(settings_mutex_);
  return config_.Set(settings_, pairs, client);
}

std::string Server::RewriteConfig() {
  std::lock_guard lock(settings_mutex_);
  NoteUsers();
  return config_.Rewrite(settings_);
}

ConfigTable::Reloaded Server::ReloadConfig() {
  const keyspace::ShardLock shards(*keyspace_, keyspace_->AllShards());
  std::lock_guard lock(settings_mutex_);
  ConfigTable::Reloaded reloaded = config_.Reload(settings_);
  if (!reloaded.error.empty()) {
    log_.Warning("config_refused", {{"why", reloaded.error}});
  } else {
    log_.Notice("config_reloaded", {{"changed", Listed(reloaded.changed)},
                                    {"needs_restart", Listed(reloaded.needs_restart)}});
  }
  return reloaded;
}

void Server::ApplyAll() {
  for (const char* name : {"loglevel",
                           "log-format",
                           "logfile",
                           "requirepass",
                           "proto-max-bulk-len",
                           "client-query-buffer-limit",
                           "latency-tracking",
                           "slowlog-log-slower-than",
                           "latency-monitor-threshold",
                           "slowlog-max-len",
                           "notify-keyspace-events",
                           "busy-reply-threshold",
                           "tracking-table-max-keys",
                           "acl-pubsub-default",
                           "acllog-max-len",
                           "save",
                           "maxmemory-samples",
                           "min-replicas-to-write",
                           "lazyfree-lazy-expire",
                           "appendfsync"}) {
    const std::string error = Apply(name, settings_);
    if (!error.empty()) log_.Warning("setting_ignored", {{"name", name}, {"why", error}});
  }
}

// Brings one setting into effect. Called with settings_mutex_ held, and with all shard locks: those
// come first, as in a transaction that reads the settings.
std::string Server::Apply(std::string_view name, const Settings& settings) {
  if (name == "maxmemory") {
    keyspace_->SetMemoryLimit(settings.maxmemory);
  } else if (name == "maxmemory-policy") {
    keyspace_->SetPolicy(settings.maxmemory_policy, clock_.NowMs());
  } else if (name == "maxmemory-samples" || name.starts_with("lfu-")) {
    keyspace_->SetTuning({.samples = static_cast<size_t>(settings.maxmemory_samples),
                          .lfu_log_factor = static_cast<uint32_t>(settings.lfu_log_factor),
                          .lfu_decay_ms = static_cast<uint64_t>(settings.lfu_decay_time) * 60'000});
  } else if (name == "loglevel") {
    log_.set_level(static_cast<base::Log::Level>(settings.loglevel));
  } else if (name == "log-format") {
    log_.set_format(static_cast<base::Log::Format>(settings.log_format));
  } else if (name == "logfile") {
    if (!log_.OpenFile(settings.logfile)) return "cannot open the file";
  } else if (name == "requirepass") {
    users_.SetDefaultPassword(settings.requirepass);
  } else if (name == "acl-pubsub-default") {
    users_.SetChannelDefault(settings.acl_pubsub_default == "allchannels"
                                 ? AclSelector::ChannelDefault::kAll
                                 : AclSelector::ChannelDefault::kNone);
  } else if (name == "acllog-max-len") {
    core_.acl_log.set_length_max(static_cast<size_t>(settings.acllog_max_len));
  } else if (name == "proto-max-bulk-len") {
    core_.hot.bulk_bytes_max.store(static_cast<int64_t>(settings.proto_max_bulk_len));
  } else if (name == "client-query-buffer-limit") {
    core_.hot.query_buffer_max.store(settings.client_query_buffer_limit);
  } else if (name == "latency-tracking") {
    core_.hot.latency_tracking.store(settings.latency_tracking);
  } else if (name == "slowlog-log-slower-than") {
    core_.hot.slowlog_us.store(settings.slowlog_log_slower_than);
    SetSlowCycles();
  } else if (name == "latency-monitor-threshold") {
    core_.hot.latency_threshold_ms.store(settings.latency_monitor_threshold);
    SetSlowCycles();
  } else if (name == "slowlog-max-len") {
    core_.slowlog.set_length_max(static_cast<size_t>(settings.slowlog_max_len));
  } else if (name == "notify-keyspace-events") {
    keyspace_events_->SetClasses(settings.notify_keyspace_events);
  } else if (name == "busy-reply-threshold") {
    core_.hot.busy_reply_threshold_ms.store(settings.busy_reply_threshold);
  } else if (name == "tracking-table-max-keys" || name == "tracking-table-max-items") {
    tracking_->SetLimits({.keys_max = static_cast<uint64_t>(settings.tracking_table_max_keys),
                          .items_max = static_cast<uint64_t>(settings.tracking_table_max_items)});
  } else if (name == "save" || name == "stop-writes-on-bgsave-error") {
    persistence_->Apply(settings);
  } else if (name == "appendonly") {
    append_only_->Enable(settings.appendonly);
  } else if (name == "dir") {
    append_only_->Move();
  } else if (name == "appendfsync" || name == "no-appendfsync-on-rewrite") {
    append_only_->Apply(settings);
  } else if (name.starts_with("min-replicas-")) {
    replicas_->Apply(settings);
  } else if (name.starts_with("lazyfree-lazy-")) {
    changes_->Apply(settings);
  } else if (name == "maxclients") {
    if (FitClientsToDescriptors(settings.maxclients) < settings.maxclients) {
      return "the operating system does not allow so many open files";
    }
  }
  if (tiers_ != nullptr) tiers_->SetLimits(settings);
  auto limits = std::make_shared<commands::Limits>();
  limits->dialect = settings.compatibility;
  limits->string_bytes_max = settings.proto_max_bulk_len;
  limits->lazy_expire = settings.lazyfree_lazy_expire;
  limits->lazy_server_del = settings.lazyfree_lazy_server_del;
  limits->encoding = EncodingLimitsOf(settings, keyspace_->hash_seed());
  core_.set_limits(std::move(limits));
  return "";
}

// Requests compare cycles, which is cheaper than asking what they mean in time.
void Server::SetSlowCycles() {
  const double us_per_cycle = core_.cycles ? core_.cycles->UsPerCycle(clock_.MonoUs()) : 0;
  if (us_per_cycle <= 0) return;
  // What takes this long is looked at in any case: the time it began at is no longer the time.
  double slow_us = 1000;
  const int64_t slowlog_us = core_.hot.slowlog_us.load();
  if (slowlog_us >= 0) slow_us = std::min(slow_us, static_cast<double>(slowlog_us));
  const int64_t monitor_ms = core_.hot.latency_threshold_ms.load();
  if (monitor_ms > 0) slow_us = std::min(slow_us, static_cast<double>(monitor_ms) * 1000);
  const double cycles = slow_us / us_per_cycle;
  core_.hot.slow_cycles.store(cycles < 1e18 ? static_cast<uint64_t>(cycles) : UINT64_MAX,
                              std::memory_order_relaxed);
}

}  // namespace terrace::server
