#pragma once

// Background: how threads that give memory back stay out of the way of those that answer.
//
// A lower priority alone does not do that: a scheduler may let whoever has the core keep it until
// the next tick of its clock, some milliseconds. So work of unbounded length also offers the core
// by itself, at places where it holds no lock of the allocator, for which others could then wait.

#include <cstddef>

namespace terrace::base {

// Lowers the priority of the calling thread, and of the threads that it starts from now on, and
// lets them have a core for a turn (below) at a time, where the kernel can (Linux 6.12).
void LowerThreadPriority();

// Counts the steps of work that may be long, and offers the core after each turn of so many. That
// costs nothing worth mentioning while nobody else wants it.
//
// Threads: used by the thread that made it.
class Turns {
 public:
  // Each about the longest that others wait: a quarter of a millisecond, with steps that free a
  // block of some ten bytes (a cache miss or two), or one of some thousands.
  static constexpr size_t kSmallBlocks = 512;
  static constexpr size_t kLargeBlocks = 128;

  explicit Turns(size_t steps_per_turn) : steps_per_turn_(steps_per_turn) {}

  void Step() {
    if (++steps_ == steps_per_turn_) Offer();
  }

 private:
  void Offer();

  const size_t steps_per_turn_;
  size_t steps_ = 0;
};

}  // namespace terrace::base
