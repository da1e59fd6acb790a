// SAVE, BGSAVE and LASTSAVE.

#include "server/commands.h"
#include "server/persistence.h"
#include "server/server.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

Persistence& PersistenceOf(Call& call) { return CoreOf(call).server->persistence(); }

void Save(Call& call) {
  const std::string error = PersistenceOf(call).Save(CoreOf(call).server->settings());
  if (error.empty()) return call.reply.Ok();
  const bool is_busy = error == replication::BackgroundSave::kInProgress;
  call.reply.Error(is_busy ? "ERR " + error : "ERR");
}

void BackgroundSave(Call& call) {
  const bool schedules = call.argc() > 1;
  if (call.argc() > 2 || (schedules && !call.Is(1, "schedule"))) return call.reply.SyntaxError();
  Persistence& persistence = PersistenceOf(call);
  if (persistence.background().in_progress()) {
    return call.reply.Error("ERR " + std::string(replication::BackgroundSave::kInProgress));
  }
  // A transaction is not cut in two: what it changes after this is in the snapshot as well.
  if (call.executor->HoldsAllLocks()) {
    persistence.Schedule();
    return call.reply.Simple("Background saving scheduled");
  }
  const std::string error = persistence.SaveInBackground(CoreOf(call).server->settings());
  if (error.empty()) return call.reply.Simple("Background saving started");
  const bool is_busy = error == replication::BackgroundSave::kInProgress;
  call.reply.Error(is_busy ? "ERR " + error : "ERR");
}

void LastSave(Call& call) { call.reply.Integer(PersistenceOf(call).last_save_s()); }

constexpr Command kPersistenceCommands[] = {
    {.name = "save",
     .arity = 1,
     .flags = commands::kAdmin | commands::kNoScript | commands::kNoMulti | commands::kTakesLocks,
     .categories = commands::kDangerous,
     .handler = Save,
     .group = "server",
     .since = "1.0.0",
     .summary = "Writes a snapshot, while everybody waits."},
    {.name = "bgsave",
     .arity = -1,
     .flags = commands::kAdmin | commands::kNoScript | commands::kTakesLocks,
     .categories = commands::kDangerous,
     .handler = BackgroundSave,
     .group = "server",
     .since = "1.0.0",
     .summary = "Writes a snapshot in the background."},
    {.name = "lastsave",
     .arity = 1,
     .flags = commands::kLoading | commands::kStale | commands::kFast | commands::kNoLocks,
     .categories = commands::kDangerous | commands::kAdminCategory,
     .handler = LastSave,
     .group = "server",
     .since = "1.0.0",
     .summary = "Answers when the last snapshot was written."},
};

}  // namespace

std::span<const Command> PersistenceCommands() { return kPersistenceCommands; }

}  // namespace terrace::server
