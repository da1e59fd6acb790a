#pragma once

// LoadAppendOnly: what the files of an append-only directory hold, put into the keyspace.
//
// Threads: REQUIRES the locks of all shards, or that nobody is served yet.
// Errors:  texts that name the file; "": done.

#include <string>

#include "replication/append_only_place.h"
#include "server/core.h"
#include "server/persistence.h"
#include "server/settings.h"

namespace terrace::server {

class Worker;

// The end of the last file is cut off where it is not whole and aof-load-truncated allows it.
[[nodiscard]] std::string LoadAppendOnly(Core* core, Persistence* persistence,
                                         const Settings& settings,
                                         const replication::AppendOnlyPlace& place,
                                         const replication::AppendOnlyManifest& manifest,
                                         Worker* worker);

}  // namespace terrace::server
