#include "base/background.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>

namespace terrace::base {
namespace {

int Niceness() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

TEST(BackgroundTest, AThreadHandsItsLowPriorityDownButNotUp) {
  const int before = Niceness();
  int own = 0, inherited = 0;
  std::thread([&] {
    LowerThreadPriority();
    own = Niceness();
    std::thread([&] { inherited = Niceness(); }).join();
  }).join();
  EXPECT_GT(own, before);
  EXPECT_EQ(inherited, own);
  EXPECT_EQ(Niceness(), before);
}

}  // namespace
}  // namespace terrace::base
