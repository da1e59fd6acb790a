#pragma once

// MigrationTargets: one worker's connections to servers that keys are migrated to: lent to one
// migration at a time, and kept for the next one for a while.
//
// Promises:  a connection is only lent to who names the same host, port and login, so that nobody
//            migrates with another's rights. At most kIdleMax are kept, each for kIdleMs.
// Ownership: owns them all; the loop outlives it. Destroying it drops what is under way.
// Threads:   loop-confined, except idle_count().

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/loop.h"
#include "tiers/migration_target.h"

namespace terrace::tiers {

class MigrationTargets {
 public:
  // As many as Redis keeps, and for as long.
  static constexpr size_t kIdleMax = 64;
  static constexpr int64_t kIdleMs = 10'000;

  struct Address {
    std::string host;
    int port = 0;
    std::vector<std::string> login;
    bool operator==(const Address&) const = default;
  };

  explicit MigrationTargets(runtime::Loop* loop) : loop_(loop) {}
  ~MigrationTargets();

  // kAny: one that was kept, if there is one. kNew: those that are kept may all have been closed by
  // a server that has begun anew.
  enum class Age : uint8_t { kAny, kNew };
  MigrationTarget* Take(const Address& address, Age age);
  // REQUIRES: nothing of the borrower's is under way on it.
  void GiveBack(MigrationTarget* target);

  // What INFO calls migrate_cached_sockets. Any thread.
  size_t idle_count() const { return idle_count_.load(std::memory_order_relaxed); }

 private:
  struct Kept {
    Address address;
    std::unique_ptr<MigrationTarget> target;
    int64_t idle_since_us = 0;
  };

  void CloseIdle();
  void CountIdle() { idle_count_.store(idle_.size(), std::memory_order_relaxed); }

  runtime::Loop* const loop_;
  std::vector<Kept> lent_;
  std::vector<Kept> idle_;  // the one used last is at the end
  std::atomic<size_t> idle_count_{0};
  runtime::TimerId idle_timer_ = runtime::kNoTimer;
};

}  // namespace terrace::tiers
