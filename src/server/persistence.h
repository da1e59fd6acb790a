#pragma once

// Persistence: snapshots of this server: when they are written, what is in them, how the last one
// went, and what is loaded from one. See docs/snapshots.md.
//
// In a snapshot are the functions and the keys on which the local tier has the last word: those of
// no route, and of routes without lower tiers. Copies of other tiers' values would be stale.
//
// Ownership: everything it is given outlives it.
// Threads:   any thread, but for what says otherwise. Saving takes all shard locks, and loading
// those
//            of the keys; who calls holds none of them or all. The mutex of the settings is not
//            taken under shard locks, so a copy of them is passed in.
// Units:     Unix time in seconds, as INFO shows it; durations in milliseconds where named so.
// Errors:    texts without a code; "": done.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "replication/background_save.h"
#include "scripting/function_runner.h"
#include "scripting/library_store.h"
#include "server/core.h"
#include "server/save_points.h"
#include "server/settings.h"
#include "server/snapshot_loader.h"
#include "tiers/route.h"

namespace terrace::server {

class Persistence {
 public:
  struct Info {
    uint64_t changes = 0;  // since the last snapshot
    bool in_progress = false;
    bool scheduled = false;
    int64_t last_save_s = 0;     // when the last snapshot succeeded, or the server started
    bool last_succeeded = true;  // of those in the background
    int64_t last_duration_s = -1;
    int64_t running_s = -1;
    uint64_t saves = 0;
    uint64_t last_copied_bytes = 0;
    uint64_t loaded_keys = 0;
    uint64_t expired_keys = 0;  // left out by the last load
    int64_t last_fork_us = 0;
  };

  Persistence(Core* core, const tiers::RouteTable* routes, runtime::Loop* home);

  // How a snapshot is taken in.
  struct Intake {
    SnapshotLoader::Existing existing = SnapshotLoader::Existing::kRefuse;
    SnapshotLoader::Eviction eviction = SnapshotLoader::Eviction::kMayNot;
    SnapshotLoader::Expired expired = SnapshotLoader::Expired::kLeftOut;
    scripting::FunctionRunner* functions = nullptr;
  };
  // At the start: the snapshot of the settings, if there is one.
  std::string Load(const Settings& settings, scripting::FunctionRunner* functions);
  // What is there now came from files: changes and hits are counted from here on.
  void NoteLoaded();
  // That snapshot once more: it has to be there.
  std::string Reload(const Settings& settings, const Intake& intake);
  // One that stands at the beginning of a file. *bytes: how much of it that is; may be null.
  std::string LoadFile(const std::string& path, const Settings& settings, const Intake& intake,
                       uint64_t* bytes);

  // Writes a snapshot now; everybody waits.
  std::string Save(const Settings& settings);
  // The same at the end of the process, which no child outlives.
  std::string SaveLast(const Settings& settings);
  // Is there anything that the last snapshot does not have?
  bool HasUnsaved();
  // Begins to write one in the background.
  std::string SaveInBackground(const Settings& settings);
  // As soon as nothing is in the way.
  void Schedule() { scheduled_.store(true); }
  void EndChild() { background_.Kill(); }

  // The home loop's, now and then: begins what is scheduled or what a save point asks for.
  void Tick(const Settings& settings);
  // The settings that concern it are new.
  void Apply(const Settings& settings);
  bool has_save_points() const { return has_save_points_.load(); }

  // Is this key in snapshots?
  bool Keeps(std::string_view key) const;
  // Are all?
  bool keeps_all() const { return !routes_->any_tiers(); }

  // For servers and tools that send snapshots elsewhere: what is in one at this moment.
  replication::SnapshotContent Content(const Settings& settings) const;
  replication::BackgroundSave& background() { return background_; }

  Info info();  // takes shard locks
  int64_t last_save_s() const;

 private:
  std::string Write(const Settings& settings);
  // How much has ever been changed, by which snapshots are compared.
  struct Moment {
    uint64_t changes = 0;    // of keys
    uint64_t libraries = 0;  // LibraryStore::version
  };
  Moment Now();
  void Finished(const replication::BackgroundSave::Outcome& outcome, Moment moment);
  bool IsDue(uint64_t changes);
  void JudgeWrites();  // REQUIRES: mutex_

  Core* const core_;
  const tiers::RouteTable* const routes_;
  replication::BackgroundSave background_;
  std::atomic<bool> scheduled_{false};
  std::atomic<bool> has_save_points_{false};

  mutable std::mutex mutex_;
  // All below guarded by mutex_.
  std::vector<SavePoint> save_points_;
  bool stops_writes_ = true;
  Info info_;
  Moment saved_;                 // of the last snapshot, or of what was loaded at the start
  int64_t last_attempt_us_ = 0;  // MonoUs; of the last one in the background
};

}  // namespace terrace::server
