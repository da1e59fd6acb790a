#pragma once

// Bulkhead: a bounded number of reads at work and a bounded queue of reads waiting for one of their
// places. It owns the callbacks of an origin, so that the origin itself only has to do reads.
//
// Promises:  done is called exactly once for each Submit, never inside it: with what Answer says,
//            with kTimeout when a read is still at work at its deadline, with kOverloaded when the
//            queue is full or the deadline came while waiting in it, with kClosing at Close.
// Ownership: destroy it only after Close() has called back. It calls nothing afterwards.
// Units:     deadlines on Clock::MonoUs in microseconds.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>

#include "base/task.h"
#include "runtime/loop.h"
#include "tiers/upstream.h"

namespace terrace::tiers {

class Bulkhead {
 public:
  struct Job {
    uint64_t id = 0;
    std::string target;  // what to read, in the origin's own terms (a URL, a file name)
    size_t value_bytes_max = 0;
  };

  // Does the reads. None of these may call Submit or Answer inside the call.
  class Worker {
   public:
    virtual ~Worker() = default;
    virtual void Start(Job job) = 0;
    // The caller of this job has been answered. True when the work has stopped and its place is
    // free; false when it cannot be stopped: the worker calls Release when it has ended.
    [[nodiscard]] virtual bool Stop(uint64_t job_id) = 0;
  };

  // REQUIRES: worker and loop outlive the bulkhead; concurrency_max > 0.
  Bulkhead(size_t concurrency_max, size_t queue_max, Worker* worker, runtime::Loop* loop);

  void Submit(std::string target, size_t value_bytes_max, int64_t deadline_us, GetDone done);

  // Answers a job and frees its place; the next one may start inside the call. Not inside Start.
  void Answer(uint64_t job_id, GetResult result);
  // Frees the place of a job that was answered before it ended.
  void Release(uint64_t job_id);

  // Stops and answers everything with kClosing, then calls done. Later submissions are answered
  // kClosing.
  void Close(base::Task done);

  Health health() const;

 private:
  struct Waiting {
    std::string target;
    size_t value_bytes_max;
    GetDone done;
    runtime::TimerId deadline_timer;
  };
  struct Working {
    GetDone done;  // empty once answered
    runtime::TimerId deadline_timer;
  };

  void StartWaiting();
  void OnDeadline(uint64_t id);
  void NoteResult(const GetResult& result);

  const size_t concurrency_max_;
  const size_t queue_max_;
  Worker* const worker_;
  runtime::Loop* const loop_;
  std::map<uint64_t, Waiting> waiting_;  // by id: the oldest first
  std::unordered_map<uint64_t, Working> working_;
  uint64_t next_id_ = 1;
  bool closed_ = false;
  bool asked_ = false;      // something has been answered since the start
  bool reachable_ = false;  // as far as the last answer told
  std::string last_error_;
  int64_t last_error_ms_ = 0;
};

// Calls done with this soon.
void AnswerSoon(runtime::Loop* loop, GetDone done, GetResult result);
void AnswerSoon(runtime::Loop* loop, PutDone done, PutResult result);

GetResult FailedGet(Failure failure, std::string detail);

}  // namespace terrace::tiers
