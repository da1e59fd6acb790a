#include "tiers/regional_pool.h"

#include <algorithm>
#include <utility>

namespace terrace::tiers {
namespace {

// How long until CLIENT UNBLOCK is sent again when it found nobody who waits: it may have overtaken
// the command that is about to.
constexpr int64_t kUnblockAgainMs = 10;
// The longest that our own small commands wait for their answers.
constexpr int64_t kOwnTimeoutUs = 1'000'000;

}  // namespace

class RegionalPool::Lease final : public RegionalLease {
 public:
  Lease(RegionalPool* pool, std::unique_ptr<LeasedConnection> connection)
      : pool_(pool),
        pool_alive_(pool->alive_),
        watch_max_ms_(pool->options_->watch_max_ms),
        connection_(std::move(connection)) {
    pool_->leases_.push_back(this);
    pool_->stats_.in_use.fetch_add(1, std::memory_order_relaxed);
  }

  ~Lease() override {
    *unanswered_ = 0;
    if (pool_alive_.expired()) return;
    std::erase(pool_->leases_, this);
    pool_->stats_.in_use.fetch_sub(1, std::memory_order_relaxed);
    pool_->GiveBack(std::move(connection_));
  }

  void Relay(RelayRequest request, RelayDone done) override {
    connection_->Relay(request, Noting(std::move(done)));
  }
  void RelayTransaction(TransactionRequest request, RelayDone done) override {
    connection_->RelayTransaction(request, Noting(std::move(done)));
  }

  void EndWait(bool with_error) override {
    if (pool_alive_.expired() || *unanswered_ == 0) return;
    if (!connection_->identity().known()) return EndWaitAgain(with_error);
    RelayRequest request;
    request.args = {"CLIENT", "UNBLOCK", connection_->identity().client_id,
                    with_error ? "ERROR" : "TIMEOUT"};
    request.deadline_us = pool_->loop_->clock().MonoUs() + kOwnTimeoutUs;
    pool_->owner_->RelayShared(std::move(request),
                               [this, with_error, unanswered = unanswered_](RelayResult result) {
                                 // The answers to both come in any order, and with that of the
                                 // command this may have gone.
                                 if (*unanswered == 0) return;
                                 if (result.failure == Failure::kNone && result.reply == ":0\r\n") {
                                   return EndWaitAgain(with_error);
                                 }
                                 // Where it cannot be asked for, the wait ends with its connection.
                                 if (result.failure != Failure::kNone || result.is_error)
                                   connection_->Close();
                               });
  }

  int64_t watch_max_ms() const override { return watch_max_ms_; }

  LeasedConnection* connection() { return connection_.get(); }

 private:
  // Counts what is on its way.
  RelayDone Noting(RelayDone done) {
    ++*unanswered_;
    return [unanswered = unanswered_, done = std::move(done)](RelayResult result) mutable {
      if (*unanswered > 0) --*unanswered;
      done(std::move(result));
    };
  }

  void EndWaitAgain(bool with_error) {
    pool_->loop_->After(kUnblockAgainMs, [this, with_error, unanswered = unanswered_] {
      if (*unanswered > 0) EndWait(with_error);
    });
  }

  RegionalPool* const pool_;
  const std::weak_ptr<bool> pool_alive_;
  const int64_t watch_max_ms_;
  std::unique_ptr<LeasedConnection> connection_;
  const std::shared_ptr<int> unanswered_ = std::make_shared<int>(0);  // 0 once this has gone
};

RegionalPool::RegionalPool(const RegionalOptions* options, runtime::Loop* loop, Owner* owner)
    : options_(options), loop_(loop), owner_(owner) {
  stats_.max = static_cast<int64_t>(options->leases_max);
}

RegionalPool::~RegionalPool() { loop_->Cancel(idle_timer_); }

std::unique_ptr<RegionalLease> RegionalPool::Take(const std::string& address,
                                                  const std::string& run_id) {
  std::unique_ptr<LeasedConnection> connection;
  while (!idle_.empty() && connection == nullptr) {
    if (!idle_.back().connection->is_lost()) connection = std::move(idle_.back().connection);
    idle_.pop_back();
  }
  CountIdle();
  if (connection == nullptr) {
    if (is_closed_ || leases_.size() >= options_->leases_max) {
      stats_.refused.fetch_add(1, std::memory_order_relaxed);
      return nullptr;
    }
    stats_.opened.fetch_add(1, std::memory_order_relaxed);
    connection = std::make_unique<LeasedConnection>(
        options_, loop_, address, run_id,
        [this, alive = std::weak_ptr<bool>(alive_)](LeasedConnection& lost) {
          if (!alive.expired()) FenceIfBusy(lost);
        });
  }
  return std::make_unique<Lease>(this, std::move(connection));
}

void RegionalPool::GiveBack(std::unique_ptr<LeasedConnection> connection) {
  if (is_closed_ || connection->is_lost() || connection->is_busy()) {
    if (!connection->is_lost()) FenceIfBusy(*connection);
    return CloseSoon(std::move(connection));
  }
  if (connection->is_watching()) {
    RelayRequest unwatch;
    unwatch.args = {"UNWATCH"};
    unwatch.deadline_us = loop_->clock().MonoUs() + kOwnTimeoutUs;
    connection->Relay(unwatch, [](RelayResult) {});
  }
  idle_.push_back({std::move(connection), loop_->clock().MonoUs()});
  CountIdle();
  if (idle_timer_ == runtime::kNoTimer) CloseIdle();
}

// Not at once: it may be in the middle of telling somebody.
void RegionalPool::CloseSoon(std::unique_ptr<LeasedConnection> connection) {
  loop_->Post([connection = std::move(connection)] { connection->Close(); });
}

// What it has on its way must not be executed after what is asked of the tier from now on.
void RegionalPool::FenceIfBusy(const LeasedConnection& connection) {
  if (connection.is_busy() && connection.identity().known()) {
    owner_->Fence(connection.identity());
  }
}

// Closes those that nobody has wanted for lease_idle_ms, and looks again.
void RegionalPool::CloseIdle() {
  const int64_t keep_us = options_->lease_idle_ms * 1000;
  const int64_t now_us = loop_->clock().MonoUs();
  std::erase_if(idle_, [&](const Idle& idle) {
    return idle.connection->is_lost() || now_us - idle.since_us >= keep_us;
  });
  CountIdle();
  idle_timer_ = runtime::kNoTimer;
  if (idle_.empty()) return;
  const int64_t left_ms = (idle_.front().since_us + keep_us - now_us) / 1000 + 1;
  idle_timer_ = loop_->After(left_ms, [this] { CloseIdle(); });
}

void RegionalPool::CountIdle() {
  stats_.idle.store(static_cast<int64_t>(idle_.size()), std::memory_order_relaxed);
}

void RegionalPool::Close() {
  is_closed_ = true;
  idle_.clear();
  CountIdle();
  // Whoever is told may end his lease.
  const std::vector<Lease*> leases = leases_;
  for (Lease* lease : leases) {
    if (std::find(leases_.begin(), leases_.end(), lease) != leases_.end()) {
      lease->connection()->Close();
    }
  }
}

}  // namespace terrace::tiers
