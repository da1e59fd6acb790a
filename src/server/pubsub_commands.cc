// The pub/sub family: who listens to which channels, and what is published to them.

#include "commands/registry.h"
#include "server/commands.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Channels;
using commands::Command;
using commands::kFast;
using commands::kLoading;
using commands::kMayReplicate;
using commands::kNoLocks;
using commands::kNoScript;
using commands::kPubSub;
using commands::kPubSubCategory;
using commands::kStale;

template <NameKind kind>
void Subscribe(Call& call) {
  Connection& connection = ConnectionOf(call);
  for (size_t at = 1; at < call.argc(); ++at) {
    connection.worker->desk().Subscribe(connection, kind, call.args[at], call.reply);
  }
}

template <NameKind kind>
void Unsubscribe(Call& call) {
  Connection& connection = ConnectionOf(call);
  // Redis confirms it all the same.
  if (!connection.is_subscriber && call.speaks_valkey()) {
    return call.reply.Error("NOSUB '" + std::string(call.command.name) +
                            "' command executed not in subscribed mode");
  }
  PushDesk& desk = connection.worker->desk();
  if (call.argc() == 1) return desk.UnsubscribeAll(connection, kind, call.reply);
  for (size_t at = 1; at < call.argc(); ++at) {
    desk.Unsubscribe(connection, kind, call.args[at], call.reply);
  }
}

template <NameKind kind>
void Publish(Call& call) {
  call.reply.Integer(RunnerOf(call).worker->desk().Publish(kind, call.args[1], call.args[2]));
}

// MONITOR: here, because it is heard like a message.
void Monitor(Call& call) {
  Connection& connection = ConnectionOf(call);
  connection.worker->desk().Monitor(connection);
  call.reply.Ok();
}

Messaging& MessagingOf(Call& call) { return *RunnerOf(call).worker->core().messaging; }

template <NameKind kind>
void ListChannels(Call& call) {
  if (call.argc() > 3) {
    return call.reply.Error("ERR unknown subcommand or wrong number of arguments for '" +
                            std::string(call.args[1]) + "'. Try PUBSUB HELP.");
  }
  std::optional<std::string_view> pattern;
  if (call.argc() == 3) pattern = call.args[2];
  const std::vector<std::string> names = MessagingOf(call).Names(kind, pattern);
  call.reply.Array(names.size());
  for (const std::string& name : names) call.reply.Bulk(name);
}

template <NameKind kind>
void SubscriptionCounts(Call& call) {
  call.reply.Array(2 * (call.argc() - 2));
  for (size_t at = 2; at < call.argc(); ++at) {
    call.reply.Bulk(call.args[at]);
    call.reply.Integer(MessagingOf(call).SubscriptionCount(kind, call.args[at]));
  }
}

void PatternCount(Call& call) {
  call.reply.Integer(static_cast<int64_t>(MessagingOf(call).NameCount(NameKind::kPattern)));
}

void PubSubHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "CHANNELS [<pattern>]",
      "    Channels that have subscribers and match the pattern (default: all of them).",
      "NUMPAT",
      "    How many patterns are subscribed to.",
      "NUMSUB [<channel> ...]",
      "    How many subscribers each channel has, patterns not counted.",
      "SHARDCHANNELS [<pattern>]",
      "    Shard channels that have subscribers and match the pattern (default: all of them).",
      "SHARDNUMSUB [<shardchannel> ...]",
      "    How many subscribers each shard channel has.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr uint32_t kPubSubFlags = kPubSub | kLoading | kStale | kNoLocks;

constexpr commands::Keys kShardChannels{1, -1, 1, commands::kNotKey};

constexpr Command PubSubRow(std::string_view name, int arity, uint32_t flags,
                            commands::Handler handler, std::string_view since,
                            std::string_view syntax, std::string_view summary,
                            Channels channels = Channels::kNone, commands::Keys keys = {}) {
  return {.name = name,
          .arity = arity,
          .flags = kPubSubFlags | flags,
          .categories = kPubSubCategory,
          .keys = keys,
          .handler = handler,
          .group = "pubsub",
          .since = since,
          .syntax = syntax,
          .summary = summary,
          .channels = channels};
}

