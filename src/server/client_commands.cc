// CLIENT: who is connected, and what each connection may say about itself.

#include <algorithm>
#include <optional>
#include <vector>

#include "base/letters.h"
#include "base/numbers.h"
#include "commands/registry.h"
#include "server/commands.h"
#include "server/describe_client.h"
#include "server/server.h"
#include "server/tracking_commands.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;
using commands::Command;
using commands::kAdmin;
using commands::kConnection;
using commands::kDangerous;
using commands::kLoading;
using commands::kNoLocks;
using commands::kNoScript;
using commands::kStale;

void ClientId(Call& call) { call.reply.Integer(static_cast<int64_t>(call.session.id)); }

void ClientInfo(Call& call) {
  const Connection& connection = ConnectionOf(call);
  call.reply.Verbatim("txt", DescribeClient(connection, call.now_ms(), call.limits.dialect) + "\n");
}

std::string_view TypeOf(const ClientView& view) {
  return view.is_replica ? "replica" : view.is_subscriber ? "pubsub" : "normal";
}

// A filter of CLIENT LIST and CLIENT KILL.
struct Filter {
  std::vector<uint64_t> ids;
  std::optional<std::string> type, address, local_address;
  std::optional<uint64_t> user_id;
  std::optional<int64_t> age_s_min;
  bool skip_me = true;

  bool Matches(const Connection& connection, int64_t now_ms) const {
    const ClientView& view = connection.view;
    if (age_s_min && (now_ms - view.created_ms) / 1000 < *age_s_min) return false;
    if (!ids.empty() && std::find(ids.begin(), ids.end(), connection.id) == ids.end()) return false;
    if (type && *type != TypeOf(view)) return false;
    if (address && *address != view.peer_address) return false;
    if (local_address && *local_address != view.local_address) return false;
    if (!user_id) return true;
    std::lock_guard lock(view.names_mutex);
    return *user_id == view.user_id;
  }
};

bool IsClientType(const std::string& type) {
  return type == "normal" || type == "master" || type == "replica" || type == "slave" ||
         type == "pubsub";
}

// Replies the error and returns false when it is no client type.
bool ReadType(Call& call, size_t at, Filter* filter) {
  filter->type = base::LowerCase(call.args[at]);
  if (*filter->type == "slave") filter->type = "replica";
  if (IsClientType(*filter->type)) return true;
  call.reply.Error("ERR Unknown client type '" + std::string(call.args[at]) + "'");
  return false;
}

void ForEachClient(Call& call, const std::function<void(Worker&, const Connection&)>& visit) {
  for (const auto& worker : CoreOf(call).server->workers()) {
    worker->VisitClients([&](const Connection& connection) { visit(*worker, connection); });
  }
}

void ClientList(Call& call) {
  Filter filter;
  if (call.argc() > 2) {
    if (call.Is(2, "type") && call.argc() == 4) {
      if (!ReadType(call, 3, &filter)) return;
    } else if (call.Is(2, "id") && call.argc() > 3) {
      for (size_t at = 3; at < call.argc(); ++at) {
        const auto id = base::ParseInt64(call.args[at]);
        if (!id || *id < 1) return call.reply.Error("ERR Invalid client ID");
        filter.ids.push_back(static_cast<uint64_t>(*id));
      }
    } else {
      return call.reply.SyntaxError();
    }
  }
  std::vector<std::pair<uint64_t, std::string>> lines;
  ForEachClient(call, [&](Worker&, const Connection& connection) {
    if (!filter.Matches(connection, call.now_ms())) return;
    lines.emplace_back(connection.id,
                       DescribeClient(connection, call.now_ms(), call.limits.dialect));
  });
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const auto& [id, line] : lines) text += line + "\n";
  call.reply.Verbatim("txt", text);
}

