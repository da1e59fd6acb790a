#include "server/under_locks.h"

#include <utility>

#include "server/worker.h"

namespace terrace::server {

void RunUnderLocks(Worker& worker, keyspace::ShardSet shards, base::Task task) {
  using Patience = keyspace::ShardLock::Patience;
  keyspace::Keyspace& keyspace = *worker.core().keyspace;
  {
    const bool may_wait = !worker.is_within_script() && !keyspace.HoldsLock();
    keyspace::ShardLock lock(keyspace, shards, may_wait ? Patience::kEndless : Patience::kNone);
    if (lock.is_held()) return task();
  }
  worker.loop().Post([&worker, shards, task = std::move(task)]() mutable {
    RunUnderLocks(worker, shards, std::move(task));
  });
}

}  // namespace terrace::server
