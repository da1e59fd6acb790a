#include "runtime/uv_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace terrace::runtime {
namespace {

TEST(UvLoop, TasksOfOneThreadRunInTheOrderPosted) {
  SystemClock clock;
  UvLoop loop(&clock);
  std::vector<int> order;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) loop.Post([&order, i] { order.push_back(i); });
    loop.Post([&loop] { loop.Stop(); });
  });
  loop.Run();
  poster.join();
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(UvLoop, WhatIsDeferredRunsAfterTheTurnAndBeforeTheLoopSleeps) {
  SystemClock clock;
  UvLoop loop(&clock);
  std::string order;
  loop.Post([&] {
    loop.Defer([&] {
      order += "deferred ";
      loop.Defer([&] {
        order += "again";
        loop.Stop();
      });
    });
    order += "task ";
  });
  loop.Run();
  EXPECT_EQ(order, "task deferred again");
}

TEST(UvLoop, ACancelledTimerNeverFires) {
  SystemClock clock;
  UvLoop loop(&clock);
  std::string fired;
  const TimerId cancelled = loop.After(1, [&] { fired += "cancelled "; });
  loop.After(5, [&] {
    fired += "kept";
    loop.Stop();
  });
  loop.Cancel(cancelled);
  loop.Cancel(kNoTimer);
  loop.Run();
  EXPECT_EQ(fired, "kept");
}

TEST(UvLoop, AWatcherMayBeDestroyedByItsOwnCallback) {
  SystemClock clock;
  UvLoop loop(&clock);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::unique_ptr<FdWatcher> watcher;
  int calls = 0;
  watcher = loop.Watch(ends[0], [&](int events) {
    EXPECT_EQ(events & kReadable, kReadable);
    ++calls;
    watcher.reset();
    loop.After(5, [&] { loop.Stop(); });
  });
  watcher->SetEvents(kReadable);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  loop.Run();
  EXPECT_EQ(calls, 1);
  close(ends[0]);
  close(ends[1]);
}

TEST(UvLoop, OffloadedWorkRunsElsewhereAndFinishesOnTheLoop) {
  SystemClock clock;
  UvLoop loop(&clock);
  std::thread::id worked, finished;
  loop.Offload([&] { worked = std::this_thread::get_id(); },
               [&] {
                 finished = std::this_thread::get_id();
                 loop.Stop();
               });
  loop.Run();
  EXPECT_EQ(finished, std::this_thread::get_id());
  EXPECT_NE(worked, finished);
}

}  // namespace
}  // namespace terrace::runtime
