#pragma once

// LeasedConnection: one connection to the regional server beside the shared one, from connect to
// loss. It does not come back: whoever needs another makes one.
//
// Promises:  as RegionalQueue. lost() is final.
// Ownership: options and loop outlive it.
// Threads:   the home loop.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/loop.h"
#include "tiers/regional.h"
#include "tiers/regional_connection.h"
#include "tiers/regional_handshake.h"
#include "tiers/regional_queue.h"

namespace terrace::tiers {

class LeasedConnection final : public RegionalConnectionHandler {
 public:
  // Called when it is lost, before anybody is told that his command has failed.
  using OnLost = base::Function<void(LeasedConnection& lost)>;

  // Connects at once to this address of the server that is run run_id (empty: not known).
  LeasedConnection(const RegionalOptions* options, runtime::Loop* loop, const std::string& address,
                   std::string run_id, OnLost on_lost);
  ~LeasedConnection();

  void Relay(const RelayRequest& request, RelayDone done);
  void RelayTransaction(const TransactionRequest& request, RelayDone done);

  bool is_lost() const { return state_ == State::kLost; }
  // Is any command on its way, answered to its caller or not?
  bool is_busy() const { return queue_.sent_count() + queue_.waiting_count() > 0; }
  // Has it watched keys that nothing has made it forget?
  bool is_watching() const { return is_watching_; }
  // Known once commands have been sent.
  const RegionalHandshake::Identity& identity() const { return identity_; }

  // Loses it, for the caller's reason.
  void Close();

 private:
  enum class State : uint8_t { kConnecting, kHandshake, kReady, kLost };

  void OnConnected() override;
  ReplyForm NextReplyForm() const override { return queue_.NextReplyForm(); }
  Next OnReply(RegionalReply reply) override;
  Next OnHandshakeReply(const RegionalReply& reply);
  void OnConnectionLost(Failure failure, std::string detail) override;
  void Lose(Failure failure, const std::string& detail);

  const RegionalOptions* const options_;
  runtime::Loop* const loop_;
  const std::string run_id_;
  OnLost on_lost_;
  State state_ = State::kConnecting;
  bool is_watching_ = false;
  std::unique_ptr<RegionalConnection> connection_;
  std::optional<RegionalHandshake> handshake_;
  RegionalHandshake::Identity identity_;
  runtime::TimerId connect_timer_ = runtime::kNoTimer;
  RegionalQueue queue_;
};

}  // namespace terrace::tiers
