#include "server/effect_player.h"

#include "base/hash.h"
#include "base/letters.h"
#include "base/numbers.h"
#include "commands/call.h"
#include "server/persistence.h"
#include "server/worker.h"

namespace terrace::server {

EffectPlayer::EffectPlayer(Core* core, const Persistence* persistence, Worker* worker)
    : core_(core), persistence_(persistence), limits_(core->limits()), session_(worker) {}

std::string EffectPlayer::OnCommand(std::span<const std::string_view> arguments) {
  if (base::SameWord(arguments[0], "select")) return Select(arguments);
  const commands::Command* const command = core_->registry->Resolve(arguments);
  const std::string name(arguments[0]);
  if (command == nullptr) return "there is an unknown command '" + name + "'";
  if (!command->ArityFits(arguments.size())) {
    return "there is a wrong number of arguments for '" + name + "'";
  }
  // What runs other commands has left their effects, not itself.
  constexpr uint32_t kNoEffect = commands::kSkipMonitor | commands::kAdmin | commands::kPubSub;
  if (!command->has(commands::kWrite) || command->has(commands::kTakesLocks) ||
      (command->flags & kNoEffect) != 0) {
    return "there is '" + name + "', which repeats no change";
  }
  if (command->name != "function|load") {
    Run(*command, arguments);
    return "";
  }
  // No lock of a shard orders it, so it may be in the snapshot already.
  std::vector<std::string_view> replacing(arguments.begin(), arguments.end());
  replacing.insert(replacing.end() - 1, "REPLACE");
  Run(*command, replacing);
  return "";
}

std::string EffectPlayer::Select(std::span<const std::string_view> arguments) {
  const auto index = arguments.size() == 2 ? base::ParseInt64(arguments[1]) : std::nullopt;
  if (!index || *index < 0 || *index >= core_->keyspace->database_count()) {
    return "there is a SELECT of a database that does not exist";
  }
  session_.database = static_cast<int>(*index);
  return "";
}

void EffectPlayer::Run(const commands::Command& command,
                       std::span<const std::string_view> arguments) {
  positions_.clear();
  hashes_.resize(arguments.size());
  if (!command.has(commands::kNoLocks) && !commands::FindKeys(command, arguments, &positions_)) {
    positions_.clear();
  }
  for (const int position : positions_) {
    const auto at = static_cast<size_t>(position);
    if (!persistence_->Keeps(arguments[at])) return;
    hashes_[at] = base::HashBytes(arguments[at], core_->keyspace->hash_seed());
  }
  keyspace::Database database(core_->keyspace, session_.database, core_->clock->NowMs());
  database.RestTime();
  resp::Reply reply(&replies_, session_.protocol);
  commands::Call call{command,  arguments,        reply,         database,      session_,
                      *limits_, *core_->registry, *core_->clock, hashes_.data()};
  command.handler(call);
  if (reply.error_count() > 0 && failed_++ == 0) {
    first_error_ = std::string(arguments[0]) + ": " + std::string(reply.last_error_code());
  }
  replies_.Clear();
}

}  // namespace terrace::server
