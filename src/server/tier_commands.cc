// TIER: what the lower tiers are doing, key by key and route by route.

#include "server/commands.h"
#include "server/server.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kNoLocks;

void Pairs(Call& call, const std::vector<std::pair<std::string, std::string>>& pairs) {
  call.reply.Map(pairs.size());
  for (const auto& [name, value] : pairs) {
    call.reply.Bulk(name);
    call.reply.Bulk(value);
  }
}

// Never resolves: it tells what a GET would do, it does not do it.
void TierExplain(Call& call) {
  const keyspace::Key key = call.db.keyspace().MakeKey(call.args[2]);
  keyspace::ShardLock lock(call.db.keyspace(), call.db.keyspace().SetOf(key));
  if (tiers::Resolver* resolver = CoreOf(call).resolver) {
    return Pairs(call, resolver->Explain(call.db, key));
  }
  const keyspace::Entry* entry = call.db.Peek(key);
  Pairs(call, {{"route", "none"},
               {"write", "local"},
               {"regional", "none"},
               {"origin", "none"},
               {"local", entry != nullptr ? "present" : "absent"},
               {"get_would", entry != nullptr ? "answer from local" : "answer absent"}});
}

void TierRoutes(Call& call) {
  const auto& routes = CoreOf(call).server->tiers().routes().routes();
  call.reply.Array(routes.size());
  const auto duration = [](int64_t ms) {
    return ms == tiers::kNoTtl ? std::string("none") : std::to_string(ms) + "ms";
  };
  for (const auto& route : routes) {
    Pairs(call, {{"prefix", route->prefix},
                 {"write", std::string(tiers::AuthorityName(route->authority))},
                 {"regional", route->regional ? std::string(route->regional->name()) : "none"},
                 {"origin", route->origin ? std::string(route->origin->name()) : "none"},
                 {"ttl", duration(route->ttl_ms)},
                 {"negative_ttl", duration(route->negative_ttl_ms)},
                 {"max_value", std::to_string(route->value_bytes_max)},
                 {"timeout", duration(route->timeout_ms)},
                 {"local_hits", std::to_string(route->stats.local_hits.load())},
                 {"local_misses", std::to_string(route->stats.local_misses.load())}});
  }
}

void TierHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "EXPLAIN <key>",
      "    Tell where copies of a key are and what a GET would do now.",
      "ROUTES",
      "    List the routes with their tiers and limits.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr Command kTierSubcommands[] = {
    {.name = "tier|explain",
     .arity = 3,
     .flags = commands::kTakesLocks | commands::kReadOnly,
     .categories = commands::kKeyspace,
     .handler = TierExplain,
     .group = "tiers",
     .since = "7.2.0",
     .syntax = "key<string>",
     .summary = "Tells where copies of a key are and what a GET would do now."},
    {.name = "tier|routes",
     .arity = 2,
     .flags = kNoLocks,
     .handler = TierRoutes,
     .group = "tiers",
     .since = "7.2.0",
     .summary = "Lists the routes.",
     .complexity = "O(N), N: routes"},
    {.name = "tier|help",
     .arity = 2,
     .flags = kNoLocks,
     .handler = TierHelp,
     .group = "tiers",
     .since = "7.2.0",
     .summary = "Describes the subcommands."},
};

constexpr Command kTierCommands[] = {
    {.name = "tier",
     .arity = -2,
     .group = "tiers",
     .since = "7.2.0",
     .summary = "A container for commands about tiers.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kTierSubcommands},
};

}  // namespace

std::span<const Command> TierCommands() { return kTierCommands; }

}  // namespace terrace::server
