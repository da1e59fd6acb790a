#pragma once

// ClientPause: what CLIENT PAUSE has asked for, and until when.
//
// Threads: thread-safe.
// Units:   ms on NowMs time.

#include <atomic>
#include <cstdint>
#include <mutex>

namespace terrace::server {

class ClientPause {
 public:
  enum class Mode : uint8_t { kNone, kWrites, kAll };

  // A pause that lasts longer, or stops more, than what is asked for goes on doing so.
  void Start(Mode mode, int64_t until_ms, int64_t now_ms);
  void End();
  Mode mode(int64_t now_ms) const {
    return now_ms < until_ms_.load(std::memory_order_acquire) ? mode_.load() : Mode::kNone;
  }
  int64_t until_ms() const { return until_ms_.load(std::memory_order_acquire); }
  // Has there been a pause that nobody has ended yet? One load, for every request.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // Ends a pause whose time is over.
  void EndIfOver(int64_t now_ms);

 private:
  std::mutex mutex_;  // taken to change it
  std::atomic<bool> any_{false};
  std::atomic<Mode> mode_{Mode::kNone};
  std::atomic<int64_t> until_ms_{0};
};

}  // namespace terrace::server
