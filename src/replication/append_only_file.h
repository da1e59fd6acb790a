#pragma once

// AppendOnlyFile: follows the stream of changes and keeps it in a file.
//
//   stream --> buffer --Settle--> file --sync--> disk
//
// Promises:  after Settle, what was told before it is in the file, but for a write that is put off
//            while the disk is busy with syncing (kEverySecond only, kDelayMsMax at most); with
//            kAlways, on the disk as well. The file holds whole units up to a failure, and after it
//            again: what could not be written is kept, in order.
// Ownership: events outlive it.
// Threads:   any, but for what says otherwise. Its mutexes come after those of the stream:
//            file_mutex_, then mutex_.
// Units:     bytes; offsets of the stream of changes; milliseconds on MonoUs time.
// Errors:    errno, told when it changes: 0 means that it works again.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "replication/effect_stream.h"

namespace terrace::replication {

class AppendOnlyFile : public Follower {
 public:
  enum class Syncs : uint8_t { kAlways, kEverySecond, kNo };

  class Events {
   public:
    virtual ~Events() = default;
    // Writing or syncing has failed, or works again. Any thread, under file_mutex_.
    virtual void OnWritten(int error) = 0;
    // More is on the disk. Any thread, no mutex held.
    virtual void OnSynced() = 0;
  };

  AppendOnlyFile(const base::Clock* clock, Events* events);
  ~AppendOnlyFile() override;

  void set_syncs(Syncs syncs) { syncs_.store(syncs); }
  Syncs syncs() const { return syncs_.load(); }
  // Syncing rests, as far as it can: a child needs the disk.
  void set_rests(bool rests) { rests_.store(rests); }

  // From here on changes go into this file, behind what is in it; errno. offset: where the stream
  // is. REQUIRES: the locks of all shards, or that nobody is served yet.
  [[nodiscard]] int SwitchTo(const std::string& path, int64_t offset);
  // Writes and syncs what is left; changes are not kept any more.
  void Close();
  bool is_open() const { return told_.load(std::memory_order_relaxed) >= 0; }

  void OnEffects(const Told& told) override;

  // Before a reply leaves.
  void Settle() {
    if (settled_.load(std::memory_order_acquire) < told_.load(std::memory_order_acquire)) Write();
  }
  // Writes what is left, whatever the disk is busy with; errno.
  [[nodiscard]] int Flush();
  // Tries again what was put off or has failed. REQUIRES: one thread at a time.
  void Tick();

  // The offset up to which everything is on the disk; -1: of no file yet.
  int64_t synced() const { return synced_.load(std::memory_order_acquire); }
  uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  size_t buffered_bytes() const;
  uint64_t delayed_writes() const { return delayed_writes_.load(std::memory_order_relaxed); }
  bool is_syncing() const { return is_syncing_.load(std::memory_order_relaxed); }

 private:
  struct File;
  static constexpr int64_t kDelayMsMax = 2000;
  static constexpr size_t kDelayBytesMax = size_t{32} << 20;
  static constexpr int64_t kSyncPeriodMs = 1000;

  void Write();
  bool MayDelay();
  int WriteBuffer();
  int Sync();
  void Report(int error);
  void RunSyncer();
  void SyncBeside();

  const base::Clock* const clock_;
  Events* const events_;
  std::atomic<Syncs> syncs_{Syncs::kEverySecond};
  std::atomic<bool> rests_{false};
  std::atomic<int64_t> told_{-1};     // offset up to which it was told
  std::atomic<int64_t> settled_{-1};  // up to which no reply need wait
  std::atomic<int64_t> synced_{-1};
  std::atomic<uint64_t> size_{0};
  std::atomic<uint64_t> delayed_writes_{0};
  std::atomic<bool> is_syncing_{false};

  std::mutex file_mutex_;
  std::shared_ptr<File> file_;                   // guarded by file_mutex_; null: closed
  std::vector<std::shared_ptr<File>> unsynced_;  // likewise, in order
  int64_t written_ = -1;                         // likewise: offset up to which files have it
  int64_t delayed_since_ms_ = -1;                // likewise; -1: nothing is put off
  int last_error_ = 0;                           // likewise
  std::string writing_;                          // likewise: kept for its memory

  mutable std::mutex mutex_;
  std::string buffer_;  // guarded by mutex_
  bool keeps_ = false;  // likewise: is there a file?

  std::mutex syncer_mutex_;
  std::condition_variable syncer_wakes_;
  bool stops_ = false;  // guarded by syncer_mutex_
  std::thread syncer_;  // from the first file on
};

}  // namespace terrace::replication
