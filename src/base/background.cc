#include "base/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

namespace terrace::base {
namespace {

// Not the lowest (19): the memory must come back even while all cores are busy. Nor a scheduling
// class that runs only when nobody else does: such a thread, held up while it has a lock of the
// allocator, would hold up the workers for as long.
constexpr int kNiceness = 10;

}  // namespace

// On Linux each thread has a niceness of its own, which those that it starts inherit.
void LowerThreadPriority() { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness); }

void Turns::Offer() {
  steps_ = 0;
  sched_yield();
}

}  // namespace terrace::base
