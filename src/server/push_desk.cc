#include "server/push_desk.h"

#include <algorithm>
#include <utility>

#include "server/acl_connections.h"
#include "server/connection.h"
#include "server/tracking.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

constexpr std::string_view kSubscribed[] = {"subscribe", "psubscribe", "ssubscribe"};
constexpr std::string_view kUnsubscribed[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};

std::string_view WordFor(const std::string_view (&words)[kNameKinds], NameKind kind) {
  return words[static_cast<size_t>(kind)];
}

// Sets a value for a scope.
template <typename T>
class Scoped {
 public:
  Scoped(T* place, T value) : place_(place), before_(std::exchange(*place, value)) {}
  ~Scoped() { *place_ = before_; }
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;

 private:
  T* const place_;
  const T before_;
};

}  // namespace

PushDesk::PushDesk(Worker* worker, Messaging* messaging)
    : worker_(worker), messaging_(messaging), index_(static_cast<size_t>(worker->index())) {
  messaging_->OnWake(index_, {.by_others = [this] { worker_->loop().Post([this] { Deliver(); }); },
                              .by_itself = [this] { ScheduleTurnEnd(); }});
}

PushDesk::~PushDesk() = default;

// ---- Subscribing -------------------------------------------------------------------------------

void PushDesk::Subscribe(Connection& connection, NameKind kind, std::string_view name,
                         resp::Reply& reply) {
  bool is_new;
  {
    std::lock_guard lock(connection.view.names_mutex);
    if (connection.subscriptions == nullptr) {
      connection.subscriptions = std::make_unique<Subscriptions>();
    }
    is_new = connection.subscriptions->OfKind(kind).emplace(name).second;
  }
  if (is_new) {
    Deliveries before;
    messaging_->Subscribe(index_, kind, name, &before);
    {
      const Scoped<base::Buffer*> own(&own_output_, OwnOutput(connection, reply));
      HandOut(before);
    }
    OfKind(kind)[std::string(name)].push_back(&connection);
  }
  Subscribed(connection);
  CheckNewSubscriptions(worker_->core(), connection);
  Confirm(connection, WordFor(kSubscribed, kind), &name, kind, reply);
}

void PushDesk::Unsubscribe(Connection& connection, NameKind kind, std::string_view name,
                           resp::Reply& reply) {
  {
    const Scoped<base::Buffer*> own(&own_output_, OwnOutput(connection, reply));
    Remove(connection, kind, name);
  }
  Subscribed(connection);
  Confirm(connection, WordFor(kUnsubscribed, kind), &name, kind, reply);
}

void PushDesk::UnsubscribeAll(Connection& connection, NameKind kind, resp::Reply& reply) {
  Subscriptions::NameSet names;
  if (connection.subscriptions != nullptr) names = connection.subscriptions->OfKind(kind);
  for (const std::string& name : names) Unsubscribe(connection, kind, name, reply);
  if (names.empty()) Confirm(connection, WordFor(kUnsubscribed, kind), nullptr, kind, reply);
}

void PushDesk::Forget(Connection& connection) {
  EndMonitor(connection);
  EndTracking(connection);
  if (connection.subscriptions == nullptr) return;
  const Subscriptions all = *connection.subscriptions;
  for (const NameKind kind : {NameKind::kChannel, NameKind::kPattern, NameKind::kShardChannel}) {
    for (const std::string& name : all.names[static_cast<size_t>(kind)]) {
      Remove(connection, kind, name);
    }
  }
  Subscribed(connection);
}

bool PushDesk::Remove(Connection& connection, NameKind kind, std::string_view name) {
  if (connection.subscriptions == nullptr) return false;
  Subscriptions::NameSet& mine = connection.subscriptions->OfKind(kind);
  const auto found = mine.find(name);
  if (found == mine.end()) return false;
  Deliveries before;
  messaging_->Unsubscribe(index_, kind, name, &before);
  HandOut(before);
  const auto listeners = OfKind(kind).find(name);
  std::erase(listeners->second, &connection);
  if (listeners->second.empty()) OfKind(kind).erase(listeners);
  std::lock_guard lock(connection.view.names_mutex);
  mine.erase(found);
  return true;
}

