#pragma once

// The subcommands of DEBUG that look at or go through the data set.

#include "commands/call.h"

namespace terrace::server {

void DebugObject(commands::Call& call);
// Fingerprints of the whole data set and of single values; see keyspace/digest.h.
void DebugDigest(commands::Call& call);
void DebugDigestValue(commands::Call& call);
// Makes keys prefix:0, prefix:1 ... that are not there yet, of values of a size.
void DebugPopulate(commands::Call& call);
// Writes a snapshot, empties the keyspace and loads the snapshot, or what of these is asked for.
// Keys of routes with lower tiers stay as they are.
void DebugReload(commands::Call& call);
// Empties the keyspace and loads the append-only files, likewise.
void DebugLoadAof(commands::Call& call);

}  // namespace terrace::server
