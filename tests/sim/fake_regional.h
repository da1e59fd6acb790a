#pragma once

// FakeRegional: the regional tier as a small Redis in memory behind an unreliable connection. It
// keeps exactly what RegionalTier promises and nothing more: commands execute in the order given,
// late answers become timeouts although the command still executes, a lost connection fails what is
// in flight although some of it still executes, but never after the next generation has begun.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "sim/sim_loop.h"
#include "tiers/regional_lease.h"

namespace terrace::sim {

class FakeRegional : public tiers::RegionalTier {
 public:
  FakeRegional(SimLoop* loop, base::Rng* rng) : loop_(loop), rng_(rng) {}

  std::string_view name() const override { return "main"; }
  void Get(tiers::GetRequest request, tiers::GetDone done) override;
  void Put(tiers::PutRequest request, tiers::PutDone done) override;
  void Invalidate(int database, std::string key, int64_t deadline_us, tiers::PutDone done) override;
  void Relay(tiers::RelayRequest request, tiers::RelayDone done) override;
  void RelayTransaction(tiers::TransactionRequest request, tiers::RelayDone done) override;
  std::unique_ptr<tiers::RegionalLease> Lease(tiers::Failure* failure, std::string*) override {
    *failure = tiers::Failure::kOverloaded;
    return nullptr;
  }
  uint64_t generation() const override { return generation_; }
  void OnNewGeneration(base::Function<void(uint64_t)> callback) override {
    on_new_generation_ = std::move(callback);
  }
  tiers::Health health() const override { return {}; }
  void Close(base::Task done) override { loop_->Post(std::move(done)); }

  // ---- What the simulation does to it ---------------------------------------------------------

  void Connect();
  // Loses the connection; it comes back after down_us.
  void Lose(int64_t down_us);
  bool connected() const { return connected_; }
  // Somebody else writes a string there, at once.
  void Write(const std::string& key, std::string value) { items_[key] = {std::move(value)}; }
  // Executes nothing for a while.
  void Stall(int64_t span_us) { next_us_ = std::max(next_us_, loop_->now_us() + span_us); }
  // Executes, but its answers take so much longer.
  void StallAnswers(int64_t span_us) {
    next_answer_us_ = std::max(next_answer_us_, loop_->now_us() + span_us);
  }
  // No more nonsense and no more waiting: the end of a run must be able to settle.
  void Heal() { healed_ = true; }

  // The reads on the way now: when each was asked.
  std::map<std::string, std::multiset<int64_t>> gets_in_flight;

 private:
  struct Item {
    std::string value;
    int64_t deadline_ms = -1;
  };
  struct Command {
    base::Function<void()> execute;               // on the server; remembers its answer
    base::Function<void(tiers::Failure)> finish;  // kNone: with the answer
    bool finished = false;
  };
  using CommandPtr = std::shared_ptr<Command>;

  void SubmitRelay(int64_t deadline_us, base::Function<std::string()> execute,
                   tiers::RelayDone done);
  void Submit(CommandPtr command, int64_t deadline_us);
  void SendNow(CommandPtr command);
  void Finish(const CommandPtr& command, tiers::Failure failure);
  Item* Find(const std::string& key);
  std::string Execute(const std::vector<std::string>& args);
  int64_t Delay();

  SimLoop* const loop_;
  base::Rng* const rng_;
  base::Function<void(uint64_t)> on_new_generation_;
  std::map<std::string, Item> items_;
  bool connected_ = false;
  bool healed_ = false;
  uint64_t generation_ = 0;
  int64_t next_us_ = 0;  // the server is busy until then
  int64_t next_answer_us_ = 0;
  std::deque<CommandPtr> unsent_;    // wait for a connection
  std::deque<CommandPtr> sent_;      // not yet executed
  std::deque<CommandPtr> executed_;  // not yet answered
};

}  // namespace terrace::sim