constexpr Command kPubSubSubcommands[] = {
    PubSubRow("pubsub|channels", -2, 0, ListChannels<NameKind::kChannel>, "2.8.0", "[pattern]",
              "Lists channels that have subscribers.")
        .Costs("O(N), N: channels"),
    PubSubRow("pubsub|numpat", 2, 0, PatternCount, "2.8.0", "",
              "Counts the patterns subscribed to."),
    PubSubRow("pubsub|numsub", -2, 0, SubscriptionCounts<NameKind::kChannel>, "2.8.0",
              "[channel...]", "Counts the subscribers of channels.")
        .Costs("O(N), N: channels given"),
    PubSubRow("pubsub|shardchannels", -2, 0, ListChannels<NameKind::kShardChannel>, "7.0.0",
              "[pattern]", "Lists shard channels that have subscribers.")
        .Costs("O(N), N: channels"),
    PubSubRow("pubsub|shardnumsub", -2, 0, SubscriptionCounts<NameKind::kShardChannel>, "7.0.0",
              "[shardchannel...]", "Counts the subscribers of shard channels.")
        .Costs("O(N), N: channels given"),
    {.name = "pubsub|help",
     .arity = 2,
     .flags = kLoading | kStale | kNoLocks,
     .handler = PubSubHelp,
     .group = "pubsub",
     .since = "6.2.0",
     .summary = "Describes the subcommands."},
};

constexpr Command kPubSubCommands[] = {
    PubSubRow("subscribe", -2, kNoScript, Subscribe<NameKind::kChannel>, "2.0.0", "channel...",
              "Listens to messages of channels.", Channels::kAll)
        .Costs("O(N), N: channels given"),
    PubSubRow("unsubscribe", -1, kNoScript, Unsubscribe<NameKind::kChannel>, "2.0.0",
              "[channel...]", "Stops listening to channels, or to all.")
        .Costs("O(N), N: channels given"),
    PubSubRow("psubscribe", -2, kNoScript, Subscribe<NameKind::kPattern>, "2.0.0", "pattern...",
              "Listens to messages of all channels that match patterns.", Channels::kPatterns)
        .Costs("O(N), N: patterns given"),
    PubSubRow("punsubscribe", -1, kNoScript, Unsubscribe<NameKind::kPattern>, "2.0.0",
              "[pattern...]", "Stops listening to patterns, or to all.")
        .Costs("O(N), N: patterns given"),
    PubSubRow("ssubscribe", -2, kNoScript, Subscribe<NameKind::kShardChannel>, "7.0.0",
              "shardchannel...", "Listens to messages of shard channels.", Channels::kAll,
              kShardChannels)
        .Costs("O(N), N: channels given"),
    PubSubRow("sunsubscribe", -1, kNoScript, Unsubscribe<NameKind::kShardChannel>, "7.0.0",
              "[shardchannel...]", "Stops listening to shard channels, or to all.", Channels::kNone,
              kShardChannels)
        .Costs("O(N), N: channels given"),
    PubSubRow("publish", 3, kFast | kMayReplicate, Publish<NameKind::kChannel>, "2.0.0",
              "channel message", "Sends a message to a channel.", Channels::kFirst)
        .Costs("O(N+M), N: subscribers, M: patterns"),
    PubSubRow("spublish", 3, kFast | kMayReplicate, Publish<NameKind::kShardChannel>, "7.0.0",
              "shardchannel message", "Sends a message to a shard channel.", Channels::kFirst,
              {1, 1, 1, commands::kNotKey})
        .Costs("O(N), N: subscribers"),
    {.name = "monitor",
     .arity = 1,
     .flags = commands::kAdmin | kNoScript | kLoading | kStale | kNoLocks,
     .categories = commands::kDangerous,
     .handler = Monitor,
     .group = "server",
     .since = "1.0.0",
     .summary = "Shows every command that the server runs."},
    {.name = "pubsub",
     .arity = -2,
     .group = "pubsub",
     .since = "2.8.0",
     .summary = "A container for pub/sub commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kPubSubSubcommands},
};

}  // namespace

std::span<const Command> PubSubCommands() { return kPubSubCommands; }

}  // namespace terrace::server
