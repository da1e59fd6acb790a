#pragma once

// PushDesk: one worker's end of Messaging: which of its connections listen to what, and the pushes
// on their way to them.
//
// Promises:  pushes stand between complete replies; those that a connection causes itself stand
//            behind the reply of the command that caused them. A connection that subscribes gets
//            what is published afterwards, all of it, and nothing that was published before.
// Ownership: borrows connections; the worker says when one closes (Forget) and goes (Drop).
// Threads:   the worker's loop.
// See:       docs/messaging.md

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/buffer.h"
#include "resp/reply.h"
#include "server/messaging.h"
#include "server/settings.h"
#include "server/subscriptions.h"

namespace terrace::server {

class Worker;
struct Connection;
struct TrackingState;

class PushDesk {
 public:
  PushDesk(Worker* worker, Messaging* messaging);
  ~PushDesk();

  // ---- For commands --------------------------------------------------------------------------

  // These confirm to the connection, also what was so before.
  // REQUIRES: the connection is the one that runs; reply is the command's.
  void Subscribe(Connection& connection, NameKind kind, std::string_view name, resp::Reply& reply);
  void Unsubscribe(Connection& connection, NameKind kind, std::string_view name,
                   resp::Reply& reply);
  void UnsubscribeAll(Connection& connection, NameKind kind, resp::Reply& reply);
  // The connection gets a line for each command of anybody, until EndMonitor.
  void Monitor(Connection& connection);
  void EndMonitor(Connection& connection);

  // The connection tracks in this way from now on, until EndTracking.
  void Track(Connection& connection, TrackingState wanted);
  void EndTracking(Connection& connection);

  // Ends all that the connection listens to, silently: it closes, or RESET.
  void Forget(Connection& connection);

  // Returns how many subscriptions the message goes to.
  int64_t Publish(NameKind kind, std::string_view channel, std::string_view payload);

  // ---- For the worker ------------------------------------------------------------------------

  // This connection's requests are executed from now on; nullptr: nobody's.
  void SetRunning(Connection* connection);
  // While a script runs, others are served from within it: what its client hears is kept apart.
  void BeginBusy();
  void EndBusy();
  // Before a command of a connection that hears: what it has heard goes before the reply.
  void BeforeCommand(base::Buffer* out);
  // After each command of a connection that hears: what it has heard goes behind the reply.
  void AfterCommand(Connection& connection, base::Buffer* out);
  // The connection is about to be destroyed.
  void Drop(Connection& connection);
  // Hands out what is in the inbox.
  void Deliver();
  // What the hard limits are now.
  void set_limits(const OutputBufferLimits& limits) { limits_ = limits; }

 private:
  using Listeners = std::vector<Connection*>;
  using Names = std::unordered_map<std::string, Listeners, NameHash, std::equal_to<>>;

  Names& OfKind(NameKind kind) { return names_[static_cast<size_t>(kind)]; }
  void HandOut(const Deliveries& mail);
  void HandOut(const Message& message);
  void HandOutPublished(const Message& message);
  void PushTo(const Names& names, std::string_view name, std::string_view frame);
  void Push(Connection& connection, std::string_view frame);
  // Where a push to it goes that it must not get now; nullptr: it may.
  base::Buffer* HeldBack(Connection& connection);
  // In push_desk_tracking.cc
  void TrackingChanged(Connection& connection);
  void ForgetCaching(Connection& connection);
  void Invalidate(const Message& message);
  void SendInvalidation(Connection& connection, const std::string& keys);
  void Redirected(const Message& message);
  void RedirectBroken(const Message& message);
  void PushInvalidation(Connection& connection, std::string_view payload);
  void CheckLimit(Connection& connection);
  void Disconnect(const Message& message);
  void Confirm(Connection& connection, std::string_view what, const std::string_view* name,
               NameKind kind, resp::Reply& reply);
  bool Remove(Connection& connection, NameKind kind, std::string_view name);
  void Subscribed(Connection& connection);
  base::Buffer* OwnOutput(const Connection& connection, resp::Reply& reply) const;
  void ScheduleTurnEnd();
  void EndTurn();

  Worker* const worker_;
  Messaging* const messaging_;
  const size_t index_;
  std::array<Names, kNameKinds> names_;
  std::vector<Connection*> monitors_;
  std::vector<Connection*> trackers_;
  OutputBufferLimits limits_;

  Connection* running_ = nullptr;
  base::Buffer* own_output_ = nullptr;  // where pushes to running_ may go now; null: own_pushes_
  base::Buffer own_pushes_;             // until the reply of the command is complete
  Connection* script_ = nullptr;        // whose script runs, while others are served from within it
  base::Buffer script_pushes_;          // to it
  uint64_t cause_ = 0;                  // the client whose change is being told of
  Deliveries mail_;                     // scratch
  base::Buffer frame_;                  // scratch
  std::vector<Connection*> written_;    // have unsent output since this turn
  std::vector<Connection*> overflown_;  // are over their hard limit
  std::vector<uint64_t> disconnected_;  // were told to go
  bool turn_end_scheduled_ = false;
};

}  // namespace terrace::server
