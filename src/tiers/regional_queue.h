#pragma once

// RegionalQueue: the requests of a regional tier between their calls and their answers. It keeps
// their order, their databases, their deadlines and the limits on their number, and outlives the
// connections they are sent over.
//
// Promises:  requests are sent in the order of Add, over the connection there is; each is answered
//            exactly once, by its deadline, never inside Add. A request never runs in another
//            database than its own.
// Ownership: the connection is borrowed from Start to Lose; options and loop outlive the queue.
//
// Two queues inside: sent_ holds what the server owes replies for, in the order of the replies;
// waiting_ what has not been sent: no connection yet, or the database has to be selected first.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <unordered_set>

#include "runtime/loop.h"
#include "tiers/regional.h"
#include "tiers/regional_connection.h"
#include "tiers/regional_operation.h"

namespace terrace::tiers {

class RegionalQueue {
 public:
  using Next = RegionalConnectionHandler::Next;
  // The connection is of no use any more: its owner destroys it and calls Lose.
  using OnBroken = base::Function<void(Failure failure, std::string detail)>;

  RegionalQueue(const RegionalOptions* options, runtime::Loop* loop, OnBroken on_broken);
  ~RegionalQueue();
  RegionalQueue(const RegionalQueue&) = delete;
  RegionalQueue& operator=(const RegionalQueue&) = delete;

  // Takes a request; the answer says where its command bytes are to be appended at once. nullptr
  // when it is refused: then it is told so soon. bytes: about what they will take.
  [[nodiscard]] std::string* Add(RegionalOperation operation, size_t bytes);
  // Tells an operation that is not in the queue that it failed, soon.
  void FailSoon(RegionalOperation operation, Failure failure, std::string detail);

  // A connection is ready, in database 0: sends what waits and what comes.
  void Start(RegionalConnection* connection);
  // It is gone, and with it the answers to what was sent: the first of them failed as said, the
  // others are kUnreachable. What waits goes on waiting.
  void Lose(Failure failure, std::string detail);
  // Fails what waits, and whatever comes until the next Start at once.
  void Despair(std::string detail);
  // Fails everything.
  void Close();

  ReplyForm NextReplyForm() const;
  // The next reply of the connection. kStop after a call of OnBroken.
  Next TakeReply(RegionalReply reply);

  size_t sent_count() const { return sent_.size(); }
  size_t waiting_count() const { return waiting_.size(); }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  std::string* Take(RegionalOperation operation, size_t bytes, int64_t now_us);
  bool CanSend(const RegionalOperation& operation);
  void SendWaiting();
  void RefuseWaiting(int database, const std::string& detail);
  Next TakeSelectReply(const RegionalReply& reply, int database);
  void FailAll(std::deque<RegionalOperation> operations, Failure failure,
               const std::string& detail);

  void ArmDeadline(int64_t wake_us, int64_t now_us);
  void OnDeadlineTimer();
  void Expire(int64_t now_us);
  int64_t StallUs() const;

  const RegionalOptions* const options_;
  runtime::Loop* const loop_;
  OnBroken on_broken_;

  RegionalConnection* connection_ = nullptr;
  std::optional<std::string> despair_;  // why nothing is taken at present
  std::deque<RegionalOperation> sent_;
  std::deque<RegionalOperation> waiting_;
  size_t queued_bytes_ = 0;             // of both
  int database_ = 0;                    // that the server will be in behind all we have sent
  std::optional<int> selecting_;        // tried for the first time: nothing is sent behind it
  std::unordered_set<int> selectable_;  // proved on this connection

  runtime::TimerId deadline_timer_ = runtime::kNoTimer;
  int64_t deadline_timer_us_ = kNever;
};

}  // namespace terrace::tiers
