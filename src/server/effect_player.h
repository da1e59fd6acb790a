#pragma once

// EffectPlayer: repeats changes that were made before, as an append-only file holds them.
//
// Promises:  nothing expires meanwhile, nothing is evicted, nobody is told. What changes keys of
//            routes with lower tiers is left out. A command that fails is counted: one that had
//            failed would not be there.
// Ownership: core and worker outlive it.
// Threads:   REQUIRES the locks of all shards, or that nobody is served yet.
// Errors:    a command that repeats no change ends the playing.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "commands/limits.h"
#include "replication/command_log.h"
#include "server/connection.h"
#include "server/core.h"

namespace terrace::server {

class Persistence;
class Worker;

class EffectPlayer : public replication::CommandSink {
 public:
  EffectPlayer(Core* core, const Persistence* persistence, Worker* worker);

  std::string OnCommand(std::span<const std::string_view> arguments) override;

  uint64_t failed() const { return failed_; }
  const std::string& first_error() const { return first_error_; }

 private:
  std::string Select(std::span<const std::string_view> arguments);
  void Run(const commands::Command& command, std::span<const std::string_view> arguments);

  Core* const core_;
  const Persistence* const persistence_;
  const std::shared_ptr<const commands::Limits> limits_;
  Connection session_;
  base::Buffer replies_;
  std::vector<int> positions_;
  std::vector<uint64_t> hashes_;
  uint64_t failed_ = 0;
  std::string first_error_;
};

}  // namespace terrace::server
