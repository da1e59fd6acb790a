// PushDesk: invalidations, and the lines of MONITOR.

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "resp/reply.h"
#include "server/acl_users.h"
#include "server/connection.h"
#include "server/push_desk.h"
#include "server/tracking.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

// The number behind the first byte of *bytes, which goes on behind the line.
size_t TakeNumber(std::string_view* bytes) {
  size_t number = 0;
  std::from_chars(bytes->data() + 1, bytes->data() + bytes->size(), number);
  bytes->remove_prefix(bytes->find('\n') + 1);
  return number;
}

// An array of those keys of an array that the user may read, or "".
std::string ReadableKeys(std::string_view keys, const AclUser& user) {
  base::Buffer readable;
  resp::Reply writer(&readable);
  size_t count = 0;
  for (size_t left = TakeNumber(&keys); left > 0; --left) {
    const size_t size = TakeNumber(&keys);
    const std::string_view key = keys.substr(0, size);
    keys.remove_prefix(size + 2);
    if (!user.MayAccess(key, commands::kKeyRead)) continue;
    writer.Bulk(key);
    ++count;
  }
  return count == 0 ? "" : "*" + std::to_string(count) + "\r\n" + std::string(readable.view());
}

}  // namespace

// ---- MONITOR -----------------------------------------------------------------------------------

void PushDesk::Monitor(Connection& connection) {
  if (connection.is_monitor) return;
  connection.is_monitor = true;
  connection.view.is_monitor.store(true, std::memory_order_relaxed);
  monitors_.push_back(&connection);
  Deliveries before;
  messaging_->ChangeMonitors(index_, 1, &before);
  HandOut(before);
  connection.hears = true;
}

void PushDesk::EndMonitor(Connection& connection) {
  if (!connection.is_monitor) return;
  connection.is_monitor = false;
  connection.view.is_monitor.store(false, std::memory_order_relaxed);
  Deliveries before;
  messaging_->ChangeMonitors(index_, -1, &before);
  HandOut(before);
  std::erase(monitors_, &connection);
}

// ---- Tracking ----------------------------------------------------------------------------------

void PushDesk::Track(Connection& connection, TrackingState wanted) {
  Tracking& tracking = *worker_->core().tracking;
  const Tracking::Client client{connection.id, index_};
  std::vector<std::string> prefixes;
  if (connection.tracking == nullptr) {
    tracking.Start(client);
    trackers_.push_back(&connection);
  } else {
    prefixes = std::move(connection.tracking->prefixes);
  }
  if (wanted.is_broadcast && wanted.prefixes.empty()) wanted.prefixes.emplace_back();
  for (std::string& prefix : wanted.prefixes) {
    if (std::find(prefixes.begin(), prefixes.end(), prefix) == prefixes.end()) {
      prefixes.push_back(std::move(prefix));
    }
  }
  // Again, for who changes NOLOOP.
  for (const std::string& prefix : prefixes) {
    tracking.RemovePrefix(client, prefix);
    tracking.AddPrefix(client, prefix, wanted.no_loop);
  }
  wanted.prefixes = std::move(prefixes);
  connection.tracking = std::make_unique<TrackingState>(std::move(wanted));
  TrackingChanged(connection);
}

void PushDesk::EndTracking(Connection& connection) {
  if (connection.tracking == nullptr) return;
  Tracking& tracking = *worker_->core().tracking;
  for (const std::string& prefix : connection.tracking->prefixes) {
    tracking.RemovePrefix({connection.id, index_}, prefix);
  }
  tracking.Stop({connection.id, index_});
  std::erase(trackers_, &connection);
  connection.tracking.reset();
  TrackingChanged(connection);
}

void PushDesk::TrackingChanged(Connection& connection) {
  const TrackingState* state = connection.tracking.get();
  connection.tracks_reads = state != nullptr && state->TracksReads();
  connection.hears = true;
  ClientView& view = connection.view;
  view.is_tracking.store(state != nullptr, std::memory_order_relaxed);
  view.is_broadcast.store(state != nullptr && state->is_broadcast, std::memory_order_relaxed);
  view.is_redirect_broken.store(state != nullptr && state->is_redirect_broken,
                                std::memory_order_relaxed);
  view.redirect.store(state != nullptr ? static_cast<int64_t>(state->redirect) : -1,
                      std::memory_order_relaxed);
}

