#pragma once

// What takes shard locks at any moment, also where its thread must not wait for one: a connection
// that closes gives up its place in line and its watches, even when that happens while a script of
// its thread runs under the locks of a few shards. To wait for more then could be for ever.

#include "base/task.h"
#include "keyspace/keyspace.h"

namespace terrace::server {

class Worker;

// Runs the task under these locks: now, or soon on the worker's loop where some would have to be
// waited for while the thread holds others, or serves its clients from within a script.
// REQUIRES: the calling thread is the worker's.
void RunUnderLocks(Worker& worker, keyspace::ShardSet shards, base::Task task);

}  // namespace terrace::server
