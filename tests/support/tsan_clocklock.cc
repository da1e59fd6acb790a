// The ThreadSanitizer of g++ 12 does not know pthread_mutex_clocklock, which std::timed_mutex
// calls, and would take everything under such a lock for a race. Builds with that sanitizer link
// this one, which waits as long by a call that it does know.

#include <pthread.h>
#include <time.h>

extern "C" int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                       const timespec* deadline) {
  constexpr long kNsPerSecond = 1000000000;
  timespec now, until;
  clock_gettime(clock, &now);
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += deadline->tv_sec - now.tv_sec;
  until.tv_nsec += deadline->tv_nsec - now.tv_nsec;
  if (until.tv_nsec >= kNsPerSecond) {
    until.tv_nsec -= kNsPerSecond;
    ++until.tv_sec;
  } else if (until.tv_nsec < 0) {
    until.tv_nsec += kNsPerSecond;
    --until.tv_sec;
  }
  return pthread_mutex_timedlock(mutex, &until);
}
