#include "runtime/uv_loop.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
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

// A client that closes before it has read everything resets the connection: the server sees the
// error together with what was sent before.
TEST(UvLoop, AnErrorIsToldOfUntilItWasRead) {
  SystemClock clock;
  UvLoop loop(&clock);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
  const int server = accept(listener, nullptr, nullptr);
  ASSERT_EQ(write(server, "reply", 5), 5);
  ASSERT_EQ(write(client, "request", 7), 7);
  close(client);

  std::string seen;
  std::unique_ptr<FdWatcher> watcher;
  watcher = loop.Watch(server, [&](int events) {
    EXPECT_EQ(events & kReadable, kReadable);
    char bytes[4];  // less than was sent
    const ssize_t count = recv(server, bytes, sizeof(bytes), MSG_DONTWAIT);
    seen += count > 0 ? std::string(bytes, static_cast<size_t>(count)) : "!";
    if (count > 0) return;
    watcher.reset();
    loop.Stop();
  });
  watcher->SetEvents(kReadable);
  loop.After(10'000, [&] { loop.Stop(); });
  loop.Run();
  EXPECT_EQ(seen, "request!");
  close(server);
  close(listener);
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
