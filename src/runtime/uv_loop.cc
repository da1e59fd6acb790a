#include "runtime/uv_loop.h"

#include <time.h>
#include <uv.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"

namespace terrace::runtime {

struct TimerHandle {
  uv_timer_t timer;
  TimerId id;
  base::Task task;
  void* owner;
};

namespace {

int64_t ReadClockUs(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

// A uv_poll_t must outlive its close callback, so the watcher only holds a pointer to it.
struct PollHandle {
  uv_poll_t poll = {};
  base::Function<void(int)> on_events;
  int events = 0;
  bool closing = false;
};

class UvWatcher : public FdWatcher {
 public:
  UvWatcher(uv_loop_t* loop, int fd, base::Function<void(int)> on_events)
      : handle_(new PollHandle{.on_events = std::move(on_events)}) {
    TERRACE_CHECK(uv_poll_init(loop, &handle_->poll, fd) == 0);
    handle_->poll.data = handle_;
  }

  ~UvWatcher() override {
    // The callback may be the very one that destroys the watcher: it must live until it returns,
    // which the deferred close callback guarantees.
    handle_->closing = true;
    uv_poll_stop(&handle_->poll);
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->poll),
             [](uv_handle_t* handle) { delete static_cast<PollHandle*>(handle->data); });
  }

  void SetEvents(int events) override {
    if (events == handle_->events) return;
    handle_->events = events;
    if (events == 0) {
      uv_poll_stop(&handle_->poll);
    } else {
      Start(handle_);
    }
  }

 private:
  static void Start(PollHandle* handle) {
    const int uv_events = ((handle->events & kReadable) ? UV_READABLE : 0) |
                          ((handle->events & kWritable) ? UV_WRITABLE : 0);
    uv_poll_start(&handle->poll, uv_events, OnPoll);
  }

  static void OnPoll(uv_poll_t* poll, int status, int ready) {
    auto* const handle = static_cast<PollHandle*>(poll->data);
    if (handle->closing) return;
    if (status < 0) {
      // libuv does not watch a descriptor with an error any more; but what was received before may
      // still be read, and the next read may be the one that finds the error.
      Start(handle);
      handle->on_events(kReadable | kWritable | kFailed);
      return;
    }
    handle->on_events(((ready & UV_READABLE) ? kReadable : 0) |
                      ((ready & UV_WRITABLE) ? kWritable : 0));
  }

  PollHandle* handle_;
};

struct OffloadRequest {
  uv_work_t work;
  base::Task run;
  base::Task done;
};

}  // namespace

SystemClock::SystemClock()
    : wall_minus_mono_us_(ReadClockUs(CLOCK_REALTIME) - ReadClockUs(CLOCK_MONOTONIC)) {}
int64_t SystemClock::MonoUs() const { return ReadClockUs(CLOCK_MONOTONIC); }
int64_t SystemClock::WallUs() const { return ReadClockUs(CLOCK_REALTIME); }
int64_t SystemClock::WallMs() const { return WallUs() / 1000; }
int64_t SystemClock::NowUs() const { return MonoUs() + wall_minus_mono_us_; }
int64_t SystemClock::NowMs() const { return NowUs() / 1000; }

struct UvLoop::Impl {
  const base::Clock* clock;
  uv_loop_t loop;
  uv_async_t mailbox_signal;
  uv_prepare_t turn_end;
  std::vector<base::Task> deferred;

  std::mutex mailbox_mutex;
  std::vector<base::Task> mailbox;  // guarded by mailbox_mutex
  bool stop = false;                // guarded by mailbox_mutex

  std::unordered_map<TimerId, TimerHandle*> timers;
  TimerId next_timer_id = 1;

  void DrainMailbox() {
    std::vector<base::Task> tasks;
    bool stopping;
    {
      std::lock_guard lock(mailbox_mutex);
      tasks.swap(mailbox);
      stopping = stop;
    }
    for (base::Task& task : tasks) std::move(task)();
    if (stopping) uv_stop(&loop);
  }

  void RunDeferred() {
    // Also what these defer in their turn: the loop sleeps after this.
    for (size_t i = 0; i < deferred.size(); ++i) {
      base::Task task = std::move(deferred[i]);
      std::move(task)();
    }
    deferred.clear();
    uv_prepare_stop(&turn_end);
  }

  void CloseTimer(TimerHandle* timer) {
    timers.erase(timer->id);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer->timer),
             [](uv_handle_t* handle) { delete static_cast<TimerHandle*>(handle->data); });
  }
};

