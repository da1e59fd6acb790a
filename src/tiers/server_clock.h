#pragma once

// ServerClock: what a server's wall clock says at a moment of ours. Deadlines travel as moments,
// not as spans: a span would begin anew on the server, later than it began here, and a value that
// has expired here would live on there.
//
// Promises:  AtMost never errs towards the later, as long as the server's clock has not been set
//            back since the last Learn; it errs towards the earlier by at most the quickest answer.
// Units:     ours: ms on NowMs; theirs: ms on their wall clock.

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/saturate.h"

namespace terrace::tiers {

class ServerClock {
 public:
  // Asked at asked_ms, the server gave the time as server_ms; its answer was here at received_ms.
  void Learn(int64_t server_ms, int64_t asked_ms, int64_t received_ms) {
    // Every one of the three may be cut off by up to a millisecond.
    const int64_t least_ms = server_ms - received_ms - 1;
    const int64_t most_ms = server_ms - asked_ms + 1;
    const bool was_set_back = ahead_ms_ && *ahead_ms_ > most_ms;
    ahead_ms_ = ahead_ms_ && !was_set_back ? std::max(*ahead_ms_, least_ms) : least_ms;
  }

  // The server's time at now_ms or a little before; nothing when the server never told.
  std::optional<int64_t> AtMost(int64_t now_ms) const {
    if (!ahead_ms_) return std::nullopt;
    return base::SaturatingAdd(now_ms, *ahead_ms_);
  }

  void Forget() { ahead_ms_.reset(); }

 private:
  std::optional<int64_t> ahead_ms_;  // the server's clock is ahead of ours by at least this
};

}  // namespace terrace::tiers
