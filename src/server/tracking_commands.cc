#include "server/tracking_commands.h"

#include <optional>
#include <string>
#include <vector>

#include "base/numbers.h"
#include "server/commands.h"
#include "server/server.h"
#include "server/tracking.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

using commands::Call;

// The options of CLIENT TRACKING; replies the error and returns nullopt when they make no sense.
std::optional<TrackingState> ReadOptions(Call& call) {
  TrackingState wanted;
  for (size_t at = 3; at < call.argc(); ++at) {
    const bool has_more = at + 1 < call.argc();
    if (call.Is(at, "redirect") && has_more) {
      if (wanted.redirect != 0) {
        call.reply.Error("ERR A client can only redirect to a single other client");
        return std::nullopt;
      }
      const auto id = base::ParseInt64(call.args[++at]);
      if (!id) {
        call.reply.NotAnInteger();
        return std::nullopt;
      }
      const auto worker = CoreOf(call).server->WorkerOf(static_cast<uint64_t>(*id));
      if (!worker) {
        call.reply.Error("ERR The client ID you want redirect to does not exist");
        return std::nullopt;
      }
      wanted.redirect = static_cast<uint64_t>(*id);
      wanted.redirect_worker = *worker;
    } else if (call.Is(at, "bcast")) {
      wanted.is_broadcast = true;
    } else if (call.Is(at, "optin")) {
      wanted.opt_in = true;
    } else if (call.Is(at, "optout")) {
      wanted.opt_out = true;
    } else if (call.Is(at, "noloop")) {
      wanted.no_loop = true;
    } else if (call.Is(at, "prefix") && has_more) {
      wanted.prefixes.emplace_back(call.args[++at]);
    } else {
      call.reply.SyntaxError();
      return std::nullopt;
    }
  }
  return wanted;
}

// "" or what stands against going from the present state (null: off) to the wanted one.
std::string WhyNot(const TrackingState& wanted, const TrackingState* present) {
  if (!wanted.is_broadcast && !wanted.prefixes.empty()) {
    return "PREFIX option requires BCAST mode to be enabled";
  }
  if (present != nullptr && present->is_broadcast != wanted.is_broadcast) {
    return "You can't switch BCAST mode on/off before disabling tracking for this client, and then "
           "re-enabling it with a different mode.";
  }
  if (wanted.is_broadcast && (wanted.opt_in || wanted.opt_out)) {
    return "OPTIN and OPTOUT are not compatible with BCAST";
  }
  if (wanted.opt_in && wanted.opt_out) {
    return "You can't specify both OPTIN mode and OPTOUT mode";
  }
  if (present != nullptr &&
      ((wanted.opt_in && present->opt_out) || (wanted.opt_out && present->opt_in))) {
    return "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
           "re-enabling it with a different mode.";
  }
  const auto overlap = [](std::string_view a, std::string_view b) {
    return a.starts_with(b) || b.starts_with(a);
  };
  for (size_t i = 0; i < wanted.prefixes.size(); ++i) {
    const std::string& prefix = wanted.prefixes[i];
    const auto clash = [&](std::string_view which, const std::string& other) {
      return "Prefix '" + prefix + "' overlaps with " + std::string(which) + " prefix '" + other +
             "'. Prefixes for a single client must not overlap.";
    };
    if (present != nullptr) {
      for (const std::string& other : present->prefixes) {
        if (overlap(prefix, other)) return clash("an existing", other);
      }
    }
    for (size_t j = i + 1; j < wanted.prefixes.size(); ++j) {
      if (overlap(prefix, wanted.prefixes[j])) return clash("another provided", wanted.prefixes[j]);
    }
  }
  return "";
}

}  // namespace

void ClientTracking(Call& call) {
  Connection& connection = ConnectionOf(call);
  std::optional<TrackingState> wanted = ReadOptions(call);
  if (!wanted) return;
  if (call.Is(2, "on")) {
    const std::string why_not = WhyNot(*wanted, connection.tracking.get());
    if (!why_not.empty()) return call.reply.Error("ERR " + why_not);
    connection.worker->desk().Track(connection, std::move(*wanted));
  } else if (call.Is(2, "off")) {
    connection.worker->desk().EndTracking(connection);
  } else {
    return call.reply.SyntaxError();
  }
  call.reply.Ok();
}

void ClientTrackingInfo(Call& call) {
  const TrackingState* state = ConnectionOf(call).tracking.get();
  std::vector<std::string_view> flags;
  if (state == nullptr) {
    flags = {"off"};
  } else {
    flags = {"on"};
    if (state->is_broadcast) flags.push_back("bcast");
    if (state->opt_in) flags.push_back("optin");
    if (state->opt_in && state->is_caching_given) flags.push_back("caching-yes");
    if (state->opt_out) flags.push_back("optout");
    if (state->opt_out && state->is_caching_given) flags.push_back("caching-no");
    if (state->no_loop) flags.push_back("noloop");
    if (state->is_redirect_broken) flags.push_back("broken_redirect");
  }
  call.reply.Map(3);
  call.reply.Bulk("flags");
  call.reply.Set(flags.size());
  for (const std::string_view flag : flags) call.reply.Bulk(flag);
  call.reply.Bulk("redirect");
  call.reply.Integer(state == nullptr ? -1 : static_cast<int64_t>(state->redirect));
  call.reply.Bulk("prefixes");
  call.reply.Array(state == nullptr ? 0 : state->prefixes.size());
  if (state == nullptr) return;
  for (const std::string& prefix : state->prefixes) call.reply.Bulk(prefix);
}

void ClientCaching(Call& call) {
  Connection& connection = ConnectionOf(call);
  TrackingState* const state = connection.tracking.get();
  if (state == nullptr) {
    return call.reply.Error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  if (call.Is(2, "yes")) {
    if (!state->opt_in) {
      return call.reply.Error(
          "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    }
  } else if (call.Is(2, "no")) {
    if (!state->opt_out) {
      return call.reply.Error(
          "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    }
  } else {
    return call.reply.SyntaxError();
  }
  state->is_caching_given = true;
  connection.tracks_reads = state->TracksReads();
  call.reply.Ok();
}

void ClientGetRedirection(Call& call) {
  const TrackingState* state = ConnectionOf(call).tracking.get();
  call.reply.Integer(state == nullptr ? -1 : static_cast<int64_t>(state->redirect));
}

}  // namespace terrace::server
