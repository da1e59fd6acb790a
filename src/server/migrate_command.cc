// MIGRATE: its arguments and what can be said at once; the rest is a Migration.

#include <algorithm>
#include <charconv>
#include <utility>

#include "commands/registry.h"
#include "server/busy_script.h"
#include "server/commands.h"
#include "server/migration.h"
#include "server/worker.h"
#include "tiers/resolver.h"

namespace terrace::server {
namespace {

using commands::Args;
using commands::Call;
using commands::Command;

constexpr size_t kKeyAt = 3;
constexpr size_t kDatabaseAt = 4;
constexpr size_t kTimeoutAt = 5;
constexpr size_t kFirstOptionAt = 6;

// What a timeout that makes no sense stands for.
constexpr int64_t kDefaultTimeoutMs = 1000;
constexpr int64_t kLongestTimeoutMs = int64_t{1} << 31;

// How many arguments behind this option are its own.
size_t ArgumentsOf(std::string_view option) {
  if (commands::SameName(option, "auth")) return 1;
  return commands::SameName(option, "auth2") ? 2 : 0;
}

// Where the keys behind KEYS begin; 0 where there is no such option.
size_t FindKeysOption(Args args) {
  for (size_t i = kFirstOptionAt; i < args.size(); i += 1 + ArgumentsOf(args[i])) {
    if (commands::SameName(args[i], "keys")) return i + 1;
  }
  return 0;
}

bool FindMigrated(Args args, std::vector<int>* positions) {
  const size_t first = FindKeysOption(args);
  if (first == 0 || first == args.size()) {
    positions->push_back(static_cast<int>(kKeyAt));
    return true;
  }
  if (!args[kKeyAt].empty()) return false;
  for (size_t i = first; i < args.size(); ++i) positions->push_back(static_cast<int>(i));
  return true;
}

// As atoi has it: what is no number is port 0, to which nothing connects.
int PortOf(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  if (text.starts_with('+')) text.remove_prefix(1);
  int port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port;
}

// Everything but the keys; false after an error.
bool ParseOptions(Call& call, MigrationOrder* order) {
  for (size_t i = kFirstOptionAt; i < call.argc(); ++i) {
    const size_t own_count = ArgumentsOf(call.args[i]);
    if (call.Is(i, "copy")) {
      order->copies = true;
    } else if (call.Is(i, "replace")) {
      order->replaces = true;
    } else if (own_count > 0 && i + own_count < call.argc()) {
      const Args login = call.args.subspan(i + 1, own_count);
      order->target.login.assign(login.begin(), login.end());
      i += own_count;
    } else if (call.Is(i, "keys") && call.args[kKeyAt].empty()) {
      break;
    } else if (call.Is(i, "keys")) {
      call.reply.Error(
          "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string");
      return false;
    } else {
      call.reply.SyntaxError();
      return false;
    }
  }
  const auto timeout_ms = call.Integer(kTimeoutAt);
  if (!timeout_ms) return false;
  const auto database = call.Integer(kDatabaseAt);
  if (!database) return false;
  order->timeout_ms =
      *timeout_ms <= 0 ? kDefaultTimeoutMs : std::min(*timeout_ms, kLongestTimeoutMs);
  order->target_database = *database;
  order->target.host = std::string(call.args[1]);
  order->target.port = PortOf(call.args[2]);
  return true;
}

// "" or why a key may not leave: with a lower tier it would come back from there.
std::string WhyNotMigrated(const Core& core, std::string_view key) {
  if (core.resolver == nullptr) return "";
  const tiers::Route* const route = core.resolver->routes().Match(key);
  if (route == nullptr || !route->has_tiers()) return "";
  return "TIER 'migrate' takes keys that are in the local tier only, not those of route " +
         route->display_name();
}

// Keeps those that exist; false after an error.
bool KeepExisting(Call& call, std::vector<std::string>* keys) {
  keyspace::Keyspace& keyspace = call.db.keyspace();
  keyspace::ShardSet shards = 0;
  for (const std::string& key : *keys) shards |= keyspace.SetOf(keyspace.MakeKey(key));
  keyspace::ShardLock lock(keyspace, shards, keyspace::ShardLock::Patience::kMayGiveUp);
  if (!lock.is_held()) {
    call.reply.Error(CoreOf(call).busy->error());
    return false;
  }
  std::erase_if(*keys, [&](const std::string& key) {
    return call.db.Read(keyspace.MakeKey(key)) == nullptr;
  });
  return true;
}

void Migrate(Call& call) {
  MigrationOrder order;
  if (!ParseOptions(call, &order)) return;
  std::vector<int> positions;
  if (FindMigrated(call.args, &positions)) {
    for (const int at : positions) order.keys.emplace_back(call.args[static_cast<size_t>(at)]);
  }
  Connection& connection = RunnerOf(call);
  const Core& core = connection.worker->core();
  for (const std::string& key : order.keys) {
    const std::string refusal = WhyNotMigrated(core, key);
    if (!refusal.empty()) return call.reply.Error(refusal);
  }
  if (!KeepExisting(call, &order.keys)) return;
  if (order.keys.empty()) return call.reply.Simple("NOKEY");
  if (!call.may_wait()) {
    return call.reply.Error(
        "ERR MIGRATE waits for another server, which a transaction or script here cannot include");
  }
  order.database = call.session.database;
  // Its time limit is the migration's own, and nobody may end it early: keys would be left in two
  // places.
  call.Block({});
  const auto migration =
      std::make_shared<Migration>(connection.worker, connection.id, std::move(order));
  connection.worker->loop().Post([migration] { migration->Begin(); });
}

constexpr commands::Keys kKeysOfMigrate{
    FindMigrated, commands::KeyAt(static_cast<int>(kKeyAt), "RW access delete"),
    commands::Incomplete(commands::KeysAfter("KEYS", -2, 0, "RW access delete"))};

constexpr Command kMigrateCommands[] = {
    {.name = "migrate",
     .arity = -6,
     .flags = commands::kWrite | commands::kMovableKeys | commands::kTakesLocks,
     .categories = commands::kKeyspace | commands::kDangerous,
     .keys = kKeysOfMigrate,
     .handler = Migrate,
     .group = "generic",
     .since = "2.6.0",
     .syntax = "host port (key-selector: key|empty-string=\"\") destination-db timeout<integer> "
               "[COPY] [REPLACE] [authentication: AUTH auth=password|AUTH2 (username password)] "
               "[KEYS keys=key...]",
     .summary = "Moves keys to another server.",
     .complexity = "O(N), N: bytes of the value",
     .tips = "nondeterministic_output"},
};

}  // namespace

std::span<const Command> MigrateCommands() { return kMigrateCommands; }

}  // namespace terrace::server
