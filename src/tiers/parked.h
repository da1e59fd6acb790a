#pragma once

// ParkedRequest: a request that waits for lower tiers: what it awaits and what has come so far. The
// connection and the fetches share it; it outlives a connection that closes meanwhile.
//
// Promises:  wake runs exactly once for each Await-ed wait, when nothing is awaited any more, on
//            the connection's loop, never inside a call of the resolver.
// Threads:   confined to the connection's loop, except Deliver*, which any thread may call: it
// posts
//            to that loop.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "runtime/loop.h"
#include "tiers/regional.h"
#include "tiers/upstream.h"

namespace terrace::tiers {

// What a fetch found, shared by all its waiters.
struct FetchResult {
  Outcome outcome = Outcome::kFailed;
  Value value;
  Failure failure = Failure::kNone;
  std::string detail;    // "regional main: ..." of a failure
  uint32_t version = 0;  // the key's write version when the fetch began
  bool from_origin = false;
};

class ParkedRequest : public std::enable_shared_from_this<ParkedRequest> {
 public:
  explicit ParkedRequest(runtime::Loop* loop) : loop_(loop) {}

  // What to do when nothing is awaited any more. Set before the loop's next turn.
  void OnWake(base::Function<void()> wake) { wake_ = std::move(wake); }

  // One more answer is awaited. REQUIRES: the connection's loop.
  void Await() { ++awaited_; }
  int awaited() const { return awaited_; }
  // Has nothing been awaited or answered yet? Then it can serve another request.
  bool is_unused() const { return awaited_ == 0 && results_.empty() && relays_.empty(); }

  // The answer for a key, or of a relayed command. Each ends one wait.
  void DeliverFetch(std::string key, std::shared_ptr<const FetchResult> result) {
    loop_->Post([self = shared_from_this(), key = std::move(key), result = std::move(result)] {
      self->results_.push_back({key, result});
      self->Arrived();
    });
  }
  void DeliverRelay(size_t part, RelayResult result) {
    auto shared = std::make_shared<RelayResult>(std::move(result));
    loop_->Post([self = shared_from_this(), part, shared] {
      if (self->relays_.size() <= part) self->relays_.resize(part + 1);
      self->relays_[part] = std::move(*shared);
      self->Arrived();
    });
  }

  // The latest answer for this key, or nullptr.
  const FetchResult* Find(std::string_view key) const {
    for (auto it = results_.rbegin(); it != results_.rend(); ++it) {
      if (it->key == key) return it->result.get();
    }
    return nullptr;
  }
  const std::vector<std::optional<RelayResult>>& relays() const { return relays_; }

  // Is what an origin has to be in the regional tier before this goes on? Set before anything is
  // awaited.
  bool awaits_stores = false;
  // How often this request has parked.
  int rounds = 0;
  int64_t parked_us = 0;  // when it first parked

 private:
  struct Result {
    std::string key;
    std::shared_ptr<const FetchResult> result;
  };
  void Arrived() {
    if (--awaited_ == 0 && wake_) wake_();
  }

  runtime::Loop* const loop_;
  base::Function<void()> wake_;
  int awaited_ = 0;
  std::vector<Result> results_;
  std::vector<std::optional<RelayResult>> relays_;
};

}  // namespace terrace::tiers
