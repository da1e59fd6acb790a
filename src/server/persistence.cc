#include "server/persistence.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "replication/snapshot_file.h"
#include "server/version.h"

namespace terrace::server {
namespace {

// After a failure a save point waits so long, as Redis does.
constexpr int64_t kRetryUs = 5'000'000;

std::string SecondsText(int64_t us) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", static_cast<double>(us) / 1e6);
  return text;
}

std::string PathOf(const Settings& settings) { return settings.dir + "/" + settings.dbfilename; }

}  // namespace

Persistence::Persistence(Core* core, const tiers::RouteTable* routes, runtime::Loop* home)
    : core_(core), routes_(routes), background_(core->keyspace, home) {
  info_.last_save_s = core->clock->WallMs() / 1000;
}

bool Persistence::Keeps(std::string_view key) const {
  const tiers::Route* route = routes_->Match(key);
  return route == nullptr || !route->has_tiers();
}

replication::SnapshotContent Persistence::Content(const Settings& settings) const {
  replication::SnapshotContent content;
  if (!keeps_all()) {
    content.keeps = [this](int, std::string_view key, const keyspace::Entry&) {
      return Keeps(key);
    };
  }
  for (const auto& [name, library] : core_->libraries->current()->libraries()) {
    content.libraries.push_back(library->code);
  }
  content.now_ms = core_->clock->NowMs();
  content.wall_ms = core_->clock->WallMs();
  content.has_checksum = settings.rdbchecksum;
  content.key_delay_us = settings.rdb_key_save_delay;
  content.aux = {{"redis-ver", std::string(kRedisVersion)},
                 {"redis-bits", "64"},
                 {"ctime", std::to_string(content.wall_ms / 1000)},
                 {"used-mem", std::to_string(core_->keyspace->used_bytes())}};
  return content;
}

Persistence::Moment Persistence::Now() {
  return {core_->keyspace->TotalStats().changes, core_->libraries->version()};
}

bool Persistence::HasUnsaved() {
  const Moment now = Now();
  const std::lock_guard guard(mutex_);
  return now.changes != saved_.changes || now.libraries != saved_.libraries;
}

// ---- Saving ------------------------------------------------------------------------------------

std::string Persistence::Save(const Settings& settings) {
  if (background_.in_progress()) return replication::BackgroundSave::kInProgress;
  return Write(settings);
}

std::string Persistence::SaveLast(const Settings& settings) {
  background_.Kill();
  return Write(settings);
}

std::string Persistence::Write(const Settings& settings) {
  const std::string path = PathOf(settings);
  const int64_t begin_us = core_->clock->MonoUs();
  const keyspace::ShardLock lock(*core_->keyspace, core_->keyspace->AllShards());
  const Moment moment = Now();
  const replication::SnapshotSaved saved =
      replication::SaveSnapshot(path, *core_->keyspace, Content(settings));
  const std::string seconds = SecondsText(core_->clock->MonoUs() - begin_us);
  if (!saved.error.empty()) {
    core_->log->Warning("snapshot_failed", {{"why", saved.error}});
    return saved.error;
  }
  core_->log->Notice("snapshot_saved", {{"file", path},
                                        {"keys", std::to_string(saved.keys)},
                                        {"bytes", std::to_string(saved.bytes)},
                                        {"seconds", seconds}});
  const std::lock_guard guard(mutex_);
  saved_ = moment;
  info_.last_save_s = core_->clock->WallMs() / 1000;
  info_.last_succeeded = true;
  ++info_.saves;
  JudgeWrites();
  return "";
}

std::string Persistence::SaveInBackground(const Settings& settings) {
  const keyspace::ShardLock lock(*core_->keyspace, core_->keyspace->AllShards());
  const Moment moment = Now();
  std::string error =
      background_.Start(PathOf(settings), Content(settings),
                        [this, moment](const auto& outcome) { Finished(outcome, moment); });
  const std::lock_guard guard(mutex_);
  last_attempt_us_ = core_->clock->MonoUs();
  if (error.empty()) {
    scheduled_.store(false);
    core_->log->Notice("snapshot_started", {});
  } else if (error != replication::BackgroundSave::kInProgress) {
    core_->log->Warning("snapshot_failed", {{"why", error}});
    info_.last_succeeded = false;
    JudgeWrites();
  }
  return error;
}

void Persistence::Finished(const replication::BackgroundSave::Outcome& outcome, Moment moment) {
  if (outcome.error.empty()) {
    core_->log->Notice("snapshot_saved", {{"keys", std::to_string(outcome.keys)},
                                          {"bytes", std::to_string(outcome.bytes)},
                                          {"copied_bytes", std::to_string(outcome.copied_bytes)},
                                          {"seconds", SecondsText(outcome.elapsed_ms * 1000)}});
  } else {
    core_->log->Warning("snapshot_failed", {{"why", outcome.error}});
  }
  const std::lock_guard guard(mutex_);
  info_.last_succeeded = outcome.error.empty();
  info_.last_duration_s = outcome.elapsed_ms / 1000;
  info_.last_copied_bytes = outcome.copied_bytes;
  if (outcome.error.empty()) {
    // A SAVE may have been faster.
    if (moment.changes >= saved_.changes) saved_ = moment;
    info_.last_save_s = core_->clock->WallMs() / 1000;
    ++info_.saves;
  }
  JudgeWrites();
}

