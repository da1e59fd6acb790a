#include "base/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

namespace terrace::base {
namespace {

// Not the lowest (19): the memory must come back even while all cores are busy. Nor a scheduling
// class that runs only when nobody else does: such a thread, held up while it has a lock of the
// allocator, would hold up the workers for as long.
constexpr int kNiceness = 10;

struct Turn {
  bool gives_way = false;
  int64_t began_us = 0;
};
thread_local Turn turn;

int64_t NowUs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace

// On Linux each thread has a niceness of its own, which those that it starts inherit.
void LowerThreadPriority() { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness); }

void Turns::GiveWay(bool on) { turn = {.gives_way = on, .began_us = on ? NowUs() : 0}; }

void Turns::Look() {
  steps_ = 0;
  if (!turn.gives_way) return;
  if (NowUs() - turn.began_us < kTurnUs) return;
  sched_yield();
  turn.began_us = NowUs();
}

}  // namespace terrace::base
