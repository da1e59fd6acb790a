#include "base/background.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace terrace::base {
namespace {

// Not the lowest (19): the memory must come back even while all cores are busy. Nor a scheduling
// class that runs only when nobody else does: such a thread, held up while it has a lock of the
// allocator, would hold up the workers for as long.
constexpr int kNiceness = 10;

// Who offers a core gives away what is left of the time slice: with slices of the usual three
// milliseconds a thread that does so after each turn would not get its share of a busy core. And a
// slice is what a thread that does not offer it keeps the core for, whoever wakes meanwhile.
constexpr uint64_t kSliceNs = 250'000;

// For sched_setattr(2), which glibc does not wrap before 2.41. The runtime of an ordinary thread is
// the length of its slices; kernels before 6.12 do not look at it.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t niceness = kNiceness;
  uint32_t priority = 0;
  uint64_t runtime_ns = kSliceNs;
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};

}  // namespace

// On Linux each thread has a niceness of its own, which those that it starts inherit.
void LowerThreadPriority() {
  const SchedulingAttributes attributes;
  if (syscall(SYS_sched_setattr, gettid(), &attributes, 0) == 0) return;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
}

void Turns::Offer() {
  steps_ = 0;
  sched_yield();
}

}  // namespace terrace::base