bool Persistence::IsDue(uint64_t changes) {
  const std::lock_guard guard(mutex_);
  const uint64_t since = changes - saved_.changes;
  const int64_t elapsed_s = core_->clock->WallMs() / 1000 - info_.last_save_s;
  if (!info_.last_succeeded && core_->clock->MonoUs() - last_attempt_us_ < kRetryUs) return false;
  for (const SavePoint& point : save_points_) {
    if (since >= point.changes && elapsed_s > point.seconds) return true;
  }
  return false;
}

void Persistence::Tick(const Settings& settings) {
  if (background_.in_progress() || !(scheduled_.load() || has_save_points_.load())) return;
  // The home loop does not wait for those who use the keyspace: there will be another tick.
  keyspace::Keyspace& keyspace = *core_->keyspace;
  const keyspace::ShardLock lock(keyspace, keyspace.AllShards(),
                                 keyspace::ShardLock::Patience::kNone);
  if (!lock.is_held()) return;
  if (scheduled_.load() || IsDue(keyspace.TotalStats().changes)) {
    static_cast<void>(SaveInBackground(settings));
  }
}

void Persistence::Apply(const Settings& settings) {
  const std::lock_guard guard(mutex_);
  // The text was checked when it was set.
  save_points_ = ParseSavePoints(settings.save).value_or(std::vector<SavePoint>{});
  has_save_points_.store(!save_points_.empty());
  stops_writes_ = settings.stop_writes_on_bgsave_error;
  JudgeWrites();
}

void Persistence::JudgeWrites() {
  core_->hot.StopWrites(HotSettings::kSnapshotFailed,
                        stops_writes_ && !save_points_.empty() && !info_.last_succeeded);
}

// ---- Loading -----------------------------------------------------------------------------------

std::string Persistence::Load(const Settings& settings, scripting::FunctionRunner* functions) {
  const std::string path = PathOf(settings);
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return "";
  std::string error =
      LoadFile(path, settings, {.eviction = SnapshotLoader::Eviction::kMay, .functions = functions},
               nullptr);
  if (error.empty()) NoteLoaded();
  return error;
}

void Persistence::NoteLoaded() {
  core_->keyspace->ResetStats();
  const Moment moment = Now();
  const std::lock_guard guard(mutex_);
  saved_ = moment;
}

std::string Persistence::Reload(const Settings& settings, const Intake& intake) {
  return LoadFile(PathOf(settings), settings, intake, nullptr);
}

std::string Persistence::LoadFile(const std::string& path, const Settings& settings,
                                  const Intake& intake, uint64_t* bytes) {
  const auto failed = [&](const std::string& why) {
    core_->log->Warning("snapshot_not_loaded", {{"file", path}, {"why", why}});
    return "the snapshot " + path + " " + why;
  };
  replication::FileInput input;
  if (input.Open(path) != replication::FileInput::Opened::kYes) {
    return failed(std::string("cannot be opened: ") + std::strerror(errno));
  }
  const int64_t begin_us = core_->clock->MonoUs();
  SnapshotLoader::Into into;
  into.keyspace = core_->keyspace;
  if (!keeps_all()) into.wants = [this](std::string_view key) { return Keeps(key); };
  into.load_functions = [&](std::string_view code) {
    using Library = scripting::FunctionRunner::Existing;
    return intake.functions->LoadSaved(code, intake.existing == SnapshotLoader::Existing::kReplace
                                                 ? Library::kReplace
                                                 : Library::kRefuse);
  };
  into.existing = intake.existing;
  into.eviction = intake.eviction;
  into.expired = intake.expired;
  into.now_ms = core_->clock->NowMs();
  into.wall_ms = core_->clock->WallMs();
  replication::SnapshotRules rules;
  rules.encoding = core_->limits()->encoding;
  rules.database_count = core_->keyspace->database_count();
  // Nothing has expired before all time.
  rules.wall_ms = intake.expired == SnapshotLoader::Expired::kKept ? 0 : into.wall_ms;
  rules.checks_checksum = settings.rdbchecksum;
  SnapshotLoader loader(std::move(into));
  const replication::SnapshotRead read = replication::ReadSnapshot(&input, rules, &loader);
  if (!read.error.empty()) return failed(read.error);
  if (bytes != nullptr) *bytes = read.bytes;
  core_->log->Notice("snapshot_loaded",
                     {{"file", path},
                      {"keys", std::to_string(read.keys)},
                      {"expired", std::to_string(read.expired)},
                      {"of_lower_tiers", std::to_string(read.unwanted)},
                      {"seconds", SecondsText(core_->clock->MonoUs() - begin_us)}});
  const std::lock_guard guard(mutex_);
  info_.loaded_keys = read.keys;
  info_.expired_keys = read.expired;
  return "";
}

int64_t Persistence::last_save_s() const {
  const std::lock_guard guard(mutex_);
  return info_.last_save_s;
}

Persistence::Info Persistence::info() {
  const uint64_t changes = core_->keyspace->TotalStats().changes;
  const int64_t running_ms = background_.running_ms();
  const std::lock_guard guard(mutex_);
  Info info = info_;
  info.changes = changes - saved_.changes;
  info.in_progress = background_.in_progress();
  info.scheduled = scheduled_.load();
  info.running_s = running_ms < 0 ? -1 : running_ms / 1000;
  info.last_fork_us = background_.last_fork_us();
  return info;
}

}  // namespace terrace::server
