#include "server/debug_dataset.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "commands/encoding.h"
#include "keyspace/digest.h"
#include "keyspace/dump.h"

namespace terrace::server {
namespace {

using commands::Call;
using keyspace::Entry;
using keyspace::Keyspace;

std::string DumpOf(const Entry& entry) {
  if (entry.is_string()) return keyspace::EncodeStringDump(entry.string());
  return keyspace::EncodeDump(*entry.object(), keyspace::DumpReader::kRedis72);
}

void ReloadDatabase(keyspace::Database database, const keyspace::EncodingLimits& limits) {
  struct Saved {
    std::string key;
    std::string payload;
    int64_t deadline_ms;
  };
  std::vector<Saved> saved;
  database.ForEach([&](Entry* entry) {
    if (entry->has_tier()) return;
    saved.push_back({std::string(entry->key()), DumpOf(*entry), entry->deadline_ms()});
  });
  for (const Saved& item : saved) {
    keyspace::DumpValue value;
    const auto status = keyspace::DecodeDump(item.payload, limits, &value);
    TERRACE_CHECK(status == keyspace::DumpStatus::kOk);
    const keyspace::Key key = database.keyspace().MakeKey(item.key);
    if (value.object != nullptr) {
      database.SetObject(key, std::move(value.object), item.deadline_ms, keyspace::events::kNone);
    } else {
      database.SetString(key, value.string, item.deadline_ms, keyspace::events::kNone);
    }
  }
}

}  // namespace

void DebugObject(Call& call) {
  Keyspace& keyspace = call.db.keyspace();
  const keyspace::Key key = keyspace.MakeKey(call.args[2]);
  const keyspace::ShardLock lock(keyspace, keyspace.SetOf(key));
  Entry* const entry = call.db.Peek(key);
  if (entry == nullptr) return call.reply.NoSuchKey();
  const auto now_ms = static_cast<uint32_t>(call.now_ms());
  const int64_t idle_s = keyspace.ShardOf(key).policy().IdleSeconds(*entry->word(), now_ms);
  call.reply.Simple(
      "Value at:0x0 refcount:1 encoding:" + std::string(commands::EncodingOf(*entry)) +
      " serializedlength:" + std::to_string(DumpOf(*entry).size()) +
      " lru:0 lru_seconds_idle:" + std::to_string(std::max<int64_t>(idle_s, 0)));
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

void DebugReload(Call& call) {
  for (size_t i = 2; i < call.argc(); ++i) {
    if (call.Is(i, "nosave") || call.Is(i, "noflush") || call.Is(i, "merge")) continue;
    return call.reply.Error(
        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
  }
  Keyspace& keyspace = call.db.keyspace();
  const keyspace::ShardLock lock(keyspace, keyspace.AllShards());
  for (int i = 0; i < keyspace.database_count(); ++i) {
    ReloadDatabase(call.db.Other(i), call.limits.encoding);
  }
  call.reply.Ok();
}

}  // namespace terrace::server
