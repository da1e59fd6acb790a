#include "server/acl_connections.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/connection.h"
#include "server/core.h"
#include "server/messaging.h"
#include "server/server.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

void SetStanding(const Core& core, Connection& connection, AclStanding standing) {
  connection.standing = std::move(standing);
  const AclUser& user = *connection.standing.user;
  const bool is_free = user.MayRunEverything() && !MustAuthenticate(core, connection);
  connection.unrestricted_at = is_free ? connection.standing.generation : 0;
}

void ShowUser(Connection& connection) {
  ClientView& view = connection.view;
  const AclUser& user = *connection.standing.user;
  view.authenticated.store(connection.authenticated, std::memory_order_relaxed);
  std::lock_guard lock(view.names_mutex);
  view.user_name = user.name();
  view.user_id = user.id();
}

// REQUIRES: the mutex of its view, or its own thread.
bool HearsOnlyWhatItMay(const AclUser& user, const Subscriptions* subscriptions) {
  if (subscriptions == nullptr) return true;
  for (const NameKind kind : {NameKind::kChannel, NameKind::kPattern, NameKind::kShardChannel}) {
    const auto& names = subscriptions->names[static_cast<size_t>(kind)];
    const bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return user.MayUseChannel(name, kind == NameKind::kPattern);
    });
    if (!all) return false;
  }
  return true;
}

// Disconnects the connections for which is_doomed, which is asked under the mutex of the view.
void DisconnectIf(const Core& core, Connection& running,
                  const std::function<bool(const Connection&)>& is_doomed) {
  if (core.server == nullptr) return;
  for (const auto& worker : core.server->workers()) {
    auto order = std::make_shared<Message>();
    order->what = Message::What::kDisconnect;
    worker->VisitClients([&](const Connection& connection) {
      auto& view = const_cast<ClientView&>(connection.view);
      std::lock_guard lock(view.names_mutex);
      if (!is_doomed(connection)) return;
      if (&connection == &running) {
        running.state = ConnectionState::kClosing;  // behind the reply
        return;
      }
      view.is_closed.store(true, std::memory_order_relaxed);  // to CLIENT LIST
      order->clients.push_back(connection.id);
    });
    if (order->clients.empty()) continue;
    core.messaging->Leave(static_cast<size_t>(worker->index()), std::move(order));
  }
}

}  // namespace

bool AclStanding::Refresh(const AclUsers& users) {
  // In this order: a change that comes between is found by the next comparison.
  const uint64_t now = users.generation();
  if (generation == now) return true;
  const AclUsers::User found = users.Find(user->name());
  if (found == nullptr || found->id() != user->id()) return false;
  user = found;
  generation = now;
  return true;
}

bool MustAuthenticate(const Core& core, const Connection& connection) {
  return !connection.authenticated && !core.users->default_is_open();
}

void BeginAsDefaultUser(const Core& core, Connection& connection) {
  AclStanding standing;
  standing.generation = core.users->generation();
  standing.user = core.users->Find(AclUsers::kDefaultName);
  connection.authenticated = standing.user->is_open();
  SetStanding(core, connection, std::move(standing));
  ShowUser(connection);
}

void BecomeUser(const Core& core, Connection& connection, AclStanding standing) {
  connection.authenticated = true;
  SetStanding(core, connection, std::move(standing));
  ShowUser(connection);
}

bool RefreshUser(const Core& core, Connection& connection) {
  if (connection.standing.generation == core.users->generation()) return true;
  AclStanding standing = connection.standing;
  if (!standing.Refresh(*core.users)) return false;
  SetStanding(core, connection, std::move(standing));
  return true;
}

void RefreshAfterOwnChange(const Core& core, Connection& connection) {
  if (RefreshUser(core, connection)) return;
  BeginAsDefaultUser(core, connection);
  connection.authenticated = false;
  connection.unrestricted_at = 0;
  connection.state = ConnectionState::kClosing;
}

void DisconnectGoneUsers(const Core& core, Connection& running) {
  DisconnectIf(core, running, [&](const Connection& connection) {
    const AclUsers::User user = core.users->Find(connection.view.user_name);
    return user == nullptr || user->id() != connection.view.user_id;
  });
}

void DisconnectRevokedSubscribers(const Core& core, const AclUser& user, Connection& running) {
  DisconnectIf(core, running, [&](const Connection& connection) {
    return connection.view.user_id == user.id() &&
           !HearsOnlyWhatItMay(user, connection.subscriptions.get());
  });
}

void CheckNewSubscriptions(const Core& core, Connection& connection) {
  if (connection.standing.generation == core.users->generation()) return;
  if (RefreshUser(core, connection) &&
      HearsOnlyWhatItMay(*connection.standing.user, connection.subscriptions.get())) {
    return;
  }
  connection.state = ConnectionState::kClosing;
}

}  // namespace terrace::server
