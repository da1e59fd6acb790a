#include "replication/background_save.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "replication/snapshot_file.h"

namespace terrace::replication {
namespace {

// The child has closed its pipe and is about to be gone: how often to look.
constexpr int64_t kCollectMs = 1;
constexpr int kChildNiceness = 10;
// Descriptors are closed one by one where the kernel cannot close a range of them.
constexpr int kDescriptorsMax = 65536;
constexpr size_t kErrorBytes = 256;

// What the child says through the pipe before it ends. It fits into one write.
struct Report {
  uint64_t bytes = 0;
  uint64_t keys = 0;
  uint64_t copied_bytes = 0;
  char error[kErrorBytes] = {};
};

void CloseAllBut(int kept) {
  const auto close_range = [](int first, int last) {
    if (first > last ||
        ::close_range(static_cast<unsigned>(first), static_cast<unsigned>(last), 0) == 0) {
      return;
    }
    for (int fd = first; fd <= std::min(last, kDescriptorsMax); ++fd) ::close(fd);
  };
  close_range(STDERR_FILENO + 1, kept - 1);
  close_range(kept + 1, std::numeric_limits<int>::max());
}

// Pages that this process has to itself: since the fork, its own changes or its parent's.
uint64_t PrivateDirtyBytes() {
  const int fd = ::open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[4096];
  const ssize_t size = ::read(fd, text, sizeof(text));
  ::close(fd);
  const std::string_view all(text, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  constexpr std::string_view kName = "Private_Dirty:";
  const size_t at = all.find(kName);
  if (at == std::string_view::npos) return 0;
  const size_t digits = all.find_first_not_of(' ', at + kName.size());
  if (digits == std::string_view::npos) return 0;
  uint64_t kilobytes = 0;
  std::from_chars(all.data() + digits, all.data() + all.size(), kilobytes);
  return kilobytes << 10;
}

[[noreturn]] void RunChild(pid_t parent, int pipe, const std::string& path,
                           keyspace::Keyspace& keyspace, const SnapshotContent& content) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  CloseAllBut(pipe);
  ::setpriority(PRIO_PROCESS, 0, kChildNiceness);
  const SnapshotSaved saved = SaveSnapshot(path, keyspace, content);
  Report report;
  report.bytes = saved.bytes;
  report.keys = saved.keys;
  report.copied_bytes = PrivateDirtyBytes();
  saved.error.copy(report.error, kErrorBytes - 1);
  [[maybe_unused]] const ssize_t ignored = ::write(pipe, &report, sizeof(report));
  ::_exit(saved.error.empty() ? 0 : 1);
}

}  // namespace

struct BackgroundSave::Child {
  pid_t pid = -1;
  int pipe = -1;  // to read the report from
  std::string path;
  OnEnd on_end;
  std::string report;

  ~Child() {
    if (pipe >= 0) ::close(pipe);
  }
};

BackgroundSave::BackgroundSave(keyspace::Keyspace* keyspace, runtime::Loop* home)
    : keyspace_(keyspace), home_(home) {}

BackgroundSave::~BackgroundSave() {
  watcher_.reset();
  if (child_ == nullptr) return;
  ::kill(child_->pid, SIGKILL);
  ::waitpid(child_->pid, nullptr, 0);
  ::unlink(TemporaryPath(child_->path, child_->pid).c_str());
}

std::string BackgroundSave::Start(const std::string& path, const SnapshotContent& content,
                                  OnEnd on_end) {
  if (in_progress_.exchange(true)) return kInProgress;
  const auto fail = [this](const char* what) {
    std::string error = std::string(what) + ": " + std::strerror(errno);
    in_progress_.store(false);
    return error;
  };
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return fail("cannot make a pipe");
  ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  const pid_t parent = ::getpid();
  pid_t pid;
  const int64_t begin_us = home_->clock().MonoUs();
  begin_us_.store(begin_us, std::memory_order_relaxed);
  {
    const keyspace::ShardLock lock(*keyspace_, keyspace_->AllShards());
    pid = ::fork();
    if (pid == 0) RunChild(parent, pipe[1], path, *keyspace_, content);
  }
  if (pid > 0) forks_.fetch_add(1, std::memory_order_relaxed);
  last_fork_us_.store(home_->clock().MonoUs() - begin_us, std::memory_order_relaxed);
  const int fork_error = errno;
  ::close(pipe[1]);
  if (pid < 0) {
    ::close(pipe[0]);
    errno = fork_error;
    return fail("cannot fork");
  }
  {
    const std::lock_guard lock(mutex_);
    child_ = std::make_unique<Child>();
    child_->pid = pid;
    child_->pipe = pipe[0];
    child_->path = path;
    child_->on_end = std::move(on_end);
  }
  home_->Post([this] { Attend(); });
  return "";
}

void BackgroundSave::Kill() {
  const std::lock_guard lock(mutex_);
  if (child_ != nullptr) ::kill(child_->pid, SIGKILL);
}

int64_t BackgroundSave::running_ms() const {
  if (!in_progress()) return -1;
  return (home_->clock().MonoUs() - begin_us_.load(std::memory_order_relaxed)) / 1000;
}

void BackgroundSave::Attend() {
  watcher_ = home_->Watch(child_->pipe, [this](int) { ReadReport(); });
  watcher_->SetEvents(runtime::kReadable);
}

// The pipe ends when the child does, whatever it has said before.
void BackgroundSave::ReadReport() {
  char buffer[sizeof(Report)];
  const ssize_t got = ::read(child_->pipe, buffer, sizeof(buffer));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) {
    child_->report.append(buffer, static_cast<size_t>(got));
    return;
  }
  // Not from within its own callback.
  watcher_->SetEvents(0);
  home_->Post([this] {
    watcher_.reset();
    Collect();
  });
}

void BackgroundSave::Collect() {
  int status = 0;
  const pid_t collected = ::waitpid(child_->pid, &status, WNOHANG);
  if (collected == 0 || (collected < 0 && errno == EINTR)) {
    home_->After(kCollectMs, [this] { Collect(); });
    return;
  }
  std::unique_ptr<Child> child;
  {
    const std::lock_guard lock(mutex_);
    child = std::move(child_);
  }
  Outcome outcome;
  outcome.elapsed_ms = running_ms();
  if (child->report.size() == sizeof(Report)) {
    Report report;
    std::memcpy(&report, child->report.data(), sizeof(report));
    outcome.error = report.error;
    outcome.bytes = report.bytes;
    outcome.keys = report.keys;
    outcome.copied_bytes = report.copied_bytes;
  } else {
    outcome.error = WIFSIGNALED(status)
                        ? "the process was ended by signal " + std::to_string(WTERMSIG(status))
                        : "the process ended without a report";
    ::unlink(TemporaryPath(child->path, child->pid).c_str());
  }
  in_progress_.store(false, std::memory_order_release);
  child->on_end(outcome);
}

}  // namespace terrace::replication