// Closes every client the filter matches and returns how many.
int64_t KillClients(Call& call, const Filter& filter) {
  std::vector<std::pair<Worker*, uint64_t>> victims;
  bool me = false;
  ForEachClient(call, [&](Worker& worker, const Connection& connection) {
    if (!filter.Matches(connection, call.now_ms())) return;
    if (connection.id == call.session.id) {
      me = !filter.skip_me;
    } else {
      victims.emplace_back(&worker, connection.id);
    }
  });
  int64_t killed = me ? 1 : 0;
  for (const auto& [worker, id] : victims) killed += worker->Kill(id) ? 1 : 0;
  if (me) ConnectionOf(call).state = ConnectionState::kClosing;
  return killed;
}

void ClientKill(Call& call) {
  Filter filter;
  if (call.argc() == 3) {
    filter.address = std::string(call.args[2]);
    filter.skip_me = false;
    if (KillClients(call, filter) == 0) return call.reply.Error("ERR No such client");
    return call.reply.Ok();
  }
  if (call.argc() % 2 != 0) return call.reply.SyntaxError();
  for (size_t at = 2; at + 1 < call.argc(); at += 2) {
    const std::string_view value = call.args[at + 1];
    if (call.Is(at, "id")) {
      const auto id = base::ParseInt64(value);
      if (!id || *id < 1) return call.reply.Error("ERR client-id should be greater than 0");
      filter.ids.push_back(static_cast<uint64_t>(*id));
    } else if (call.Is(at, "type")) {
      if (!ReadType(call, at + 1, &filter)) return;
    } else if (call.Is(at, "addr")) {
      filter.address = std::string(value);
    } else if (call.Is(at, "laddr")) {
      filter.local_address = std::string(value);
    } else if (call.Is(at, "user")) {
      const AclUsers::User user = CoreOf(call).users->Find(value);
      if (user == nullptr) {
        return call.reply.Error("ERR No such user '" + std::string(value) + "'");
      }
      filter.user_id = user->id();
    } else if (call.Is(at, "maxage")) {  // as in Redis 7.4
      filter.age_s_min = base::ParseInt64(value);
      if (!filter.age_s_min) {
        return call.reply.Error("ERR maxage is not an integer or out of range");
      }
      if (*filter.age_s_min < 1) return call.reply.Error("ERR maxage should be greater than 0");
    } else if (call.Is(at, "skipme")) {
      if (!commands::SameName(value, "yes") && !commands::SameName(value, "no")) {
        return call.reply.SyntaxError();
      }
      filter.skip_me = commands::SameName(value, "yes");
    } else {
      return call.reply.SyntaxError();
    }
  }
  call.reply.Integer(KillClients(call, filter));
}

void ClientSetName(Call& call) {
  if (!IsPrintableWord(call.args[2])) {
    return call.reply.Error(
        "ERR Client names cannot contain spaces, newlines or special characters.");
  }
  SetClientName(ConnectionOf(call), call.args[2]);
  call.reply.Ok();
}

void ClientGetName(Call& call) {
  if (call.session.name.empty()) return call.reply.Null();
  call.reply.Bulk(call.session.name);
}

void ClientSetInfo(Call& call) {
  ClientView& view = ConnectionOf(call).view;
  const bool is_name = call.Is(2, "lib-name");
  if (!is_name && !call.Is(2, "lib-ver")) {
    return call.reply.Error("ERR Unrecognized option '" + std::string(call.args[2]) + "'");
  }
  if (!IsPrintableWord(call.args[3])) {
    return call.reply.Error("ERR " + std::string(call.args[2]) +
                            " cannot contain spaces, newlines or special characters.");
  }
  std::lock_guard lock(view.names_mutex);
  (is_name ? view.library_name : view.library_version) = std::string(call.args[3]);
  call.reply.Ok();
}

// Reads ON or OFF; replies the error and returns nullopt otherwise.
std::optional<bool> ReadSwitch(Call& call, size_t at) {
  if (call.Is(at, "on")) return true;
  if (call.Is(at, "off")) return false;
  call.reply.SyntaxError();
  return std::nullopt;
}