// What the subscriptions of the connection mean for its other state.
void PushDesk::Subscribed(Connection& connection) {
  Subscriptions* const all = connection.subscriptions.get();
  const bool any = all != nullptr && !all->empty();
  connection.is_subscriber = any;
  // Stays on until after the command, which may have left something to push.
  connection.hears = true;
  ClientView& view = connection.view;
  const auto count = [&](NameKind kind) { return all != nullptr ? all->OfKind(kind).size() : 0; };
  view.channels.store(count(NameKind::kChannel), std::memory_order_relaxed);
  view.patterns.store(count(NameKind::kPattern), std::memory_order_relaxed);
  view.shard_channels.store(count(NameKind::kShardChannel), std::memory_order_relaxed);
  view.is_subscriber.store(any, std::memory_order_relaxed);
}

void PushDesk::Confirm(Connection& connection, std::string_view what, const std::string_view* name,
                       NameKind kind, resp::Reply& reply) {
  connection.hears = true;
  // CLIENT REPLY OFF silences replies; this is one that it does not.
  const bool is_silenced = connection.reply_mode != ReplyMode::kOn;
  resp::Reply confirmation(is_silenced ? &own_pushes_ : &reply.buffer(), reply.protocol());
  confirmation.Push(3);
  confirmation.Bulk(what);
  name != nullptr ? confirmation.Bulk(*name) : confirmation.Null();
  const Subscriptions* all = connection.subscriptions.get();
  confirmation.Integer(all != nullptr ? static_cast<int64_t>(all->CountBeside(kind)) : 0);
}

// Where the pushes of a connection that subscribes may go right now, between two confirmations;
// nullptr where these stand within another reply or are not sent.
base::Buffer* PushDesk::OwnOutput(const Connection& connection, resp::Reply& reply) const {
  const bool is_whole = connection.reply_mode == ReplyMode::kOn && !worker_->path().is_nested();
  return is_whole ? &reply.buffer() : nullptr;
}

// ---- Delivering --------------------------------------------------------------------------------

int64_t PushDesk::Publish(NameKind kind, std::string_view channel, std::string_view payload) {
  return messaging_->Publish(index_, kind, channel, payload);
}

void PushDesk::SetRunning(Connection* connection) {
  running_ = connection;
  messaging_->set_running_client(index_, connection != nullptr ? connection->id : 0);
}

void PushDesk::BeginBusy() {
  script_ = running_;
  std::swap(own_pushes_, script_pushes_);
}

void PushDesk::EndBusy() {
  std::swap(own_pushes_, script_pushes_);
  SetRunning(std::exchange(script_, nullptr));
}

void PushDesk::BeforeCommand(base::Buffer* out) {
  const Scoped<base::Buffer*> own(&own_output_, out);
  Deliver();
}

void PushDesk::AfterCommand(Connection& connection, base::Buffer* out) {
  if (connection.tracking != nullptr && !connection.tracking->held.empty()) {
    out->Append(connection.tracking->held.view());
    connection.tracking->held.Clear();
  }
  if (!own_pushes_.empty()) {
    out->Append(own_pushes_.view());
    own_pushes_.ClearAndTrim(size_t{64} << 10);
  }
  const Scoped<base::Buffer*> own(&own_output_, out);
  Deliver();
  ForgetCaching(connection);
  connection.hears =
      connection.is_subscriber || connection.is_monitor || connection.tracking != nullptr;
}

void PushDesk::Deliver() {
  if (!messaging_->HasMail(index_)) return;
  Deliveries mail;
  mail.swap(mail_);
  messaging_->Take(index_, &mail);
  HandOut(mail);
  mail.clear();
  mail_.swap(mail);
}

void PushDesk::HandOut(const Deliveries& mail) {
  for (const Delivery& message : mail) HandOut(*message);
  // Closing changes the lists of listeners, so it waits until they are done with.
  for (Connection* connection : std::exchange(overflown_, {})) {
    worker_->CloseOverLimit(*connection);
  }
  for (const uint64_t id : std::exchange(disconnected_, {})) {
    Connection* const connection = worker_->Find(id);
    if (connection != nullptr) worker_->CloseNow(*connection);
  }
}

