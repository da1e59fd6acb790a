#include "replication/append_only_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/files.h"

namespace terrace::replication {
namespace {

constexpr size_t kBufferBytesKept = size_t{1} << 20;

}  // namespace

struct AppendOnlyFile::File {
  explicit File(int descriptor) : fd(descriptor) {}
  ~File() { ::close(fd); }
  const int fd;
  uint64_t written = 0;  // bytes since it was opened; guarded by file_mutex_
};

AppendOnlyFile::AppendOnlyFile(const base::Clock* clock, Events* events)
    : clock_(clock), events_(events) {}

AppendOnlyFile::~AppendOnlyFile() {
  if (!syncer_.joinable()) return;
  {
    std::lock_guard lock(syncer_mutex_);
    stops_ = true;
  }
  syncer_wakes_.notify_one();
  syncer_.join();
}

int AppendOnlyFile::SwitchTo(const std::string& path, int64_t offset) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  auto file = std::make_shared<File>(fd);
  struct stat status {};
  ::fstat(fd, &status);
  std::lock_guard file_lock(file_mutex_);
  // What cannot be written into the old one comes first in the new one.
  if (file_ != nullptr) Report(WriteBuffer());
  file_ = std::move(file);
  size_.store(static_cast<uint64_t>(status.st_size), std::memory_order_relaxed);
  if (!syncer_.joinable()) syncer_ = std::thread([this] { RunSyncer(); });
  std::lock_guard lock(mutex_);
  if (keeps_) return 0;
  keeps_ = true;
  written_ = offset;
  synced_.store(offset, std::memory_order_release);
  settled_.store(offset, std::memory_order_release);
  told_.store(offset, std::memory_order_release);
  return 0;
}

void AppendOnlyFile::Close() {
  std::lock_guard file_lock(file_mutex_);
  if (file_ == nullptr) return;
  if (WriteBuffer() == 0) static_cast<void>(Sync());
  file_ = nullptr;
  unsynced_.clear();
  last_error_ = 0;
  delayed_since_ms_ = -1;
  std::lock_guard lock(mutex_);
  keeps_ = false;
  std::string().swap(buffer_);
  told_.store(-1);
  settled_.store(-1);
  synced_.store(-1);
}

int AppendOnlyFile::Flush() {
  std::lock_guard lock(file_mutex_);
  if (file_ == nullptr) return 0;
  const int error = WriteBuffer();
  Report(error);
  return error;
}

void AppendOnlyFile::OnEffects(const Told& told) {
  std::lock_guard lock(mutex_);
  if (!keeps_) return;
  buffer_ += told.lasting;
  told_.store(told.offset, std::memory_order_release);
}

size_t AppendOnlyFile::buffered_bytes() const {
  std::lock_guard lock(mutex_);
  return buffer_.size();
}

void AppendOnlyFile::Write() {
  const bool syncs = syncs_.load() == Syncs::kAlways && !rests_.load();
  std::lock_guard lock(file_mutex_);
  if (file_ == nullptr) return;
  // Others may have done it in the meantime. What fails is tried again by Tick.
  if (settled_.load() >= told_.load() || last_error_ != 0 || (!syncs && MayDelay())) return;
  const int error = WriteBuffer();
  Report(error == 0 && syncs ? Sync() : error);
}

// REQUIRES: file_mutex_
bool AppendOnlyFile::MayDelay() {
  if (!is_syncing() || syncs_.load() != Syncs::kEverySecond) return false;
  if (buffered_bytes() > kDelayBytesMax) return false;
  const int64_t now_ms = clock_->MonoUs() / 1000;
  if (delayed_since_ms_ < 0) delayed_since_ms_ = now_ms;
  if (now_ms - delayed_since_ms_ < kDelayMsMax) return true;
  delayed_writes_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

// REQUIRES: file_mutex_, and a file
int AppendOnlyFile::WriteBuffer() {
  int64_t offset;
  {
    std::lock_guard lock(mutex_);
    writing_.swap(buffer_);
    offset = told_.load();
  }
  size_t written = 0;
  const int error = base::WriteAll(file_->fd, writing_, &written);
  size_.fetch_add(written, std::memory_order_relaxed);
  file_->written += written;
  if (written > 0 && (unsynced_.empty() || unsynced_.back() != file_)) unsynced_.push_back(file_);
  if (error != 0) {
    std::lock_guard lock(mutex_);
    buffer_.insert(0, writing_, written);
    writing_.clear();
    return error;
  }
  writing_.clear();
  if (writing_.capacity() > kBufferBytesKept) std::string().swap(writing_);
  delayed_since_ms_ = -1;
  written_ = offset;
  if (syncs_.load() != Syncs::kAlways || rests_.load()) settled_.store(offset);
  return 0;
}

// REQUIRES: file_mutex_
int AppendOnlyFile::Sync() {
  for (const auto& file : unsynced_) {
    if (::fdatasync(file->fd) != 0) return errno;
  }
  unsynced_.clear();
  synced_.store(written_, std::memory_order_release);
  if (settled_.load() < written_) settled_.store(written_, std::memory_order_release);
  return 0;
}

// REQUIRES: file_mutex_
void AppendOnlyFile::Report(int error) {
  if (error != last_error_) events_->OnWritten(error);
  last_error_ = error;
}

void AppendOnlyFile::Tick() {
  bool has_synced = false;
  {
    std::lock_guard lock(file_mutex_);
    if (file_ == nullptr) return;
    const bool is_behind = written_ < told_.load();
    if (is_behind && (last_error_ != 0 || !MayDelay())) {
      Report(WriteBuffer());
    } else if (last_error_ != 0) {
      Report(Sync());
      has_synced = last_error_ == 0;
    }
  }
  if (has_synced) events_->OnSynced();
}

void AppendOnlyFile::RunSyncer() {
  std::unique_lock lock(syncer_mutex_);
  while (!stops_) {
    syncer_wakes_.wait_for(lock, std::chrono::milliseconds(kSyncPeriodMs));
    if (stops_ || syncs_.load() != Syncs::kEverySecond || rests_.load()) continue;
    lock.unlock();
    SyncBeside();
    lock.lock();
  }
}

// So that no reply waits for it, without the mutex meanwhile.
void AppendOnlyFile::SyncBeside() {
  struct Part {
    std::shared_ptr<File> file;
    uint64_t written;
  };
  std::vector<Part> parts;
  int64_t offset;
  {
    std::lock_guard lock(file_mutex_);
    if (file_ == nullptr) return;
    for (const auto& file : unsynced_) parts.push_back({file, file->written});
    offset = written_;
    is_syncing_.store(true);
  }
  int error = 0;
  for (const Part& part : parts) {
    if (error == 0 && ::fdatasync(part.file->fd) != 0) error = errno;
  }
  {
    std::lock_guard lock(file_mutex_);
    is_syncing_.store(false);
    if (file_ == nullptr) return;  // it has been closed meanwhile, and synced
    if (error == 0) {
      std::erase_if(unsynced_, [&](const auto& file) {
        return std::ranges::any_of(parts, [&](const Part& part) {
          return part.file == file && part.written == file->written;
        });
      });
      if (synced_.load() < offset) synced_.store(offset, std::memory_order_release);
    } else {
      Report(error);
    }
  }
  if (error == 0) events_->OnSynced();
}

}  // namespace terrace::replication
