#pragma once

// Random picks of several elements, as HRANDFIELD, SRANDMEMBER, SPOP and ZRANDMEMBER make them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/rng.h"
#include "commands/call.h"

namespace terrace::commands {

// The count argument of these commands; replies the error and returns nullopt where there is one.
// `halved`: each pick writes two replies, so that only half the range is allowed.
// A negative count is limited to ten million, where Redis would fill its memory.
enum class PickRange : uint8_t { kFull, kHalved };
std::optional<int64_t> ParsePickCount(Call& call, size_t argument, PickRange range);

// Chooses exactly `count` of `size` elements that are offered one after the other, each subset with
// the same probability (selection sampling, Knuth's Algorithm S).
class DistinctPicks {
 public:
  DistinctPicks(size_t size, size_t count, base::Rng& rng)
      : offered_(size), wanted_(count < size ? count : size), rng_(rng) {}
  // Is the next element chosen?
  bool Take() {
    if (offered_ == 0) return false;
    const bool take = rng_.Below(offered_--) < wanted_;
    wanted_ -= take ? 1 : 0;
    return take;
  }

 private:
  size_t offered_;
  size_t wanted_;
  base::Rng& rng_;
};

// Visits up to `count` distinct elements of a collection, each with the same probability:
// for_each(f) offers all of them to f, random(f) gives f a random one, key_of names an element.
// A few of very many are drawn one by one, else a walk over all is cheaper.
template <typename ForEach, typename Random, typename KeyOf, typename Visit>
void PickDistinct(size_t size, size_t count, base::Rng& rng, ForEach for_each, Random random,
                  KeyOf key_of, Visit visit) {
  constexpr size_t kWalkedMax = 512;
  constexpr size_t kDrawsPerPickMax = 100;
  if (size <= kWalkedMax || count >= size / 3) {
    DistinctPicks picks(size, count, rng);
    for_each([&](const auto& element) {
      if (picks.Take()) visit(element);
    });
    return;
  }
  std::unordered_set<std::string> seen;
  for (size_t draws = count * kDrawsPerPickMax; seen.size() < count && draws > 0; --draws) {
    random([&](const auto& element) {
      if (seen.emplace(key_of(element)).second) visit(element);
    });
  }
}

}  // namespace terrace::commands
