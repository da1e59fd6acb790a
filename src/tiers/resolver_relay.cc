// What the regional tier executes for requests; the rules are in resolver.h.

#include <limits>
#include <utility>

#include "tiers/resolver.h"

namespace terrace::tiers {

using keyspace::Database;
using keyspace::Key;

std::string Resolver::Relay(const Route& route, int database, std::vector<std::string> args,
                            std::vector<std::string> keys, std::shared_ptr<ParkedRequest> parked,
                            size_t part) {
  if (std::string refusal = RefusalToRelay(route, *parked); !refusal.empty()) return refusal;
  RelayRequest request;
  request.database = database;
  request.args = std::move(args);
  RelaySoon(route, database, std::move(keys), std::move(parked), part,
            [request = std::move(request)](RegionalTier& tier, int64_t deadline_us,
                                           RelayDone done) mutable {
              request.deadline_us = deadline_us;
              tier.Relay(std::move(request), std::move(done));
            });
  return "";
}

std::string Resolver::RelayTransaction(const Route& route, int database,
                                       std::vector<std::vector<std::string>> commands,
                                       std::vector<std::string> keys,
                                       std::shared_ptr<ParkedRequest> parked) {
  if (std::string refusal = RefusalToRelay(route, *parked); !refusal.empty()) return refusal;
  TransactionRequest request;
  request.database = database;
  request.commands = std::move(commands);
  RelaySoon(route, database, std::move(keys), std::move(parked), 0,
            [request = std::move(request)](RegionalTier& tier, int64_t deadline_us,
                                           RelayDone done) mutable {
              request.deadline_us = deadline_us;
              tier.RelayTransaction(std::move(request), std::move(done));
            });
  return "";
}

std::string Resolver::RelayLeased(const std::shared_ptr<ClientLease>& lease, int database,
                                  std::vector<std::string> args, std::vector<std::string> keys,
                                  std::shared_ptr<ParkedRequest> parked,
                                  std::optional<int64_t> wait_ms) {
  if (std::string refusal = RefusalToWait(*parked); !refusal.empty()) return refusal;
  RelayRequest request;
  request.database = database;
  request.args = std::move(args);
  // The server ends the wait; our own limit is for when it does not.
  request.deadline_us = std::numeric_limits<int64_t>::max();
  constexpr int64_t kSpanMsMax = int64_t{1} << 42;
  if (wait_ms && *wait_ms < kSpanMsMax) {
    request.deadline_us =
        home_->clock().MonoUs() + (*wait_ms + lease->route().regional_timeout_ms) * 1000;
  }
  RelayLeasedSoon(lease, database, std::move(keys), std::move(parked),
                  [lease, request = std::move(request)](RelayDone done) mutable {
                    lease->Relay(std::move(request), std::move(done));
                  });
  return "";
}

std::string Resolver::RelayTransactionLeased(const std::shared_ptr<ClientLease>& lease,
                                             int database,
                                             std::vector<std::vector<std::string>> commands,
                                             std::vector<std::string> keys,
                                             std::shared_ptr<ParkedRequest> parked) {
  if (std::string refusal = RefusalToWait(*parked); !refusal.empty()) return refusal;
  TransactionRequest request;
  request.database = database;
  request.commands = std::move(commands);
  request.deadline_us = home_->clock().MonoUs() + lease->route().regional_timeout_ms * 1000;
  RelayLeasedSoon(lease, database, std::move(keys), std::move(parked),
                  [lease, request = std::move(request)](RelayDone done) mutable {
                    lease->RelayTransaction(std::move(request), std::move(done));
                  });
  return "";
}

template <typename Send>
void Resolver::RelayLeasedSoon(const std::shared_ptr<ClientLease>& lease, int database,
                               std::vector<std::string> keys, std::shared_ptr<ParkedRequest> parked,
                               Send send) {
  const Route& route = lease->route();
  route.stats.relays.fetch_add(1, std::memory_order_relaxed);
  parked->Await();
  home_->Post([this, &route, database, send = std::move(send), keys = std::move(keys),
               parked = std::move(parked)]() mutable {
    send([this, &route, database, keys = std::move(keys),
          parked = std::move(parked)](RelayResult result) mutable {
      if (result.failure != Failure::kNone) {
        route.stats.regional.errors.fetch_add(1, std::memory_order_relaxed);
      }
      // Not the order of one connection, but that of the answers counts here: what a fetch has read
      // before this moment is superseded, and one that begins now reads what this has left.
      if (rules_.relay_drops_copies) DropCopies(database, keys);
      parked->DeliverRelay(0, std::move(result));
    });
  });
}

std::string Resolver::RefusalToRelay(const Route& route, const ParkedRequest& parked) const {
  std::string refusal = RefusalToWait(parked);
  if (refusal.empty() &&
      route.stats.relays_in_flight.load(std::memory_order_relaxed) >= route.relay_in_flight_max) {
    refusal = TierError(route, "too many commands wait for the regional tier",
                        "try again, or raise the route's relay_in_flight_max");
  }
  return refusal;
}

template <typename Send>
void Resolver::RelaySoon(const Route& route, int database, std::vector<std::string> keys,
                         std::shared_ptr<ParkedRequest> parked, size_t part, Send send) {
  route.stats.relays_in_flight.fetch_add(1, std::memory_order_relaxed);
  route.stats.relays.fetch_add(1, std::memory_order_relaxed);
  // Fetches that began before this moment may read the old value: supersede them.
  DropCopies(database, keys);
  parked->Await();
  const int64_t sent_us = home_->clock().MonoUs();
  const int64_t deadline_us = sent_us + route.regional_timeout_ms * 1000;
  home_->Post([this, &route, sent_us, deadline_us, part, database, send = std::move(send),
               keys = std::move(keys), parked = std::move(parked)]() mutable {
    send(*route.regional, deadline_us,
         [this, &route, sent_us, part, database, keys = std::move(keys),
          parked = std::move(parked)](RelayResult result) mutable {
           route.stats.relays_in_flight.fetch_sub(1, std::memory_order_relaxed);
           route.stats.regional.latency_us.Record(
               static_cast<uint64_t>(home_->clock().MonoUs() - sent_us));
           if (result.failure != Failure::kNone) {
             route.stats.regional.errors.fetch_add(1, std::memory_order_relaxed);
           }
           if (rules_.relay_drops_copies) DropCopies(database, keys);
           parked->DeliverRelay(part, std::move(result));
         });
  });
}

void Resolver::DropCopies(int database, const std::vector<std::string>& keys) {
  for (const std::string& bytes : keys) {
    const Key key = keyspace_->MakeKey(bytes);
    keyspace::ShardLock lock(*keyspace_, keyspace_->SetOf(key));
    // COPY, and a script that selects, write to other databases as well.
    for (int index = 0; index < keyspace_->database_count(); ++index) {
      if (index != database && keyspace_->ShardOf(key).part(index) == nullptr) continue;
      Database(keyspace_, index, home_->clock().NowMs()).DropCopy(key);
    }
    keyspace_->ShardOf(key).BumpVersion(key.table_hash());
  }
}

std::string Resolver::RelayError(const Route& route, const RelayResult& result,
                                 std::string_view what) {
  const bool may_be_unknown =
      result.failure == Failure::kTimeout || result.failure == Failure::kUnreachable ||
      result.failure == Failure::kProtocol || result.failure == Failure::kClosing;
  const bool unknown = may_be_unknown && !result.nothing_done;
  return TierError(route,
                   "regional " + std::string(route.regional->name()) + ": " +
                       std::string(FailureName(result.failure)) +
                       (result.detail.empty() ? "" : " (" + result.detail + ")"),
                   what.empty() ? "nothing could be read"
                   : unknown    ? "the " + std::string(what) + " may or may not have happened"
                                : "nothing was written");
}

}  // namespace terrace::tiers
