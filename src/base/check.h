#pragma once

// CHECK: an invariant that must hold in production too. A broken one aborts with the place and the
// condition; it is for programmer errors only, never for bad input.

#include <cstdio>
#include <cstdlib>

namespace terrace::base {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace terrace::base

#define TERRACE_CHECK(condition)                                      \
  (__builtin_expect(!(condition), 0)                                  \
       ? ::terrace::base::CheckFailed(#condition, __FILE__, __LINE__) \
       : static_cast<void>(0))
