#pragma once

// MigrationTarget: one connection to a server that keys are migrated to, from connect to loss. It
// takes one batch of RESTORE commands at a time and says what the server has made of them.
//
//   connect, when it is new; AUTH and SELECT, where they are wanted; then, once the server has
//   accepted these, every RESTORE in one piece
//
// So a server that refuses the login or the database is never sent a key, which Redis sends all the
// same.
//
// Promises:  done is called exactly once for each Send, never inside it, unless this is destroyed
//            first. Nothing waits for longer than the batch's timeout without any byte moving.
// Ownership: the loop outlives it. The batch is shared, as its bytes may have to be sent again.
// Threads:   loop-confined.
// Units:     milliseconds.
// Errors:    MigrationAnswer::End.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "runtime/loop.h"
#include "tiers/regional_connection.h"

namespace terrace::tiers {

struct MigrationBatch {
  std::vector<std::string> login;  // behind AUTH: a password, or a user and a password, or nothing
  int64_t database = 0;
  std::string restores;  // commands, as they are sent
  size_t restore_count = 0;
  int64_t timeout_ms = 0;
};

struct MigrationAnswer {
  enum class End : uint8_t {
    kAnswered,
    kNotConnected,  // there is no such host, or no answer to the connect
    kWriteFailed,   // refused, lost or too slow before everything was sent
    kReadFailed,    // ... or behind that
  };
  End end = End::kAnswered;
  bool timed_out = false;
  bool is_refused = false;  // AUTH or SELECT was: nothing has been restored
  // Of the RESTOREs that were answered, in their order: has the server what it was sent?
  std::vector<bool> restored;
  std::string error;  // the first error reply, without its '-'
};

class MigrationTarget final : public RegionalConnectionHandler {
 public:
  using Done = base::Function<void(MigrationAnswer)>;

  MigrationTarget(runtime::Loop* loop, std::string host, int port);
  ~MigrationTarget();

  // REQUIRES: not lost, and no batch under way.
  void Send(std::shared_ptr<const MigrationBatch> batch, Done done);
  bool is_lost() const { return state_ == State::kLost; }

 private:
  enum class State : uint8_t { kNew, kConnecting, kReady, kLost };

  void Connect();
  void ConnectNext();
  void Greet();
  void SendRestores();
  void SetTimer();
  void OnTimeout();
  void Lose(MigrationAnswer::End end);
  void Finish(MigrationAnswer::End end);

  void OnConnected() override;
  ReplyForm NextReplyForm() const override { return ReplyForm::kBare; }
  Next OnReply(RegionalReply reply) override;
  void OnConnectionLost(Failure failure, std::string detail) override;

  runtime::Loop* const loop_;
  const std::string host_;
  const int port_;
  State state_ = State::kNew;
  std::deque<std::string> addresses_;  // that have not been tried
  std::unique_ptr<RegionalConnection> connection_;
  int64_t selected_;  // the database, or kUnknown

  // Of the batch under way; null between two.
  std::shared_ptr<const MigrationBatch> batch_;
  Done done_;
  MigrationAnswer answer_;
  size_t greetings_awaited_ = 0;
  size_t restores_awaited_ = 0;
  runtime::TimerId timer_ = runtime::kNoTimer;
  size_t unsent_at_timer_ = 0;  // bytes
  // Gone with this.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace terrace::tiers
