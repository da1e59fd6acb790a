#pragma once

// FakeOrigin: an origin whose values change behind everybody's back, which is slow, fails, and
// sometimes forbids keeping what it says. Every state of a key has a number, so that the checker
// can tell how old an answer is.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "sim/sim_loop.h"
#include "tiers/upstream.h"

namespace terrace::sim {

class FakeOrigin : public tiers::Upstream {
 public:
  FakeOrigin(SimLoop* loop, base::Rng* rng) : loop_(loop), rng_(rng) {}

  std::string_view name() const override { return "app"; }
  void Get(tiers::GetRequest request, tiers::GetDone done) override;
  void Put(tiers::PutRequest, tiers::PutDone done) override { Refuse(std::move(done)); }
  void Invalidate(int, std::string, int64_t, tiers::PutDone done) override {
    Refuse(std::move(done));
  }
  tiers::Health health() const override { return {}; }
  void Close(base::Task done) override { loop_->Post(std::move(done)); }

  // The states of a key, oldest first; the last one is now.
  using States = std::vector<std::optional<std::string>>;
  const States& states(const std::string& key) { return states_[key]; }
  // A foreign writer changes the key: a new value, or none.
  void Change(const std::string& key) {
    States& states = states_[key];
    const std::string value = key + "@" + std::to_string(states.size());
    states.push_back(rng_->Below(4) == 0 ? std::nullopt : std::optional(value));
  }
  void SetForever(const std::string& key, std::string value) { states_[key] = {std::move(value)}; }
  void Heal() { healed_ = true; }

  std::map<std::string, std::multiset<int64_t>> gets_in_flight;

 private:
  void Refuse(tiers::PutDone done) {
    loop_->Post([done = std::move(done)]() mutable {
      done(tiers::PutResult{.failure = tiers::Failure::kRefused});
    });
  }

  SimLoop* const loop_;
  base::Rng* const rng_;
  std::map<std::string, States> states_;
  bool healed_ = false;
};

inline void FakeOrigin::Get(tiers::GetRequest request, tiers::GetDone done) {
  const int64_t asked_us = loop_->now_us();
  gets_in_flight[request.key].insert(asked_us);
  auto result = std::make_shared<tiers::GetResult>();
  auto finish = std::make_shared<tiers::GetDone>(std::move(done));
  const auto delay = [this] { return 1 + static_cast<int64_t>(rng_->Below(6'000)); };
  const auto answer = [this, asked_us, key = request.key, result, finish] {
    gets_in_flight[key].erase(gets_in_flight[key].find(asked_us));
    (*finish)(*result);
  };
  uint64_t mood = healed_ ? 100 : rng_->Below(100);
  // What is written below builds on its values, so they must be allowed there.
  if (request.key.starts_with("q:") && mood >= 8 && mood < 32) mood = 100;
  if (mood < 3) {  // silent until the deadline
    result->failure = tiers::Failure::kTimeout;
    const int64_t left_us = std::max<int64_t>(1, request.deadline_us - loop_->now_us());
    loop_->AfterUs(left_us, answer);
    return;
  }
  // It reads its value some time between question and answer.
  loop_->AfterUs(delay(), [this, key = request.key, mood, delay, result, answer] {
    const States& states = states_[key];
    if (mood < 8) {
      result->failure = tiers::Failure::kRefused;
    } else if (states.empty() || !states.back().has_value()) {
      result->outcome = tiers::Outcome::kAbsent;
    } else {
      result->outcome = tiers::Outcome::kValue;
      result->value.bytes = *states.back();
      result->value.storable = mood >= 16;
      const int64_t now_ms = loop_->clock().NowMs();
      if (mood >= 16 && mood < 22) result->value.copies_until_ms = now_ms;
      if (mood >= 22 && mood < 32) {
        result->value.copies_until_ms = now_ms + 1 + static_cast<int64_t>(rng_->Below(20));
      }
    }
    loop_->AfterUs(delay(), answer);
  });
}

}  // namespace terrace::sim
