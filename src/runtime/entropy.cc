#include "runtime/entropy.h"

#include <sys/random.h>

#include "base/check.h"

namespace terrace::runtime {

uint64_t RandomSeed() {
  uint64_t seed;
  TERRACE_CHECK(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  return seed;
}

std::string RandomHex(size_t digits) {
  std::string text;
  while (text.size() < digits) {
    for (uint64_t bits = RandomSeed(), left = 16; left > 0 && text.size() < digits; --left) {
      text.push_back("0123456789abcdef"[bits & 15]);
      bits >>= 4;
    }
  }
  return text;
}

}  // namespace terrace::runtime