void ClientNoEvict(Call& call) {
  const auto on = ReadSwitch(call, 2);
  if (!on) return;
  ConnectionOf(call).view.no_evict.store(*on);
  call.reply.Ok();
}

void ClientNoTouch(Call& call) {
  const auto on = ReadSwitch(call, 2);
  if (!on) return;
  call.session.no_touch = *on;
  ConnectionOf(call).view.no_touch.store(*on);
  call.reply.Ok();
}

void ClientReply(Call& call) {
  Connection& connection = ConnectionOf(call);
  if (call.Is(2, "on")) {
    connection.reply_mode = ReplyMode::kOn;
    return call.reply.Ok();
  }
  if (call.Is(2, "off")) {
    connection.reply_mode = ReplyMode::kOff;
  } else if (call.Is(2, "skip")) {
    if (connection.reply_mode == ReplyMode::kOn) connection.reply_mode = ReplyMode::kSkipNext;
  } else {
    call.reply.SyntaxError();
  }
}

void ClientHelp(Call& call) {
  static constexpr std::string_view kLines[] = {
      "CACHING (YES|NO)",
      "    Track the keys of the next command, or do not (OPTIN, OPTOUT).",
      "GETREDIR",
      "    Return the ID of the connection that invalidations are redirected to.",
      "GETNAME",
      "    Return the name of the current connection.",
      "ID",
      "    Return the ID of the current connection.",
      "INFO",
      "    Return information about the current client connection.",
      "KILL <ip:port>",
      "    Kill connection made from <ip:port>.",
      "KILL <option> <value> [<option> <value> [...]]",
      "    Kill connections. Options are: ADDR, LADDR, TYPE, USER, SKIPME, ID, MAXAGE.",
      "LIST [options ...]",
      "    Return information about client connections: TYPE, ID.",
      "NO-EVICT (ON|OFF)",
      "    Protect current client connection from eviction.",
      "NO-TOUCH (ON|OFF)",
      "    Will not touch LRU/LFU stats when this mode is on.",
      "PAUSE <timeout> [WRITE|ALL]",
      "    Suspend all, or just write, clients for <timeout> milliseconds.",
      "REPLY (ON|OFF|SKIP)",
      "    Control the replies sent to the current connection.",
      "SETINFO <option> <value>",
      "    Set LIB-NAME or LIB-VER of this connection.",
      "SETNAME <name>",
      "    Assign the name <name> to the current connection.",
      "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
      "    Control server assisted client side caching.",
      "TRACKINGINFO",
      "    Report tracking status for the current connection.",
      "UNBLOCK <clientid> [TIMEOUT|ERROR]",
      "    Unblock the specified blocked client.",
      "UNPAUSE",
      "    Stop the current client pause, resuming traffic.",
  };
  commands::ReplyHelp(call, kLines);
}

constexpr uint32_t kClientHelpFlags = kLoading | kStale | kNoLocks;
constexpr uint32_t kClientFlags = kClientHelpFlags | kNoScript;

constexpr Command ClientRow(std::string_view name, int arity, commands::Handler handler,
                            std::string_view since, std::string_view syntax,
                            std::string_view summary, uint32_t flags = 0, uint32_t categories = 0) {
  return {.name = name,
          .arity = arity,
          .flags = kClientFlags | flags,
          .categories = kConnection | categories,
          .handler = handler,
          .group = "connection",
          .since = since,
          .syntax = syntax,
          .summary = summary};
}

