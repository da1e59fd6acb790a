#include "tiers/migration_targets.h"

#include <algorithm>
#include <utility>

namespace terrace::tiers {

MigrationTargets::~MigrationTargets() { loop_->Cancel(idle_timer_); }

MigrationTarget* MigrationTargets::Take(const Address& address, Age age) {
  std::erase_if(idle_, [](const Kept& kept) { return kept.target->is_lost(); });
  const auto found = std::find_if(idle_.rbegin(), idle_.rend(),
                                  [&](const Kept& kept) { return kept.address == address; });
  if (found != idle_.rend() && age == Age::kAny) {
    lent_.push_back(std::move(*found));
    idle_.erase(std::next(found).base());
  } else {
    lent_.push_back(
        {address, std::make_unique<MigrationTarget>(loop_, address.host, address.port)});
  }
  CountIdle();
  return lent_.back().target.get();
}

void MigrationTargets::GiveBack(MigrationTarget* target) {
  const auto found = std::find_if(lent_.begin(), lent_.end(),
                                  [&](const Kept& kept) { return kept.target.get() == target; });
  Kept kept = std::move(*found);
  lent_.erase(found);
  if (target->is_lost()) return;
  kept.idle_since_us = loop_->clock().MonoUs();
  if (idle_.size() == kIdleMax) idle_.erase(idle_.begin());
  idle_.push_back(std::move(kept));
  CountIdle();
  if (idle_timer_ == runtime::kNoTimer) CloseIdle();
}

// Closes those that nobody has wanted for kIdleMs or that are lost, and looks again.
void MigrationTargets::CloseIdle() {
  const int64_t now_us = loop_->clock().MonoUs();
  std::erase_if(idle_, [&](const Kept& kept) {
    return kept.target->is_lost() || now_us - kept.idle_since_us >= kIdleMs * 1000;
  });
  CountIdle();
  idle_timer_ = runtime::kNoTimer;
  if (idle_.empty()) return;
  const int64_t left_ms = (idle_.front().idle_since_us + kIdleMs * 1000 - now_us) / 1000 + 1;
  idle_timer_ = loop_->After(left_ms, [this] { CloseIdle(); });
}

}  // namespace terrace::tiers
