#pragma once

// EffectStream: the one order in which changes are repeated elsewhere: commands as bytes of RESP,
// with SELECT where the database changes, and MULTI and EXEC around what happened as one.
//
// Promises:  what is appended under the locks of the keys that it changes has the place among the
//            changes of each key that it had here. Followers get the same bytes in the same order,
//            beginning with a SELECT.
// Ownership: followers are shared with whoever sends them on.
// Threads:   thread-safe. Its mutex comes after those of shards and before those of followers.
// Units:     bytes since the server started, of what was followed.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::replication {

// A command that repeats a change, in the database where it is to be run; -1: in any.
struct Effect {
  int database = -1;
  std::vector<std::string> arguments;
  // Does it change data? Otherwise it is a message, for followers that are there now.
  bool is_lasting = true;
};

class Follower {
 public:
  virtual ~Follower() = default;
  // What one unit of the stream is, and what it is without messages (perhaps nothing); the offset
  // behind it. Under the mutex of the stream: it must not wait.
  struct Told {
    std::string_view all;
    std::string_view lasting;
    int64_t offset = 0;
  };
  virtual void OnEffects(const Told& told) = 0;
};

class EffectStream {
 public:
  // id: of this stream, as replicas know it (40 hexadecimal digits).
  explicit EffectStream(std::string id) : id_(std::move(id)) {}

  const std::string& id() const { return id_; }
  int64_t offset() const { return offset_.load(std::memory_order_acquire); }

  // Does anybody follow? Changes under the locks of all shards only, so it is exact for who holds
  // one.
  bool is_followed() const { return is_followed_.load(std::memory_order_relaxed); }
  // REQUIRES: the locks of all shards.
  void Follow(std::shared_ptr<Follower> follower);
  // Was it one of them?
  bool Unfollow(const Follower* follower);
  // The next unit says which database it is about, even if it is the one before it.
  void SelectAgain();

  // What one command, transaction or script has done. REQUIRES: the locks of the keys changed.
  void Append(std::span<const Effect> unit);
  // The same for one that every follower understands by itself.
  void Append(const Effect& effect) { Append(std::span(&effect, 1)); }

 private:
  const std::string id_;
  std::atomic<int64_t> offset_{0};
  std::atomic<bool> is_followed_{false};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Follower>> followers_;  // guarded by mutex_
  int selected_ = -1;                                 // likewise: where the stream is now
  std::string all_, lasting_;                         // likewise: kept for their memory
};

}  // namespace terrace::replication