constexpr Command kClientSubcommands[] = {
    ClientRow("client|id", 2, ClientId, "5.0.0", "", "Answers the id of this connection."),
    ClientRow("client|info", 2, ClientInfo, "6.2.0", "", "Describes this connection.")
        .Tipped("nondeterministic_output"),
    ClientRow("client|list", -2, ClientList, "2.4.0",
              "[TYPE (client-type: NORMAL|MASTER|REPLICA|PUBSUB)] [ID client-id...]",
              "Lists connections.", kAdmin, kDangerous)
        .Costs("O(N), N: clients")
        .Tipped("nondeterministic_output"),
    ClientRow("client|kill", -3, ClientKill, "2.4.0",
              "(filter: old-format=ip:port|(new-format: [ID client-id]|"
              "[TYPE (client-type: NORMAL|MASTER|SLAVE|REPLICA|PUBSUB)]|[USER username]|"
              "[ADDR addr=ip:port]|[LADDR laddr=ip:port]|[SKIPME (YES|NO)]|[MAXAGE maxage])...)",
              "Closes connections.", kAdmin, kDangerous)
        .Costs("O(N), N: clients"),
    ClientRow("client|setname", 3, ClientSetName, "2.6.9", "connection-name",
              "Names this connection.")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    ClientRow("client|getname", 2, ClientGetName, "2.6.9", "",
              "Answers the name of this connection."),
    ClientRow("client|setinfo", 4, ClientSetInfo, "7.2.0",
              "(attr: LIB-NAME libname|LIB-VER libver)",
              "Tells the client library's name or version.")
        .Tipped("request_policy:all_nodes response_policy:all_succeeded"),
    ClientRow("client|no-evict", 3, ClientNoEvict, "7.0.0", "(enabled: ON|OFF)",
              "Spares this connection from client eviction.", kAdmin, kDangerous),
    ClientRow("client|no-touch", 3, ClientNoTouch, "7.2.0", "(enabled: ON|OFF)",
              "Keeps what this connection reads from counting as used."),
    ClientRow("client|unblock", -3, ClientUnblock, "5.0.0",
              "client-id [unblock-type: TIMEOUT|ERROR]", "Ends the wait of a blocked connection.",
              kAdmin | commands::kTakesLocks, kDangerous),
    ClientRow("client|pause", -3, ClientPauseStart, "3.0.0", "timeout<integer> [mode: WRITE|ALL]",
              "Holds up requests for a time.", kAdmin, kDangerous),
    ClientRow("client|unpause", 2, ClientPauseEnd, "6.2.0", "", "Ends what CLIENT PAUSE began.",
              kAdmin, kDangerous)
        .Costs("O(N), N: paused clients"),
    ClientRow("client|reply", 3, ClientReply, "3.2.0", "(action: ON|OFF|SKIP)",
              "Switches replies on, off, or skips one."),
    ClientRow("client|tracking", -3, ClientTracking, "6.0.0",
              "(status: ON|OFF) [REDIRECT client-id] [PREFIX prefix]... [BCAST] [OPTIN] [OPTOUT] "
              "[NOLOOP]",
              "Switches the announcement of changes of what this connection has read."),
    ClientRow("client|trackinginfo", 2, ClientTrackingInfo, "6.2.0", "",
              "Describes how this connection tracks."),
    ClientRow("client|caching", 3, ClientCaching, "6.0.0", "(mode: YES|NO)",
              "Says whether the keys of the next command are tracked."),
    ClientRow("client|getredir", 2, ClientGetRedirection, "6.0.0", "",
              "Answers which connection hears in this one's place."),
    {.name = "client|help",
     .arity = 2,
     .flags = kClientHelpFlags,
     .categories = kConnection,
     .handler = ClientHelp,
     .group = "connection",
     .since = "5.0.0",
     .summary = "Describes the subcommands."},
};

constexpr Command kClientCommands[] = {
    {.name = "client",
     .arity = -2,
     .group = "connection",
     .since = "2.4.0",
     .summary = "A container for client connection commands.",
     .complexity = "Depends on the subcommand.",
     .subcommands = kClientSubcommands},
};

}  // namespace

std::span<const Command> ClientCommands() { return kClientCommands; }

}  // namespace terrace::server
