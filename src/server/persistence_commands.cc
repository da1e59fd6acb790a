// SAVE, BGSAVE, BGREWRITEAOF and LASTSAVE.

#include "server/commands.h"
#include "server/persistence.h"
#include "server/server.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;

Persistence& PersistenceOf(Call& call) { return CoreOf(call).server->persistence(); }
AppendOnly& AppendOnlyOf(Call& call) { return CoreOf(call).server->append_only(); }

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
  if (AppendOnlyOf(call).is_rewriting()) {
    if (!schedules) {
      return call.reply.Error(
          "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE "
          "in order to schedule a BGSAVE whenever possible.");
    }
    persistence.Schedule();
    return call.reply.Simple("Background saving scheduled");
  }
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

void BackgroundRewrite(Call& call) {
  AppendOnly& append_only = AppendOnlyOf(call);
  const auto refuse_second = [&] {
    call.reply.Error("ERR " + std::string(AppendOnly::kInProgress));
  };
  if (append_only.is_rewriting()) return refuse_second();
  // A transaction is not cut in two: what it has changed is already to be kept.
  if (call.executor->HoldsAllLocks() || PersistenceOf(call).background().in_progress()) {
    append_only.Schedule();
    return call.reply.Simple("Background append only file rewriting scheduled");
  }
  const std::string error = append_only.Rewrite(CoreOf(call).server->settings());
  if (error.empty()) return call.reply.Simple("Background append only file rewriting started");
  if (error == AppendOnly::kInProgress) return refuse_second();
  call.reply.Error(
      "ERR Can't execute an AOF background rewriting. Please check the server logs for more "
      "information.");
}

void LastSave(Call& call) { call.reply.Integer(PersistenceOf(call).last_save_s()); }

constexpr uint32_t kWritesFiles =
    commands::kAdmin | commands::kNoScript | commands::kNoAsyncLoading | commands::kTakesLocks;

constexpr Command kPersistenceCommands[] = {
    {.name = "save",
     .arity = 1,
     .flags = kWritesFiles | commands::kNoMulti,
     .categories = commands::kDangerous,
     .handler = Save,
     .group = "server",
     .since = "1.0.0",
     .summary = "Writes a snapshot, while everybody waits.",
     .complexity = "O(N), N: keys"},
    {.name = "bgsave",
     .arity = -1,
     .flags = kWritesFiles,
     .categories = commands::kDangerous,
     .handler = BackgroundSave,
     .group = "server",
     .since = "1.0.0",
     .syntax = "[SCHEDULE]",
     .summary = "Writes a snapshot in the background."},
    {.name = "bgrewriteaof",
     .arity = 1,
     .flags = kWritesFiles,
     .categories = commands::kDangerous,
     .handler = BackgroundRewrite,
     .group = "server",
     .since = "1.0.0",
     .summary = "Rewrites the append-only file in the background."},
    {.name = "lastsave",
     .arity = 1,
     .flags = commands::kLoading | commands::kStale | commands::kFast | commands::kNoLocks,
     .categories = commands::kDangerous | commands::kAdminCategory,
     .handler = LastSave,
     .group = "server",
     .since = "1.0.0",
     .summary = "Answers when the last snapshot was written.",
     .tips = "nondeterministic_output"},
};

}  // namespace

std::span<const Command> PersistenceCommands() { return kPersistenceCommands; }

}  // namespace terrace::server
