#pragma once

// Which connection is which user, and the disconnecting of those whose user has lost a right.
//
// Threads: the loop of the connection's worker, except where stated.
// See:     docs/acl.md

#include <cstdint>
#include <functional>
#include <memory>

#include "server/acl_users.h"

namespace terrace::server {

struct Connection;
struct Core;

// What a connection knows of its user; also what goes along with it where it waits.
struct AclStanding {
  AclUsers::User user;      // null before the first
  uint64_t generation = 0;  // at which user was what the table has

  // Brings user up to date; false when the user is gone.
  [[nodiscard]] bool Refresh(const AclUsers& users);
};

// A connection that has just begun, or RESET: the default user, authenticated if that is open.
void BeginAsDefaultUser(const Core& core, Connection& connection);
// It has authenticated as this user, which was found at this generation.
void BecomeUser(const Core& core, Connection& connection, AclStanding standing);
// Brings its rights up to date; false when its user is gone: it is to be closed.
[[nodiscard]] bool RefreshUser(const Core& core, Connection& connection);
// After a change that the connection itself has made: closes it behind the reply if its user is
// gone.
void RefreshAfterOwnChange(const Core& core, Connection& connection);

// Has a client to authenticate before it may run commands?
bool MustAuthenticate(const Core& core, const Connection& connection);

// Disconnects every connection whose user is gone. On any worker's thread, from within a command
// of running.
void DisconnectGoneUsers(const Core& core, Connection& running);
// Disconnects those of this user that are subscribed to what it may not hear. Likewise.
void DisconnectRevokedSubscribers(const Core& core, const AclUser& user, Connection& running);
// A connection has subscribed: was a permission taken away meanwhile? Closes it then.
void CheckNewSubscriptions(const Core& core, Connection& connection);

}  // namespace terrace::server