void PushDesk::HandOut(const Message& message) {
  switch (message.what) {
    case Message::What::kMessage:
      return HandOutPublished(message);
    case Message::What::kMonitorLine:
      for (Connection* monitor : monitors_) Push(*monitor, message.payload);
      return;
    case Message::What::kInvalidation:
      return Invalidate(message);
    case Message::What::kRedirected:
      return Redirected(message);
    case Message::What::kRedirectBroken:
      return RedirectBroken(message);
    case Message::What::kDisconnect:
      return Disconnect(message);
  }
}

void PushDesk::HandOutPublished(const Message& message) {
  const auto frame = [this](std::initializer_list<std::string_view> parts) {
    frame_.Clear();
    resp::Reply writer(&frame_);
    writer.Array(parts.size());
    for (const std::string_view part : parts) writer.Bulk(part);
    return frame_.view();
  };
  const bool is_sharded = message.kind == NameKind::kShardChannel;
  PushTo(OfKind(message.kind), message.channel,
         frame({is_sharded ? "smessage" : "message", message.channel, message.payload}));
  for (const std::string& pattern : message.patterns) {
    PushTo(OfKind(NameKind::kPattern), pattern,
           frame({"pmessage", pattern, message.channel, message.payload}));
  }
}

void PushDesk::PushTo(const Names& names, std::string_view name, std::string_view frame) {
  const auto listeners = names.find(name);
  if (listeners == names.end()) return;
  for (Connection* connection : listeners->second) Push(*connection, frame);
}

// frame: an array, which is what a push is in RESP2; or a line of MONITOR.
void PushDesk::Push(Connection& connection, std::string_view frame) {
  const bool is_own = &connection == running_;
  if (connection.state == ConnectionState::kClosed ||
      (connection.state == ConnectionState::kClosing && !is_own)) {
    return;
  }
  base::Buffer* out = HeldBack(connection);
  const bool goes_now = out == nullptr;
  if (goes_now) {
    out = &connection.output;
    if (!connection.has_unsent_pushes) {
      connection.has_unsent_pushes = true;
      written_.push_back(&connection);
      ScheduleTurnEnd();
    }
  }
  if (connection.protocol >= 3 && frame.starts_with('*')) {
    out->Append(">");
    frame.remove_prefix(1);
  }
  out->Append(frame);
  if (goes_now) CheckLimit(connection);
}

base::Buffer* PushDesk::HeldBack(Connection& connection) {
  if (&connection == running_) return own_output_ != nullptr ? own_output_ : &own_pushes_;
  if (&connection == script_) return &script_pushes_;
  // What it waited for was done on its behalf elsewhere; the reply is on its way.
  if (connection.waiter != nullptr && connection.tracking != nullptr && cause_ == connection.id) {
    return &connection.tracking->held;
  }
  return nullptr;
}

void PushDesk::CheckLimit(Connection& connection) {
  const uint64_t hard_bytes =
      (connection.is_subscriber ? limits_.pubsub : limits_.normal).hard_bytes;
  if (hard_bytes == 0 || connection.output.size() <= hard_bytes) [[likely]]
    return;
  connection.state = ConnectionState::kClosing;
  overflown_.push_back(&connection);
}

// They hear no more from here on. One whose request runs closes behind it.
void PushDesk::Disconnect(const Message& message) {
  for (const uint64_t id : message.clients) {
    Connection* const connection = worker_->Find(id);
    if (connection == nullptr || connection->state == ConnectionState::kClosed) continue;
    connection->state = ConnectionState::kClosing;
    if (connection != running_ && connection != script_) disconnected_.push_back(id);
  }
}

void PushDesk::ScheduleTurnEnd() {
  if (turn_end_scheduled_) return;
  turn_end_scheduled_ = true;
  worker_->loop().Defer([this] { EndTurn(); });
}

void PushDesk::EndTurn() {
  Deliver();
  turn_end_scheduled_ = false;
  std::vector<Connection*> written;
  written.swap(written_);
  for (Connection* connection : written) {
    connection->has_unsent_pushes = false;
    worker_->FlushPushes(*connection);
  }
  written.clear();
  if (written_.empty()) written_.swap(written);
}

void PushDesk::Drop(Connection& connection) {
  if (connection.has_unsent_pushes) std::erase(written_, &connection);
}

}  // namespace terrace::server
