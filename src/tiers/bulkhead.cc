#include "tiers/bulkhead.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace terrace::tiers {

void AnswerSoon(runtime::Loop* loop, GetDone done, GetResult result) {
  loop->Post(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

void AnswerSoon(runtime::Loop* loop, PutDone done, PutResult result) {
  loop->Post(
      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

GetResult FailedGet(Failure failure, std::string detail) {
  GetResult result;
  result.outcome = Outcome::kFailed;
  result.failure = failure;
  result.detail = std::move(detail);
  return result;
}

Bulkhead::Bulkhead(size_t concurrency_max, size_t queue_max, Worker* worker, runtime::Loop* loop)
    : concurrency_max_(concurrency_max), queue_max_(queue_max), worker_(worker), loop_(loop) {
  TERRACE_CHECK(concurrency_max > 0);
}

void Bulkhead::Submit(std::string target, size_t value_bytes_max, int64_t deadline_us,
                      GetDone done) {
  if (closed_) {
    AnswerSoon(loop_, std::move(done), FailedGet(Failure::kClosing, "closing"));
    return;
  }
  const int64_t left_us = deadline_us - loop_->clock().MonoUs();
  if (left_us <= 0) {
    AnswerSoon(loop_, std::move(done),
               FailedGet(Failure::kTimeout, "the deadline had passed before it was asked"));
    return;
  }
  if (working_.size() >= concurrency_max_ && waiting_.size() >= queue_max_) {
    AnswerSoon(loop_, std::move(done),
               FailedGet(Failure::kOverloaded, "queue full: " + std::to_string(working_.size()) +
                                                   " at work, " + std::to_string(waiting_.size()) +
                                                   " waiting"));
    return;
  }
  const uint64_t id = next_id_++;
  // Rounded down: a little early rather than late.
  const runtime::TimerId timer = loop_->After(left_us / 1000, [this, id] { OnDeadline(id); });
  waiting_.emplace(id, Waiting{std::move(target), value_bytes_max, std::move(done), timer});
  StartWaiting();
}

void Bulkhead::StartWaiting() {
  while (!closed_ && !waiting_.empty() && working_.size() < concurrency_max_) {
    auto oldest = waiting_.extract(waiting_.begin());
    Waiting& job = oldest.mapped();
    working_.emplace(oldest.key(), Working{std::move(job.done), job.deadline_timer});
    worker_->Start(Job{oldest.key(), std::move(job.target), job.value_bytes_max});
  }
}

void Bulkhead::Answer(uint64_t job_id, GetResult result) {
  auto found = working_.extract(job_id);
  TERRACE_CHECK(!found.empty());
  NoteResult(result);
  loop_->Cancel(found.mapped().deadline_timer);
  StartWaiting();
  found.mapped().done(std::move(result));
}

void Bulkhead::Release(uint64_t job_id) {
  if (working_.erase(job_id) > 0) StartWaiting();
}

void Bulkhead::OnDeadline(uint64_t id) {
  if (auto waiting = waiting_.extract(id); !waiting.empty()) {
    waiting.mapped().done(
        FailedGet(Failure::kOverloaded, "the deadline passed while waiting in the queue"));
    return;
  }
  const auto found = working_.find(id);
  TERRACE_CHECK(found != working_.end());
  GetDone done = std::exchange(found->second.done, nullptr);
  if (worker_->Stop(id)) working_.erase(found);
  GetResult result = FailedGet(Failure::kTimeout, "no answer before the deadline");
  NoteResult(result);
  StartWaiting();
  done(std::move(result));
}

void Bulkhead::Close(base::Task done) {
  closed_ = true;
  for (auto& [id, job] : waiting_) {
    loop_->Cancel(job.deadline_timer);
    AnswerSoon(loop_, std::move(job.done), FailedGet(Failure::kClosing, "closing"));
  }
  waiting_.clear();
  std::vector<uint64_t> ids;
  for (auto& [id, job] : working_) {
    ids.push_back(id);
    if (!job.done) continue;
    loop_->Cancel(job.deadline_timer);
    AnswerSoon(loop_, std::move(job.done), FailedGet(Failure::kClosing, "closing"));
  }
  working_.clear();
  for (const uint64_t id : ids) static_cast<void>(worker_->Stop(id));
  loop_->Post(std::move(done));
}

void Bulkhead::NoteResult(const GetResult& result) {
  asked_ = true;
  reachable_ = result.failure != Failure::kTimeout && result.failure != Failure::kUnreachable &&
               result.failure != Failure::kProtocol;
  if (result.outcome != Outcome::kFailed) return;
  last_error_ = result.detail;
  last_error_ms_ = loop_->clock().WallMs();
}

Health Bulkhead::health() const {
  Health health;
  health.reachable = reachable_;
  health.state = closed_ ? "closed" : !asked_ ? "idle" : reachable_ ? "up" : "down";
  health.last_error = last_error_;
  health.last_error_ms = last_error_ms_;
  health.in_flight = working_.size();
  health.queued = waiting_.size();
  return health;
}

}  // namespace terrace::tiers
