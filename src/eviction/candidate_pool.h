#pragma once

// CandidatePool: the best few eviction candidates seen over many samples. With it, a policy that
// samples a handful of keys each time comes close to the true order, because a good candidate that
// was not needed yet is remembered for the next round.
//
// A candidate is kept by hash and word, never by pointer. It stands only while the word is the one
// it was ranked by: a key that was read or deleted meanwhile is simply no longer found.
//
// Threads: as the policy that owns it.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "eviction/policy.h"

namespace terrace::eviction {

class CandidatePool {
 public:
  // Candidates remembered between picks.
  static constexpr size_t kCapacity = 16;

  explicit CandidatePool(SampleFrom from) : from_(from) {}

  // Keys drawn for each pick, at most Tuning::kSamplesMax.
  void set_samples(size_t samples) { samples_ = samples; }

  // Draws a sample and hands out the candidate of the highest rank(word) that still stands. False
  // only when the store has nothing to sample.
  template <typename Rank>
  bool Pick(Residents& residents, const Rank& rank, Resident* victim) {
    // A few at a time: an array for as many as may be asked for would cost each pick its making.
    std::array<Resident, kBatch> sample;
    for (size_t left = samples_; left > 0; left -= std::min(left, kBatch)) {
      const size_t drawn = residents.Sample(from_, std::min(left, kBatch), sample.data());
      for (size_t i = 0; i < drawn; ++i) Add({sample[i].hash, *sample[i].word}, rank);
    }
    while (size_ > 0) {
      const Candidate best = candidates_[--size_];
      if (residents.Find(best.hash, best.word, ~Word{0}, victim) && Allowed(*victim)) return true;
    }
    // The sample's own candidates stand, so this is reached only when it was empty.
    return false;
  }

 private:
  static constexpr size_t kBatch = 8;

  struct Candidate {
    uint32_t hash = 0;
    Word word = 0;
    bool operator==(const Candidate&) const = default;
  };

  bool Allowed(const Resident& resident) const {
    return from_ == SampleFrom::kAllKeys || resident.deadline_ms != kNoDeadline;
  }

  // Keeps the candidates sorted by rank, the best one last. Ranks are computed anew each time,
  // since they depend on the time as well as on the word.
  template <typename Rank>
  void Add(const Candidate& candidate, const Rank& rank) {
    const auto begin = candidates_.begin();
    const auto end = begin + size_;
    if (std::find(begin, end, candidate) != end) return;
    const auto at = std::find_if(begin, end, [&](const Candidate& other) {
      return rank(other.word) > rank(candidate.word);
    });
    if (size_ < kCapacity) {
      std::move_backward(at, end, end + 1);
      *at = candidate;
      ++size_;
    } else if (at != begin) {
      std::move(begin + 1, at, begin);
      *(at - 1) = candidate;
    }
  }

  const SampleFrom from_;
  size_t samples_ = Tuning().samples;
  std::array<Candidate, kCapacity> candidates_;
  size_t size_ = 0;
};

}  // namespace terrace::eviction
