#include "server/debug_dataset.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "commands/encoding.h"
#include "keyspace/digest.h"
#include "keyspace/dump.h"
#include "scripting/library_store.h"
#include "server/commands.h"
#include "server/persistence.h"
#include "server/script_rows.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using keyspace::Entry;
using keyspace::Keyspace;

std::string DumpOf(const Entry& entry) {
  if (entry.is_string()) return keyspace::EncodeStringDump(entry.string());
  return keyspace::EncodeDump(*entry.object(), keyspace::DumpReader::kRedis72);
}

// As Redis shows when a key was last used: the seconds of Unix time, in 24 bits.
int64_t LruOf(const Call& call, int64_t idle_ms) {
  constexpr int64_t kBits = (1 << 24) - 1;
  return idle_ms < 0 ? 0 : (call.now_ms() - idle_ms) / 1000 & kBits;
}

}  // namespace

void DebugObject(Call& call) {
  Keyspace& keyspace = call.db.keyspace();
  const keyspace::Key key = keyspace.MakeKey(call.args[2]);
  const keyspace::ShardLock lock(keyspace, keyspace.SetOf(key));
  // Long ago nothing had expired: what is only still there is shown as well.
  keyspace::Database long_ago(&keyspace, call.db.index(), 0);
  Entry* const entry = long_ago.Peek(key);
  if (entry == nullptr) return call.reply.NoSuchKey();
  const auto now_ms = static_cast<uint32_t>(call.now_ms());
  const int64_t idle_ms = keyspace.ShardOf(key).policy().IdleMs(*entry->word(), now_ms);
  call.reply.Simple(
      "Value at:0x0 refcount:1 encoding:" + std::string(commands::EncodingOf(*entry)) +
      " serializedlength:" + std::to_string(DumpOf(*entry).size()) +
      " lru:" + std::to_string(LruOf(call, idle_ms)) +
      " lru_seconds_idle:" + std::to_string(std::max<int64_t>(idle_ms, 0) / 1000));
}

void DebugDigest(Call& call) {
  Keyspace& keyspace = call.db.keyspace();
  const keyspace::ShardLock lock(keyspace, keyspace.AllShards());
  call.reply.Simple(keyspace::ToHex(keyspace::DigestOfKeyspace(keyspace, call.now_ms())));
}

void DebugDigestValue(Call& call) {
  call.reply.Array(call.argc() - 2);
  for (size_t i = 2; i < call.argc(); ++i) {
    Keyspace& keyspace = call.db.keyspace();
    const keyspace::Key key = keyspace.MakeKey(call.args[i]);
    const keyspace::ShardLock lock(keyspace, keyspace.SetOf(key));
    const Entry* const entry = call.db.Peek(key);
    const keyspace::Digest absent;
    call.reply.Simple(keyspace::ToHex(
        entry != nullptr ? keyspace::DigestOfValue(*entry, call.now_ms()) : absent));
  }
}

void DebugPopulate(Call& call) {
  const auto count = call.NonNegativeInteger(2);
  if (!count) return;
  const auto size = call.argc() == 5 ? call.NonNegativeInteger(4) : 0;
  if (!size) return;
  const std::string prefix = std::string(call.argc() > 3 ? call.args[3] : "key") + ":";
  Keyspace& keyspace = call.db.keyspace();
  for (int64_t i = 0; i < *count; ++i) {
    const std::string name = prefix + std::to_string(i);
    const keyspace::Key key = keyspace.MakeKey(name);
    const keyspace::ShardLock lock(keyspace, keyspace.SetOf(key));
    if (call.db.Peek(key) != nullptr) continue;
    std::string value = "value:" + std::to_string(i);
    if (*size > 0) value.resize(static_cast<size_t>(*size));
    call.db.SetString(key, value, keyspace::kNoDeadline, keyspace::events::kNone);
  }
  call.reply.Ok();
}

namespace {

// Removes what a snapshot holds.
void ForgetSaved(Call& call, const Persistence& persistence) {
  CoreOf(call).libraries->Change([](scripting::LibrarySet& set) -> std::string {
    set = scripting::LibrarySet();
    return "";
  });
  const int last = call.db.keyspace().database_count() - 1;
  for (int i = 0; i <= last; ++i) {
    keyspace::Database database = call.db.Other(i);
    if (persistence.keeps_all()) {
      database.Clear(i < last ? keyspace::Database::Extends::kMoreFollows
                              : keyspace::Database::Extends::kHereOnly);
      continue;
    }
    std::vector<std::string> saved;
    database.ForEach([&](Entry* entry) {
      if (persistence.Keeps(entry->key())) saved.emplace_back(entry->key());
    });
    for (const std::string& key : saved) {
      database.Remove(database.keyspace().MakeKey(key), keyspace::events::kNone);
    }
  }
}

}  // namespace

void DebugReload(Call& call) {
  bool saves = true, flushes = true, merges = false;
  for (size_t i = 2; i < call.argc(); ++i) {
    if (call.Is(i, "merge")) {
      merges = true;
    } else if (call.Is(i, "noflush")) {
      flushes = false;
    } else if (call.Is(i, "nosave")) {
      saves = false;
    } else {
      return call.reply.Error(
          "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
    }
  }
  Persistence& persistence = CoreOf(call).server->persistence();
  const Settings settings = CoreOf(call).server->settings();
  const keyspace::ShardLock lock(call.db.keyspace(), call.db.keyspace().AllShards());
  if (saves && !persistence.Save(settings).empty()) return call.reply.Error("ERR");
  if (flushes) ForgetSaved(call, persistence);
  const std::string error = persistence.Reload(
      settings,
      {.existing = merges ? SnapshotLoader::Existing::kReplace : SnapshotLoader::Existing::kRefuse,
       .functions = &ConnectionOf(call).worker->functions()});
  TrimWorkers(call, [](Worker& worker) { worker.functions().Trim(); });
  if (!error.empty()) {
    return call.reply.Error("ERR Error trying to load the RDB dump, check server logs.");
  }
  call.reply.Ok();
}

void DebugLoadAof(Call& call) {
  Server& server = *CoreOf(call).server;
  const keyspace::ShardLock lock(call.db.keyspace(), call.db.keyspace().AllShards());
  const std::string flushed = server.append_only().Flush();
  if (!flushed.empty()) return call.reply.Error("ERR " + flushed);
  ForgetSaved(call, server.persistence());
  const std::string error = server.append_only().Load(server.settings(), ConnectionOf(call).worker);
  TrimWorkers(call, [](Worker& worker) { worker.functions().Trim(); });
  if (error.empty()) return call.reply.Ok();
  CoreOf(call).log->Warning("append_only_not_loaded", {{"why", error}});
  call.reply.Error("ERR Error trying to load the AOF files, check server logs.");
}

}  // namespace terrace::server
