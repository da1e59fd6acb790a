#pragma once

// The subcommands of DEBUG that look at or go through the data set.

#include "commands/call.h"

namespace terrace::server {

void DebugObject(commands::Call& call);
// Fingerprints of the whole data set and of single values; see keyspace/digest.h.
void DebugDigest(commands::Call& call);
void DebugDigestValue(commands::Call& call);
// Writes every value as a payload and reads it back, as a restart from a snapshot would. Copies of
// lower tiers stay as they are.
void DebugReload(commands::Call& call);

}  // namespace terrace::server
