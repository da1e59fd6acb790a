#pragma once

// AccessClock: the time of last use, kept in the word by every policy that is not counting
// something else there, so that OBJECT IDLETIME works under noeviction and the random policies too.
//
// Units: the word is the low 32 bits of the clock in milliseconds, so a key idle for more than 49
//        days looks younger than it is.

#include <algorithm>
#include <cstdint>

#include "eviction/policy.h"

namespace terrace::eviction {

class AccessClockPolicy : public EvictionPolicy {
 public:
  void OnInsert(uint32_t hash, Word& word, uint32_t charge, uint32_t now_ms) override {
    word = now_ms;
  }
  void OnHit(uint32_t hash, Word& word, uint32_t now_ms) override { word = now_ms; }
  void OnRemove(uint32_t hash, Word& word, uint32_t charge, RemoveCause cause) override {}

  int64_t IdleMs(Word word, uint32_t now_ms) const override { return now_ms - word; }
  void SetIdleSeconds(Word& word, int64_t idle_s, uint32_t now_ms) override {
    const int64_t idle_ms = std::clamp<int64_t>(idle_s, 0, UINT32_MAX / 1000) * 1000;
    word = now_ms - static_cast<uint32_t>(idle_ms);
  }
};

}  // namespace terrace::eviction
