#include "tiers/regional_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "resp/command_writer.h"
#include "tiers/regional_wire.h"

namespace terrace::tiers {

RegionalQueue::RegionalQueue(const RegionalOptions* options, runtime::Loop* loop,
                             OnBroken on_broken)
    : options_(options), loop_(loop), on_broken_(std::move(on_broken)) {}

RegionalQueue::~RegionalQueue() { loop_->Cancel(deadline_timer_); }

std::string* RegionalQueue::Add(RegionalOperation operation, size_t bytes) {
  const int64_t now_us = loop_->clock().MonoUs();
  if (operation.deadline_us() <= now_us) {
    FailSoon(std::move(operation), Failure::kTimeout, "the deadline has passed; nothing was sent");
  } else if (operation.is_fence) {
    return Take(std::move(operation), bytes, now_us);
  } else if (despair_) {
    FailSoon(std::move(operation), Failure::kUnreachable, *despair_);
  } else if (sent_.size() + waiting_.size() >= options_->in_flight_max) {
    FailSoon(std::move(operation), Failure::kOverloaded, "in_flight_max is reached");
  } else if (bytes + queued_bytes_ > options_->queue_bytes_max) {
    FailSoon(std::move(operation), Failure::kOverloaded, "queue_bytes_max is reached");
  } else {
    return Take(std::move(operation), bytes, now_us);
  }
  return nullptr;
}

std::string* RegionalQueue::Take(RegionalOperation operation, size_t bytes, int64_t now_us) {
  operation.wire_bytes = bytes;
  queued_bytes_ += bytes;
  ArmDeadline(operation.deadline_us(), now_us);
  if (waiting_.empty() && CanSend(operation)) {
    operation.is_sent = true;
    operation.sent_ms = loop_->clock().NowMs();
    sent_.push_back(std::move(operation));
    connection_->FlushSoon();
    return connection_->output();
  }
  waiting_.push_back(std::move(operation));
  return &waiting_.back().wire;
}

void RegionalQueue::FailSoon(RegionalOperation operation, Failure failure, std::string detail) {
  loop_->Post([operation = std::move(operation), failure, detail = std::move(detail)]() mutable {
    operation.Fail(failure, std::move(detail));
  });
}

void RegionalQueue::Start(RegionalConnection* connection) {
  connection_ = connection;
  despair_.reset();
  database_ = 0;
  selecting_.reset();
  selectable_ = {0};
  SendWaiting();
}

void RegionalQueue::Lose(Failure failure, std::string detail) {
  connection_ = nullptr;
  std::deque<RegionalOperation> lost = std::exchange(sent_, {});
  if (lost.empty()) return;
  // Only the reply that was due can have been a senseless one.
  RegionalOperation first = std::move(lost.front());
  lost.pop_front();
  queued_bytes_ -= first.wire_bytes;
  first.Fail(failure, detail);
  FailAll(std::move(lost), Failure::kUnreachable, detail);
}

void RegionalQueue::Despair(std::string detail) {
  despair_ = detail;
  FailAll(std::exchange(waiting_, {}), Failure::kUnreachable, detail);
}

void RegionalQueue::Close() {
  connection_ = nullptr;
  loop_->Cancel(deadline_timer_);
  FailAll(std::exchange(sent_, {}), Failure::kClosing, "the tier is being closed");
  FailAll(std::exchange(waiting_, {}), Failure::kClosing, "the tier is being closed");
}

bool RegionalQueue::CanSend(const RegionalOperation& operation) {
  if (connection_ == nullptr || selecting_) return false;
  const int database = operation.database();
  if (database == database_) return true;
  resp::AppendCommand(connection_->output(), {"SELECT", std::to_string(database)});
  connection_->FlushSoon();
  sent_.emplace_back(database, operation.deadline_us());
  if (!selectable_.contains(database)) {
    selecting_ = database;
    return false;
  }
  database_ = database;
  return true;
}

void RegionalQueue::SendWaiting() {
  if (waiting_.empty()) return;
  const int64_t now_us = loop_->clock().MonoUs();
  while (!waiting_.empty()) {
    const bool expired = waiting_.front().deadline_us() <= now_us;
    if (!expired && !CanSend(waiting_.front())) break;
    RegionalOperation operation = std::move(waiting_.front());
    waiting_.pop_front();
    if (expired) {
      queued_bytes_ -= operation.wire_bytes;
      operation.Fail(Failure::kTimeout, "waited for the connection; nothing was sent");
      continue;
    }
    connection_->output()->append(std::exchange(operation.wire, {}));
    operation.is_sent = true;
    operation.sent_ms = loop_->clock().NowMs();
    sent_.push_back(std::move(operation));
  }
  connection_->FlushSoon();
}

// Refuses what waits at the front for a database the server does not let us into.
void RegionalQueue::RefuseWaiting(int database, const std::string& detail) {
  const auto other = std::find_if(
      waiting_.begin(), waiting_.end(),
      [database](const RegionalOperation& operation) { return operation.database() != database; });
  std::deque<RegionalOperation> refused(std::make_move_iterator(waiting_.begin()),
                                        std::make_move_iterator(other));
  waiting_.erase(waiting_.begin(), other);
  FailAll(std::move(refused), Failure::kRefused, detail);
}

ReplyForm RegionalQueue::NextReplyForm() const {
  return sent_.empty() ? ReplyForm::kBare : sent_.front().reply_form();
}

RegionalQueue::Next RegionalQueue::TakeReply(RegionalReply reply) {
  if (sent_.empty()) {
    on_broken_(Failure::kProtocol, "a reply that nobody had asked for");
    return Next::kStop;
  }
  RegionalOperation& front = sent_.front();
  if (front.is_select()) {
    const int database = front.database();
    sent_.pop_front();
    return TakeSelectReply(reply, database);
  }
  // The operation leaves the queue before its caller is told, who may ask for more at once.
  bool fits;
  if (front.replies_left() > 1) {
    fits = front.TakeReply(std::move(reply));
  } else {
    RegionalOperation operation = std::move(front);
    sent_.pop_front();
    queued_bytes_ -= operation.wire_bytes;
    fits = operation.TakeReply(std::move(reply));
  }
  if (fits) return Next::kGoOn;
  // Whatever comes next would be taken for the answer to something else.
  on_broken_(Failure::kProtocol, "a reply that does not fit its command");
  return Next::kStop;
}

RegionalQueue::Next RegionalQueue::TakeSelectReply(const RegionalReply& reply, int database) {
  if (selecting_ != database) {
    if (reply.type == RegionalReply::Type::kStatus) return Next::kGoOn;
    on_broken_(Failure::kRefused, "SELECT " + std::to_string(database) +
                                      " is refused all of a sudden: " + reply.bytes);
    return Next::kStop;
  }
  selecting_.reset();
  if (reply.type == RegionalReply::Type::kStatus) {
    selectable_.insert(database);
    database_ = database;
  } else {
    RefuseWaiting(database, reply.bytes);
  }
  SendWaiting();
  return Next::kGoOn;
}

// Takes them by value: their callers may ask for more at once, which must not join the failed.
void RegionalQueue::FailAll(std::deque<RegionalOperation> operations, Failure failure,
                            const std::string& detail) {
  for (const RegionalOperation& operation : operations) queued_bytes_ -= operation.wire_bytes;
  for (RegionalOperation& operation : operations) operation.Fail(failure, detail);
}

// ---- deadlines ----------------------------------------------------------------------------------

// One timer for all, set for the earliest deadline known. Most requests are answered long before
// theirs, so it is not moved when one leaves: when it fires too early it finds the next one by
// looking through the queues, about once per typical deadline.
void RegionalQueue::ArmDeadline(int64_t wake_us, int64_t now_us) {
  if (wake_us >= deadline_timer_us_) return;
  loop_->Cancel(deadline_timer_);
  deadline_timer_us_ = wake_us;
  deadline_timer_ = loop_->After((wake_us - now_us) / 1000, [this] { OnDeadlineTimer(); });
}

void RegionalQueue::OnDeadlineTimer() {
  deadline_timer_ = runtime::kNoTimer;
  deadline_timer_us_ = kNever;
  const int64_t now_us = loop_->clock().MonoUs();
  Expire(now_us);
  if (!sent_.empty() && StallUs() - now_us < 1000) {
    on_broken_(Failure::kUnreachable,
               "no answer for " + std::to_string(options_->stall_grace_ms) + " ms");
  }
  int64_t wake_us = sent_.empty() ? kNever : StallUs();
  for (const auto* queue : {&sent_, &waiting_}) {
    for (const RegionalOperation& operation : *queue) {
      if (!operation.answered()) wake_us = std::min(wake_us, operation.deadline_us());
    }
  }
  if (wake_us != kNever) ArmDeadline(wake_us, now_us);
}

// Timers count in milliseconds; what would end within the next one ends now rather than late.
void RegionalQueue::Expire(int64_t now_us) {
  const auto is_due = [now_us](const RegionalOperation& operation) {
    return operation.deadline_us() - now_us < 1000 && !operation.answered();
  };
  // Those sent keep their places, for the replies that may still come.
  const size_t sent_count = sent_.size();
  const auto first_due =
      std::stable_partition(waiting_.begin(), waiting_.end(),
                            [&](const RegionalOperation& operation) { return !is_due(operation); });
  std::deque<RegionalOperation> never_sent(std::make_move_iterator(first_due),
                                           std::make_move_iterator(waiting_.end()));
  waiting_.erase(first_due, waiting_.end());
  for (size_t i = 0; i < sent_count; ++i) {
    if (is_due(sent_[i])) sent_[i].Fail(Failure::kTimeout, "no answer before the deadline");
  }
  FailAll(std::move(never_sent), Failure::kTimeout, "waited for the connection; nothing was sent");
}

// When the connection is to be given up if nothing comes in until then.
int64_t RegionalQueue::StallUs() const {
  const int64_t grace_us = options_->stall_grace_ms * 1000;
  const int64_t due_us = std::max(sent_.front().deadline_us(), connection_->received_us());
  return due_us < kNever - grace_us ? due_us + grace_us : kNever;
}

}  // namespace terrace::tiers