// CLIENT CACHING speaks of the next command only.
void PushDesk::ForgetCaching(Connection& connection) {
  if (connection.tracking == nullptr || !connection.tracking->is_caching_given) return;
  const commands::Command* last = connection.view.last_command.load(std::memory_order_relaxed);
  const bool is_client = last != nullptr && last->name.starts_with("client");
  if (is_client || (connection.detours & Connection::kQueues) != 0) return;
  connection.tracking->is_caching_given = false;
  connection.tracks_reads = connection.tracking->TracksReads();
}

void PushDesk::Invalidate(const Message& message) {
  cause_ = message.writer;
  if (message.clients.empty()) {
    // Everything has changed.
    for (Connection* connection : trackers_) SendInvalidation(*connection, message.payload);
  }
  for (const uint64_t id : message.clients) {
    Connection* const connection = worker_->Find(id);
    if (connection == nullptr || connection->tracking == nullptr) continue;
    const TrackingState& state = *connection->tracking;
    if (state.is_broadcast != message.is_broadcast) continue;
    if (!message.is_broadcast && state.no_loop && id == message.writer) continue;
    SendInvalidation(*connection, message.payload);
  }
  cause_ = 0;
}

// keys: an array, or empty: all of them.
void PushDesk::SendInvalidation(Connection& connection, const std::string& keys) {
  const TrackingState& state = *connection.tracking;
  const std::string_view null = connection.protocol >= 3 ? "_\r\n" : "$-1\r\n";
  const std::string_view payload = keys.empty() ? null : std::string_view(keys);
  if (state.redirect == 0) {
    if (connection.protocol >= 3) PushInvalidation(connection, payload);
    return;
  }
  auto message = std::make_shared<Message>();
  message->what = Message::What::kRedirected;
  message->payload = std::string(payload);
  message->clients = {state.redirect};
  message->writer = connection.id;
  message->writer_worker = index_;
  if (state.redirect_worker == index_) {
    Redirected(*message);
  } else {
    messaging_->Leave(state.redirect_worker, std::move(message));
  }
}

// An invalidation for a connection of this worker, in place of one that may be elsewhere.
void PushDesk::Redirected(const Message& message) {
  Connection* const target = worker_->Find(message.clients[0]);
  if (target != nullptr && target->state != ConnectionState::kClosed) {
    // A RESP2 connection understands it as a message, if it subscribes to any.
    if (target->protocol >= 3 || target->is_subscriber) PushInvalidation(*target, message.payload);
    return;
  }
  auto broken = std::make_shared<Message>();
  broken->what = Message::What::kRedirectBroken;
  broken->clients = {message.writer};
  if (message.writer_worker == index_) {
    RedirectBroken(*broken);
  } else {
    messaging_->Leave(message.writer_worker, std::move(broken));
  }
}

void PushDesk::RedirectBroken(const Message& message) {
  Connection* const connection = worker_->Find(message.clients[0]);
  if (connection == nullptr || connection->tracking == nullptr) return;
  connection->tracking->is_redirect_broken = true;
  connection->view.is_redirect_broken.store(true, std::memory_order_relaxed);
  if (connection->protocol < 3) return;
  base::Buffer frame;
  resp::Reply writer(&frame);
  writer.Array(2);
  writer.Bulk("tracking-redir-broken");
  writer.Integer(static_cast<int64_t>(connection->tracking->redirect));
  Push(*connection, frame.view());
}

// payload: an array of keys, or a null. Who receives it hears only of keys that its user may read.
void PushDesk::PushInvalidation(Connection& connection, std::string_view payload) {
  const Core& core = worker_->core();
  std::string readable;
  if (connection.unrestricted_at != core.users->generation()) [[unlikely]] {
    // A copy: what runs on the connection goes on with the rights that it began with.
    AclStanding standing = connection.standing;
    if (!standing.Refresh(*core.users)) return;
    if (payload.starts_with('*')) {
      readable = ReadableKeys(payload, *standing.user);
      if (readable.empty()) return;
      payload = readable;
    }
  }
  base::Buffer frame;
  resp::Reply writer(&frame);
  if (connection.protocol >= 3) {
    writer.Array(2);
    writer.Bulk("invalidate");
  } else {
    writer.Array(3);
    writer.Bulk("message");
    writer.Bulk("__redis__:invalidate");
  }
  writer.Raw(payload);
  Push(connection, frame.view());
}

}  // namespace terrace::server
