#include "server/debug_dataset.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "commands/encoding.h"
#include "keyspace/digest.h"
#include "keyspace/dump.h"
#include "scripting/library_store.h"
#include "server/commands.h"

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

namespace {

bool HoldsAnything(Call& call) {
  if (!CoreOf(call).libraries->current()->libraries().empty()) return true;
  for (int i = 0; i < call.db.keyspace().database_count(); ++i) {
    if (call.db.Other(i).size() > 0) return true;
  }
  return false;
}

}  // namespace

void DebugReload(Call& call) {
  bool keeps = false, merges = false;
  for (size_t i = 2; i < call.argc(); ++i) {
    if (call.Is(i, "noflush") || call.Is(i, "nosave") || call.Is(i, "merge")) {
      keeps |= call.Is(i, "noflush");
      merges |= call.Is(i, "merge");
      continue;
    }
    return call.reply.Error(
        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
  }
  Keyspace& keyspace = call.db.keyspace();
  const keyspace::ShardLock lock(keyspace, keyspace.AllShards());
  // Without a merge, what is there already is in the way of what is read.
  if (keeps && !merges && HoldsAnything(call)) {
    return call.reply.Error("ERR Error trying to load the RDB dump, check server logs.");
  }
  for (int i = 0; i < keyspace.database_count(); ++i) {
    ReloadDatabase(call.db.Other(i), call.limits.encoding);
  }
  call.reply.Ok();
}

}  // namespace terrace::server
