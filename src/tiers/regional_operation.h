#pragma once

// RegionalOperation: one request to the regional tier on its way: what to send, how many replies
// belong to it, and whom to tell. Its place in the queue outlives its answer, so that a late reply
// is still matched to it and dropped.
//
// Promises: the caller's done is called exactly once, by Fail or by the last TakeReply.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "tiers/regional.h"
#include "tiers/regional_wire.h"
#include "tiers/upstream.h"

namespace terrace::tiers {

class RegionalOperation {
 public:
  // SELECT, sent on our own account: nobody is told, the queue looks at the reply itself.
  RegionalOperation(int database, int64_t deadline_us);
  RegionalOperation(const GetRequest& request, GetDone done);
  RegionalOperation(int database, int64_t deadline_us, PutDone done);
  RegionalOperation(const RelayRequest& request, RelayDone done);
  RegionalOperation(const TransactionRequest& request, RelayDone done);
  RegionalOperation(RegionalOperation&&) = default;
  RegionalOperation& operator=(RegionalOperation&&) = default;

  int database() const { return database_; }
  int64_t deadline_us() const { return deadline_us_; }
  bool is_select() const { return kind_ == Kind::kSelect; }
  bool answered() const { return std::holds_alternative<std::monostate>(done_); }
  ReplyForm reply_form() const {
    const bool is_relayed = kind_ == Kind::kRelay || kind_ == Kind::kTransaction;
    return is_relayed ? ReplyForm::kFramed : ReplyForm::kBare;
  }

  // Tells the caller that it failed. After this answered(), which comes true before done runs.
  void Fail(Failure failure, std::string detail);

  // Takes the next reply that belongs to it; answers with the last one. False when the server
  // cannot have meant it for this: replies and requests are out of step.
  [[nodiscard]] bool TakeReply(RegionalReply reply);
  size_t replies_left() const { return replies_left_; }

  std::string wire;       // its commands, while it waits to be sent
  size_t wire_bytes = 0;  // its share of queue_bytes_max
  bool is_fence = false;  // goes out in its turn whatever limits say
  bool is_sent = false;
  int64_t sent_ms = 0;  // on NowMs; the lifetime of what it brings counts from here

 private:
  enum class Kind : uint8_t { kSelect, kGet, kPut, kRelay, kTransaction };

  bool Fits(RegionalReply::Type type) const;
  void TakeDump(RegionalReply reply);
  void TakePttl(const RegionalReply& reply);
  void AnswerPut(const RegionalReply& reply);
  void AnswerRelay(RegionalReply reply);
  bool TakeOfTransaction(RegionalReply reply);
  bool AnswerTransaction(RegionalReply reply);

  Kind kind_;
  size_t replies_left_ = 1;
  int database_;
  int64_t deadline_us_;
  size_t value_bytes_max_ = 0;
  GetResult get_result_;
  size_t command_count_ = 0;  // of a transaction
  std::string refusal_;       // why one of its commands was not queued there
  bool is_multi_refused_ = false;
  std::variant<std::monostate, GetDone, PutDone, RelayDone> done_;
};

}  // namespace terrace::tiers