UvLoop::UvLoop(const base::Clock* clock) : impl_(std::make_unique<Impl>()) {
  impl_->clock = clock;
  TERRACE_CHECK(uv_loop_init(&impl_->loop) == 0);
  impl_->mailbox_signal.data = impl_.get();
  TERRACE_CHECK(uv_async_init(&impl_->loop, &impl_->mailbox_signal, [](uv_async_t* async) {
                  static_cast<Impl*>(async->data)->DrainMailbox();
                }) == 0);
  uv_prepare_init(&impl_->loop, &impl_->turn_end);
  impl_->turn_end.data = impl_.get();
}

UvLoop::~UvLoop() {
  // Close what is left, then let libuv run the close callbacks.
  uv_walk(
      &impl_->loop,
      [](uv_handle_t* handle, void* arg) {
        if (uv_is_closing(handle)) return;
        auto* impl = static_cast<Impl*>(arg);
        if (handle->type == UV_TIMER) {
          impl->CloseTimer(static_cast<TimerHandle*>(handle->data));
        } else {
          uv_close(handle, nullptr);
        }
      },
      impl_.get());
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
  TERRACE_CHECK(uv_loop_close(&impl_->loop) == 0);
}

void UvLoop::Run() { uv_run(&impl_->loop, UV_RUN_DEFAULT); }

void UvLoop::Stop() {
  {
    std::lock_guard lock(impl_->mailbox_mutex);
    impl_->stop = true;
  }
  uv_async_send(&impl_->mailbox_signal);
}

const base::Clock& UvLoop::clock() const { return *impl_->clock; }

void UvLoop::Post(base::Task task) {
  bool was_empty;
  {
    std::lock_guard lock(impl_->mailbox_mutex);
    was_empty = impl_->mailbox.empty();
    impl_->mailbox.push_back(std::move(task));
  }
  // A signal is already on its way when the mailbox was not empty.
  if (was_empty) uv_async_send(&impl_->mailbox_signal);
}

void UvLoop::Defer(base::Task task) {
  if (impl_->deferred.empty()) {
    uv_prepare_start(&impl_->turn_end, [](uv_prepare_t* prepare) {
      static_cast<Impl*>(prepare->data)->RunDeferred();
    });
  }
  impl_->deferred.push_back(std::move(task));
}

TimerId UvLoop::After(int64_t delay_ms, base::Task task) {
  auto* timer = new TimerHandle{{}, impl_->next_timer_id++, std::move(task), impl_.get()};
  uv_timer_init(&impl_->loop, &timer->timer);
  timer->timer.data = timer;
  impl_->timers.emplace(timer->id, timer);
  // libuv's idea of now is that of the start of the turn; a long turn must not shorten the delay.
  uv_update_time(&impl_->loop);
  uv_timer_start(
      &timer->timer,
      [](uv_timer_t* handle) {
        auto* fired = static_cast<TimerHandle*>(handle->data);
        base::Task run = std::move(fired->task);
        static_cast<Impl*>(fired->owner)->CloseTimer(fired);
        std::move(run)();
      },
      static_cast<uint64_t>(delay_ms < 0 ? 0 : delay_ms), 0);
  return timer->id;
}

void UvLoop::Cancel(TimerId id) {
  const auto found = impl_->timers.find(id);
  if (found == impl_->timers.end()) return;
  uv_timer_stop(&found->second->timer);
  impl_->CloseTimer(found->second);
}

std::unique_ptr<FdWatcher> UvLoop::Watch(int fd, base::Function<void(int)> on_events) {
  return std::make_unique<UvWatcher>(&impl_->loop, fd, std::move(on_events));
}

void SetHelperThreads(size_t count) {
  constexpr size_t kMax = 1024;  // of libuv
  setenv("UV_THREADPOOL_SIZE", std::to_string(std::min(count, kMax)).c_str(), /*overwrite=*/0);
}

void UvLoop::Offload(base::Task work, base::Task done) {
  auto* request = new OffloadRequest{{}, std::move(work), std::move(done)};
  request->work.data = request;
  uv_queue_work(
      &impl_->loop, &request->work,
      [](uv_work_t* handle) { std::move(static_cast<OffloadRequest*>(handle->data)->run)(); },
      [](uv_work_t* handle, int) {
        std::unique_ptr<OffloadRequest> finished(static_cast<OffloadRequest*>(handle->data));
        std::move(finished->done)();
      });
}

}  // namespace terrace::runtime
