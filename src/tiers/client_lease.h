#pragma once

// ClientLease: a client's own connection to the regional tier of a route, for as long as it waits
// there or watches keys there; held by the client's request path, working on the home loop.
//
// Promises:  each done is called exactly once, on the home loop. What has ended, by End, by
//            watch_max or with its connection, executes nothing more: a transaction answers then as
//            if a watched key had changed.
// Ownership: shared by the client and by what is on its way.
// Threads:   made on any; Relay and RelayTransaction on the home loop; End and EndWait on any.

#include <atomic>
#include <memory>

#include "runtime/loop.h"
#include "tiers/regional_lease.h"
#include "tiers/route.h"

namespace terrace::tiers {

class ClientLease : public std::enable_shared_from_this<ClientLease> {
 public:
  enum class Purpose : uint8_t {
    kWait,   // one command, then it is over
    kWatch,  // until a transaction, End or watch_max
  };
  ClientLease(Purpose purpose, const Route* route, runtime::Loop* home)
      : purpose_(purpose), route_(route), home_(home) {}

  const Route& route() const { return *route_; }

  // Takes a connection when it has none yet.
  void Relay(RelayRequest request, RelayDone done);
  void RelayTransaction(TransactionRequest request, RelayDone done);

  // The client needs it no more, or has gone. Any thread.
  void End();
  // CLIENT UNBLOCK: the command that waits is to be answered. Any thread.
  void EndWait(bool with_error);

 private:
  void GiveBack();
  void AnswerSoon(RelayDone done, RelayResult result);

  const Purpose purpose_;
  const Route* const route_;
  runtime::Loop* const home_;
  // Home loop.
  std::unique_ptr<RegionalLease> lease_;
  bool is_over_ = false;
  runtime::TimerId watch_timer_ = runtime::kNoTimer;
};

}  // namespace terrace::tiers
