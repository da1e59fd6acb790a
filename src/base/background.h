#pragma once

// Background: how threads that give memory back stay out of the way of those that answer.
//
// A lower priority alone does not do that: a scheduler may let whoever has the core keep it until
// the next tick of its clock, some milliseconds. So work of unbounded length also offers the core
// by itself, at places where it holds no lock of the allocator, for which others could then wait.

#include <cstddef>
#include <cstdint>

namespace terrace::base {

// Lowers the priority of the calling thread, and of the threads that it starts from now on.
void LowerThreadPriority();

// Counts the steps of work that may be long. On a background thread it offers the core after every
// turn of some hundred microseconds; on any other thread it only counts.
//
// Threads: used by the thread that made it.
class Turns {
 public:
  // From now on the calling thread gives way, or no longer does.
  static void GiveWay(bool on);

  // A step is the freeing of a block or a few: well below a microsecond, or few at worst.
  void Step() {
    if (++steps_ == kStepsPerLook) Look();
  }

 private:
  // So many steps cost more than a look at the clock does, and less than a turn.
  static constexpr size_t kStepsPerLook = 256;
  // The longest that others wait because of one background thread. Much shorter turns would never
  // get it its share of a busy core: offering it costs what is left of the time slice.
  static constexpr int64_t kTurnUs = 500;

  void Look();

  size_t steps_ = 0;
};

}  // namespace terrace::base
