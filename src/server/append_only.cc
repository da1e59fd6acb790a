#include "server/append_only.h"

#include <unistd.h>

#include <cstring>
#include <utility>

#include "replication/snapshot_file.h"
#include "server/append_only_load.h"
#include "server/replicas.h"

namespace terrace::server {
namespace {

using replication::AppendOnlyFile;
using replication::AppendOnlyPlace;

// After a failure it is not tried again by itself for so long.
constexpr int64_t kRewriteRetryUs = 60'000'000;

AppendOnlyFile::Syncs SyncsOf(const Settings& settings) {
  switch (settings.appendfsync) {
    case AppendSync::kAlways:
      return AppendOnlyFile::Syncs::kAlways;
    case AppendSync::kEverySecond:
      return AppendOnlyFile::Syncs::kEverySecond;
    case AppendSync::kNo:
      break;
  }
  return AppendOnlyFile::Syncs::kNo;
}

AppendOnlyPlace PlaceOf(const Settings& settings) {
  return {settings.dir + "/" + settings.appenddirname, settings.appendfilename};
}

std::string CannotOpen(const std::string& path, int error) {
  return path + " cannot be opened: " + std::strerror(error);
}

}  // namespace

AppendOnly::AppendOnly(Core* core, Persistence* persistence, ChangeFeed* changes)
    : core_(core),
      persistence_(persistence),
      changes_(changes),
      file_(std::make_shared<AppendOnlyFile>(core->clock,
                                             static_cast<AppendOnlyFile::Events*>(this))) {}

AppendOnly::~AppendOnly() { changes_->Unfollow(file_.get()); }

// ---- Keeping -----------------------------------------------------------------------------------

std::string AppendOnly::Start(const Settings& settings, Worker* worker) {
  const AppendOnlyPlace place = PlaceOf(settings);
  std::string error = place.Prepare();
  if (error.empty()) error = place.Read(&manifest_);
  if (error.empty() && manifest_.empty()) {
    error = place.Adopt(settings.dir + "/" + settings.appendfilename, &manifest_);
  }
  if (error.empty()) {
    error = manifest_.empty()
                ? BeginFromSnapshot(settings, place, worker)
                : LoadAppendOnly(core_, persistence_, settings, place, manifest_, worker);
  }
  if (error.empty() && manifest_.increments.empty()) {
    manifest_.increments.push_back(place.Increment(manifest_.NextIncrement()));
    error = place.Create(manifest_.increments.back());
    if (error.empty()) error = place.Write(manifest_);
  }
  if (!error.empty()) return error;
  place.RemoveHistory(&manifest_);
  const keyspace::ShardLock shards(*core_->keyspace, core_->keyspace->AllShards());
  const std::string path = place.PathOf(manifest_.increments.back());
  const int failed = file_->SwitchTo(path, changes_->stream().offset());
  if (failed != 0) return CannotOpen(path, failed);
  persistence_->NoteLoaded();
  info_.base_bytes = place.BytesOf(manifest_);
  older_bytes_ = info_.base_bytes - file_->size();
  changes_->Follow(file_);
  state_.store(State::kKept);
  return "";
}

// What the snapshot has is what there is.
std::string AppendOnly::BeginFromSnapshot(const Settings& settings, const AppendOnlyPlace& place,
                                          Worker* worker) {
  std::string error = persistence_->Load(settings, &worker->functions());
  if (!error.empty()) return error;
  manifest_.base = place.Base(1);
  return replication::SaveSnapshot(place.PathOf(*manifest_.base), *core_->keyspace,
                                   persistence_->Content(settings))
      .error;
}

std::string AppendOnly::Load(const Settings& settings, Worker* worker) {
  const AppendOnlyPlace place = PlaceOf(settings);
  Manifest manifest;
  std::string error = place.Read(&manifest);
  if (!error.empty()) return error;
  error = LoadAppendOnly(core_, persistence_, settings, place, manifest, worker);
  if (error.empty()) persistence_->NoteLoaded();
  return error;
}

std::string AppendOnly::Flush() {
  const int error = file_->Flush();
  return error == 0 ? "" : std::strerror(error);
}

void AppendOnly::Apply(const Settings& settings) {
  file_->set_syncs(SyncsOf(settings));
  rests_on_rewrite_.store(settings.no_appendfsync_on_rewrite);
}

void AppendOnly::Enable(bool is_wanted) {
  if (is_wanted == is_enabled()) return;
  if (is_wanted) {
    state_.store(State::kBegins);
    is_scheduled_.store(true);
  } else {
    Stop();
    core_->log->Notice("append_only_ended", {});
    core_->replicas->AnswerAwaited();
  }
}

void AppendOnly::Move() {
  if (!is_enabled()) return;
  Stop();
  Enable(true);
}

void AppendOnly::Stop() {
  {
    std::lock_guard lock(mutex_);
    ++generation_;
    info_.consecutive_failures = 0;
  }
  state_.store(State::kOff);
  is_scheduled_.store(false);
  if (is_rewriting()) persistence_->background().Kill();
  changes_->Unfollow(file_.get());
  file_->Close();
  core_->hot.append_error.store(0);
  core_->hot.StopWrites(HotSettings::kAppendFailed, false);
}

void AppendOnly::End() {
  changes_->Unfollow(file_.get());
  file_->Close();
}

void AppendOnly::OnWritten(int error) {
  if (error == 0) {
    core_->log->Notice("append_only_written_again", {});
  } else {
    core_->log->Warning("append_only_not_written", {{"why", std::strerror(error)}});
    if (file_->syncs() == AppendOnlyFile::Syncs::kAlways) {
      // What was done cannot be undone, and may not be acknowledged.
      core_->log->Warning("stopped", {{"why", "appendfsync is always and the disk refuses"}});
      ::_exit(1);
    }
  }
  core_->hot.append_error.store(error);
  core_->hot.StopWrites(HotSettings::kAppendFailed, error != 0);
}

void AppendOnly::OnSynced() { core_->replicas->AnswerAwaited(); }

int64_t AppendOnly::durable() const { return state_.load() == State::kKept ? file_->synced() : -1; }

// ---- Rewriting ---------------------------------------------------------------------------------

void AppendOnly::RunScheduled(const Settings& settings) {
  if (!is_scheduled_.load() || persistence_->background().in_progress() || is_rewriting()) return;
  static_cast<void>(Rewrite(settings));
}

std::string AppendOnly::Rewrite(const Settings& settings) {
  if (is_rewriting_.exchange(true)) return kInProgress;
  // What is scheduled from here on is another one.
  is_scheduled_.store(false);
  RewritePlan plan;
  std::string error = Plan(settings, &plan);
  if (error.empty()) error = Begin(settings, plan);
  if (error.empty()) {
    core_->log->Notice("append_only_rewrite_started", {});
    return "";
  }
  is_rewriting_.store(false);
  std::lock_guard lock(mutex_);
  NoteFailure(error);
  return error;
}

// What has to be on the disk before anybody must wait.
std::string AppendOnly::Plan(const Settings& settings, RewritePlan* plan) {
  std::lock_guard lock(mutex_);
  last_attempt_us_ = core_->clock->MonoUs();
  const AppendOnlyPlace& place = plan->place = PlaceOf(settings);
  plan->generation = generation_;
  std::string error = place.Prepare();
  // Files of an earlier time are there until the new ones are complete.
  if (error.empty() && state_.load() != State::kKept) error = place.Read(&manifest_);
  if (!error.empty()) return error;
  plan->next.base = place.Base(manifest_.NextBase());
  plan->next.history = manifest_.history;
  if (manifest_.base) plan->next.history.push_back(*manifest_.base);
  plan->next.history.insert(plan->next.history.end(), manifest_.increments.begin(),
                            manifest_.increments.end());
  if (state_.load() == State::kOff) return "";
  const Manifest::File increment = place.Increment(manifest_.NextIncrement());
  plan->next.increments.push_back(increment);
  error = place.Create(increment);
  if (!error.empty() || state_.load() != State::kKept) return error;
  Manifest with_both = manifest_;
  with_both.increments.push_back(increment);
  error = place.Write(with_both);
  if (error.empty()) manifest_ = std::move(with_both);
  return error;
}

std::string AppendOnly::Begin(const Settings& settings, const RewritePlan& plan) {
  const keyspace::ShardLock shards(*core_->keyspace, core_->keyspace->AllShards());
  {
    std::lock_guard lock(mutex_);
    if (plan.generation != generation_) return "changes are not kept any more";
  }
  const std::string error = persistence_->background().Start(
      plan.place.PathOf(*plan.next.base), persistence_->Content(settings),
      [this, plan](const auto& outcome) { Finished(outcome, plan); });
  if (!error.empty() || plan.next.increments.empty()) return error;
  const std::string path = plan.place.PathOf(plan.next.increments.back());
  const bool follows = file_->is_open();
  const uint64_t size = file_->size();
  const int failed = file_->SwitchTo(path, changes_->stream().offset());
  std::lock_guard lock(mutex_);
  if (failed != 0) {
    ++generation_;
    persistence_->background().Kill();
    return CannotOpen(path, failed);
  }
  if (follows) {
    older_bytes_ += size;
    changes_->stream().SelectAgain();
  } else {
    changes_->Follow(file_);
  }
  file_->set_rests(rests_on_rewrite_.load());
  return "";
}

void AppendOnly::Finished(const replication::BackgroundSave::Outcome& outcome, RewritePlan plan) {
  file_->set_rests(false);
  {
    std::lock_guard lock(mutex_);
    info_.last_rewrite_s = outcome.elapsed_ms / 1000;
    if (plan.generation != generation_) {
      ::unlink(plan.place.PathOf(*plan.next.base).c_str());
    } else {
      const std::string error = outcome.error.empty() ? plan.place.Write(plan.next) : outcome.error;
      error.empty() ? Complete(outcome, std::move(plan)) : NoteFailure(error);
    }
  }
  is_rewriting_.store(false);
  core_->replicas->AnswerAwaited();
}

// REQUIRES: mutex_
void AppendOnly::Complete(const replication::BackgroundSave::Outcome& outcome, RewritePlan plan) {
  manifest_ = std::move(plan.next);
  plan.place.RemoveHistory(&manifest_);
  if (!manifest_.increments.empty()) state_.store(State::kKept);
  older_bytes_ = outcome.bytes;
  info_.base_bytes = older_bytes_ + file_->size();
  info_.last_copied_bytes = outcome.copied_bytes;
  info_.last_rewrite_succeeded = true;
  info_.consecutive_failures = 0;
  ++info_.rewrites;
  core_->log->Notice("append_only_rewritten", {{"keys", std::to_string(outcome.keys)},
                                               {"bytes", std::to_string(outcome.bytes)},
                                               {"ms", std::to_string(outcome.elapsed_ms)}});
}

void AppendOnly::NoteFailure(const std::string& why) {
  core_->log->Warning("append_only_rewrite_failed", {{"why", why}});
  info_.last_rewrite_succeeded = false;
  ++info_.consecutive_failures;
  // Until it succeeds once, what is kept is of no use.
  if (state_.load() == State::kBegins) is_scheduled_.store(true);
}

void AppendOnly::Tick(const Settings& settings) {
  file_->Tick();
  if (!is_scheduled_.load() && !IsDue(settings)) return;
  {
    std::lock_guard lock(mutex_);
    const bool must_wait = info_.consecutive_failures > 0 &&
                           core_->clock->MonoUs() - last_attempt_us_ < kRewriteRetryUs;
    if (must_wait) return;
  }
  {
    // The home loop does not wait for those who use the keyspace: there will be another tick.
    const keyspace::ShardLock probe(*core_->keyspace, core_->keyspace->AllShards(),
                                    keyspace::ShardLock::Patience::kNone);
    if (!probe.is_held()) return;
  }
  is_scheduled_.store(true);
  RunScheduled(settings);
}

bool AppendOnly::IsDue(const Settings& settings) const {
  if (state_.load() != State::kKept || settings.auto_aof_rewrite_percentage == 0) return false;
  std::lock_guard lock(mutex_);
  const uint64_t bytes = older_bytes_ + file_->size();
  if (bytes <= settings.auto_aof_rewrite_min_size) return false;
  const double grown = static_cast<double>(bytes) / static_cast<double>(info_.base_bytes + 1) - 1;
  return grown * 100 >= static_cast<double>(settings.auto_aof_rewrite_percentage);
}

AppendOnly::Info AppendOnly::info() const {
  const int64_t running_ms = persistence_->background().running_ms();
  std::lock_guard lock(mutex_);
  Info info = info_;
  info.is_enabled = is_enabled();
  info.is_rewriting = is_rewriting();
  info.is_scheduled = is_scheduled_.load();
  info.current_rewrite_s = is_rewriting() && running_ms >= 0 ? running_ms / 1000 : -1;
  info.last_write_succeeded = core_->hot.append_error.load() == 0;
  info.bytes = older_bytes_ + file_->size();
  info.buffered_bytes = file_->buffered_bytes();
  info.is_syncing = file_->is_syncing();
  info.delayed_writes = file_->delayed_writes();
  return info;
}

}  // namespace terrace::server
