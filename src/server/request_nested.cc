// Commands that run inside a command (EXEC, EVAL), under its locks; see commands::Executor.

#include "base/hash.h"
#include "commands/call.h"
#include "server/core.h"
#include "server/request.h"
#include "server/stats.h"

namespace terrace::server {

RequestPath::NestedKeys RequestPath::FindNestedKeys(const commands::Command& command,
                                                    commands::Args args) const {
  NestedKeys keys;
  if (command.has(commands::kNoLocks)) return keys;
  if (!commands::FindKeys(command, args, &keys.positions)) keys.positions.clear();
  keys.hashes.resize(args.size());
  for (const int position : keys.positions) {
    const auto at = static_cast<size_t>(position);
    keys.hashes[at] = base::HashBytes(args[at], core_->keyspace->hash_seed());
  }
  return keys;
}

std::string RequestPath::WhyWritesStopped() const {
  const uint8_t stopped = core_->hot.writes_stopped.load(std::memory_order_relaxed);
  return stopped == 0 ? std::string() : WritesStoppedError(core_->hot, stopped);
}

bool RequestPath::HoldsAllLocks() const { return held_ == core_->keyspace->AllShards(); }

// Those that chose the locks know what will run. This is for their mistakes: a command that touches
// what is not locked must not run.
bool RequestPath::Covers(const Work& work) const {
  if (HoldsAllLocks()) return true;
  if (work.command->has(commands::kTakesLocks)) return false;
  return (ShardsOf(work) & ~held_) == 0;
}

void RequestPath::Run(const commands::Command& command, commands::Args args,
                      commands::Session& session, resp::Reply& reply) {
  const uint64_t begin_cycles = runtime::ReadCycles();
  const NestedKeys keys = FindNestedKeys(command, args);
  const Work work{&command, args, keys.hashes.data(), keys.positions};
  keyspace::Database database(core_->keyspace, session.database, now_ms_);
  tiers::Overlay overlay;
  const std::string stopped = command.has(commands::kWrite) ? WhyWritesStopped() : std::string();
  const std::string error = !stopped.empty() ? stopped
                            : Covers(work)   ? ResolveNested(work, database, &overlay)
                                             : "ERR '" + std::string(command.name) +
                                                 "' needs keys that are not locked here";
  ++nested_depth_;
  if (error.empty()) {
    Call(session, work, database, reply, nullptr);
  } else {
    reply.Error(error);
  }
  Count(command, args, begin_cycles, reply);
  --nested_depth_;
}

int64_t RequestPath::BeginUnit() {
  const int64_t now_us = core_->clock->NowUs();
  if (nested_depth_ == 0) {
    unit_begin_us_ = now_us;
    unit_wall_us_ = 0;
    now_ms_ = now_us / 1000;
  }
  return now_us;
}

int64_t RequestPath::WallUs() const {
  if (nested_depth_ == 0) return core_->clock->WallUs();
  if (unit_wall_us_ == 0) {
    unit_wall_us_ = core_->clock->WallUs() - (core_->clock->NowUs() - unit_begin_us_);
  }
  return unit_wall_us_;
}

void RequestPath::CountRefused(const commands::Command* command, std::string_view code) {
  if (command != nullptr) stats_->commands[static_cast<size_t>(command->id)].rejected.Add();
  CountError(code);
}

// Makes the keys of a nested command present or absent without waiting: the outer command has
// resolved the keys that it declares. "" or the error; what is being fetched will be there soon.
std::string RequestPath::ResolveNested(const Work& work, keyspace::Database& database,
                                       tiers::Overlay* overlay) {
  if (core_->resolver == nullptr || work.key_count() == 0) return "";
  std::vector<std::string_view> views;
  std::vector<keyspace::Key> keys;
  for (size_t i = 0; i < work.key_count(); ++i) {
    views.push_back(work.key(i));
    keys.push_back(work.AsKey(i));
  }
  const tiers::Access access = AccessOf(work);
  const tiers::Resolver::Plan plan = core_->resolver->MakePlan(access, views);
  switch (plan.where) {
    case tiers::Resolver::Where::kLocal:
      return "";
    case tiers::Resolver::Where::kRefused:
      return plan.error;
    case tiers::Resolver::Where::kRelay:
    case tiers::Resolver::Where::kSplit:
      return "TIER '" + std::string(work.command->name) +
             "' would run on the regional tier, which a transaction or script here cannot include";
    case tiers::Resolver::Where::kResolve:
      break;
  }
  const tiers::Resolver::Outcome outcome =
      core_->resolver->Resolve(database, access, keys, ParkedOf(*running_), overlay);
  if (outcome.state != tiers::Resolver::State::kAwaiting) return outcome.error;
  return "TIER a key of '" + std::string(work.command->name) +
         "' is not in the local tier and is being fetched; declare the key, or try again";
}

}  // namespace terrace::server
