#include "server/client_pause.h"

#include <algorithm>

namespace terrace::server {

void ClientPause::Start(Mode mode, int64_t until_ms, int64_t now_ms) {
  std::lock_guard lock(mutex_);
  const Mode before = this->mode(now_ms);
  mode_.store(std::max(before, mode));
  until_ms_.store(before == Mode::kNone ? until_ms : std::max(until_ms_.load(), until_ms),
                  std::memory_order_release);
  any_.store(true);
}

void ClientPause::End() {
  std::lock_guard lock(mutex_);
  until_ms_.store(0, std::memory_order_release);
  mode_.store(Mode::kNone);
  any_.store(false);
}

void ClientPause::EndIfOver(int64_t now_ms) {
  std::lock_guard lock(mutex_);
  if (now_ms < until_ms_.load()) return;
  mode_.store(Mode::kNone);
  any_.store(false);
}

}  // namespace terrace::server
