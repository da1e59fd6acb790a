#pragma once

// Prefetch: sets a cache line on its way into the cache while the processor goes on. Any address
// will do: a wrong one is ignored.

namespace terrace::base {

inline void Prefetch(const void* address) {
  __builtin_prefetch(address);
  // g++ 12 takes a function that does nothing but prefetch for one without effect and leaves out
  // the calls to it; this tells it otherwise.
  asm volatile("" : : "r"(address));
}

}  // namespace terrace::base
