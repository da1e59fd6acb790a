#pragma once

// Waiter: a blocked client: the command that it waits to have run, and where it stands in line. See
// docs/waiting.md.
//
// Promises:  ends once: Claim is true for the first who asks.
// Ownership: shared by its connection and by whoever ends it.
// Threads:   made and forgotten on its connection's loop. Its places in line are under the locks of
//            shards(); who ends it takes these, then claims it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "commands/session.h"
#include "commands/wait.h"
#include "keyspace/keyspace.h"
#include "runtime/loop.h"
#include "server/acl_connections.h"

namespace terrace::server {

class Worker;

class Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  struct Place : keyspace::KeyWaiter {
    Waiter* waiter = nullptr;
  };
  enum class End : uint8_t {
    kServed,   // answer is the reply
    kRunHere,  // its own loop must run the command again: keys have lower tiers, or to refuse it
  };

  Waiter(Worker* owner, const commands::Session& of, const commands::Command* row,
         commands::Args args, std::span<const int> key_positions, const uint64_t* hashes,
         commands::Wait asked);

  // REQUIRES (all three): the locks of shards().
  void JoinLines(keyspace::Keyspace& keyspace);
  void LeaveLines(keyspace::Keyspace& keyspace);
  bool Claim() { return !is_over_.exchange(true); }
  bool is_over() const { return is_over_.load(); }  // any thread

  Worker* const worker;
  commands::Session session;  // as it was
  const commands::Command* const command;
  const commands::Wait wait;
  bool runs_at_home = false;  // see kRunHere
  bool tracks_reads = false;  // its client hears of changes of what it reads
  AclStanding standing;       // its user; under the locks of shards()
  runtime::TimerId timer = runtime::kNoTimer;

  keyspace::ShardSet shards() const { return shards_; }
  const std::vector<std::string_view>& args() const { return views_; }
  const std::vector<uint64_t>& hashes() const { return hashes_; }
  std::span<const int> key_positions() const { return positions_; }

  // Set by who has claimed it, before the owner's loop is told.
  End end = End::kServed;
  std::string answer;

 private:
  std::vector<std::string> arguments_;
  std::vector<std::string_view> views_;
  std::vector<uint64_t> hashes_;
  std::vector<int> positions_;
  keyspace::ShardSet shards_ = 0;
  std::vector<std::unique_ptr<Place>> places_;
  std::atomic<bool> is_over_{false};
};

}  // namespace terrace::server
