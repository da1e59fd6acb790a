#pragma once

// AppendOnly: the append-only file of this server: when it is kept, which files it consists of,
// when it is rewritten, and what is loaded from it. See docs/append-only.md.
//
//   kOff ---the first base is wanted---> kBegins ---it is complete---> kKept
//
// Ownership: everything it is given outlives it.
// Threads:   any, but for what says otherwise. The mutex of the settings is not taken under shard
//            locks, so a copy of them is passed in. Its own comes after those of shards and before
//            those of the file.
// Units:     bytes; seconds where named so.
// Errors:    texts without a code; "": done.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "replication/append_only_file.h"
#include "replication/append_only_place.h"
#include "replication/background_save.h"
#include "server/change_feed.h"
#include "server/core.h"
#include "server/persistence.h"
#include "server/settings.h"

namespace terrace::server {

class Worker;

class AppendOnly : private replication::AppendOnlyFile::Events {
 public:
  struct Info {
    bool is_enabled = false;
    bool is_rewriting = false;
    bool is_scheduled = false;
    int64_t last_rewrite_s = -1;
    int64_t current_rewrite_s = -1;
    bool last_rewrite_succeeded = true;
    uint64_t rewrites = 0;
    uint64_t consecutive_failures = 0;
    bool last_write_succeeded = true;
    uint64_t last_copied_bytes = 0;
    uint64_t bytes = 0;       // of all files
    uint64_t base_bytes = 0;  // of all files after the last rewrite or the start
    uint64_t buffered_bytes = 0;
    bool is_syncing = false;
    uint64_t delayed_writes = 0;
  };

  AppendOnly(Core* core, Persistence* persistence, ChangeFeed* changes);
  ~AppendOnly() override;

  // Before anybody is served: loads the files, or where there are none the snapshot, and keeps
  // changes from then on.
  std::string Start(const Settings& settings, Worker* worker);
  // DEBUG LOADAOF: loads the files into what has been emptied. REQUIRES: all shard locks.
  std::string Load(const Settings& settings, Worker* worker);

  // Where changes are kept.
  replication::AppendOnlyFile& file() { return *file_; }
  // What is still in memory goes to the file.
  std::string Flush();

  // The settings that concern it are new.
  void Apply(const Settings& settings);
  // CONFIG SET appendonly: begins with the next RunScheduled, or ends. REQUIRES: all shard locks.
  void Enable(bool is_wanted);
  // CONFIG SET dir: what is kept begins anew there. REQUIRES: likewise.
  void Move();

  static constexpr const char* kInProgress =
      "Background append only file rewriting already in progress";
  bool is_rewriting() const { return is_rewriting_.load(); }
  void Schedule() { is_scheduled_.store(true); }
  // Begins what is scheduled, if nothing is in the way. REQUIRES: no shard lock, or all.
  void RunScheduled(const Settings& settings);
  // Begins to rewrite. REQUIRES: likewise.
  std::string Rewrite(const Settings& settings);

  // The home loop's, now and then.
  void Tick(const Settings& settings);
  // Writes and syncs what is left: nobody changes anything any more.
  void End();

  // Are changes kept, or about to be?
  bool is_enabled() const { return state_.load() != State::kOff; }
  // The offset of the stream up to which a crash loses nothing here; -1: of none.
  int64_t durable() const;

  Info info() const;

 private:
  enum class State : uint8_t { kOff, kBegins, kKept };
  using Manifest = replication::AppendOnlyManifest;

  void OnWritten(int error) override;
  void OnSynced() override;

  // A rewrite: the manifest for when it is complete. Changes go to its increment meanwhile, if it
  // has one.
  struct RewritePlan {
    replication::AppendOnlyPlace place;
    Manifest next;
    uint64_t generation = 0;
  };

  void Stop();
  std::string BeginFromSnapshot(const Settings& settings, const replication::AppendOnlyPlace& place,
                                Worker* worker);
  std::string Plan(const Settings& settings, RewritePlan* plan);
  std::string Begin(const Settings& settings, const RewritePlan& plan);
  void Finished(const replication::BackgroundSave::Outcome& outcome, RewritePlan plan);
  void Complete(const replication::BackgroundSave::Outcome& outcome, RewritePlan plan);
  void NoteFailure(const std::string& why);  // REQUIRES: mutex_
  bool IsDue(const Settings& settings) const;

  Core* const core_;
  Persistence* const persistence_;
  ChangeFeed* const changes_;
  const std::shared_ptr<replication::AppendOnlyFile> file_;

  std::atomic<State> state_{State::kOff};
  std::atomic<bool> is_rewriting_{false};
  std::atomic<bool> is_scheduled_{false};
  std::atomic<bool> rests_on_rewrite_{false};

  mutable std::mutex mutex_;
  // All below guarded by mutex_.
  Manifest manifest_;         // as it is on disk, while changes are kept
  uint64_t generation_ = 0;   // what was begun in an earlier one is of no use
  uint64_t older_bytes_ = 0;  // of all files but the present one
  Info info_;
  int64_t last_attempt_us_ = 0;  // MonoUs
};

}  // namespace terrace::server
