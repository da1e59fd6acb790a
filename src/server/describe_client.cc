#include "server/describe_client.h"

#include <algorithm>
#include <mutex>

#include "server/connection.h"
#include "server/waiter.h"

namespace terrace::server {

bool IsBlocked(const Connection& connection) {
  const ClientView& view = connection.view;
  if (!view.parked) return false;
  std::lock_guard lock(view.names_mutex);
  return view.waiter == nullptr || !view.waiter->is_over();
}

std::string DescribeClient(const Connection& connection, int64_t now_ms,
                           commands::Dialect dialect) {
  const ClientView& view = connection.view;
  std::string name, library_name, library_version, user;
  {
    std::lock_guard lock(view.names_mutex);
    name = view.name;
    library_name = view.library_name;
    library_version = view.library_version;
    user = view.user_name;
  }
  std::string flags;
  if (view.is_monitor) flags += 'O';
  if (view.is_subscriber) flags += 'P';
  if (IsBlocked(connection)) flags += 'b';
  const int64_t queued = view.queued_commands.load(std::memory_order_relaxed);
  if (queued >= 0) flags += 'x';
  if (view.is_tracking) flags += 't';
  if (view.is_replica) flags += 'S';
  if (view.is_redirect_broken) flags += 'R';
  if (view.is_broadcast) flags += 'B';
  if (view.is_unix) flags += 'U';
  if (view.no_evict) flags += 'e';
  if (view.no_touch) flags += 'T';
  if (flags.empty()) flags = "N";
  const commands::Command* command = view.last_command.load();
  const auto number = [](auto value) { return std::to_string(value); };
  const bool is_valkey = dialect == commands::Dialect::kValkey80;
  // Only for Valkey: there are libraries that refuse a line with fields that they do not know.
  const std::string traffic = is_valkey ? " tot-net-in=" + number(view.received_bytes.value()) +
                                              " tot-net-out=" + number(view.sent_bytes.value()) +
                                              " tot-cmds=" + number(view.commands.value())
                                        : "";
  const std::string watched = is_valkey ? " watch=" + number(view.watched_keys.load()) : "";
  // To Redis, what a request that runs takes is the connection's own; Valkey does not count it.
  const size_t arrived = is_valkey ? 0 : view.arrived_bytes.load();
  const size_t input = view.input_bytes + arrived, capacity = view.input_capacity;
  return "id=" + number(connection.id) + " addr=" + view.peer_address +
         " laddr=" + view.local_address + " fd=" + number(view.fd) + " name=" + name +
         " age=" + number((now_ms - view.created_ms) / 1000) +
         " idle=" + number((now_ms - view.active_ms) / 1000) + " flags=" + flags +
         " db=" + number(view.database.load()) + " sub=" + number(view.channels.load()) +
         " psub=" + number(view.patterns.load()) + " ssub=" + number(view.shard_channels.load()) +
         " multi=" + number(queued) + watched + " qbuf=" + number(input) +
         " qbuf-free=" + number(capacity - std::min(capacity, input)) +
         " argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=" +
         number(view.output_bytes.load()) +
         " tot-mem=" + number(sizeof(Connection) + capacity + view.output_bytes) +
         " events=" + (view.output_bytes > 0 ? "rw" : "r") +
         " cmd=" + (command != nullptr ? std::string(command->name) : "NULL") + " user=" + user +
         " redir=" + number(view.redirect.load()) + " resp=" + number(view.protocol.load()) +
         " lib-name=" + library_name + " lib-ver=" + library_version + traffic;
}

}  // namespace terrace::server
