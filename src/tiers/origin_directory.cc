// The directory origin: keys become relative paths, and helper threads read the files.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include "runtime/loop.h"
#include "tiers/bulkhead.h"
#include "tiers/confined_open.h"
#include "tiers/origin.h"
#include "tiers/url_template.h"

namespace terrace::tiers {
namespace {

constexpr size_t kReadChunkBytes = 64 * 1024;
constexpr size_t kPathBytesMax = 4000;

class ScopedFd {
 public:
  explicit ScopedFd(int fd) : fd_(fd) {}
  ~ScopedFd() {
    if (fd_ >= 0) close(fd_);
  }
  ScopedFd(const ScopedFd&) = delete;
  ScopedFd& operator=(const ScopedFd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The relative path of a key's file, or nothing for a key that can name none.
std::optional<std::string> PathOf(std::string_view key) {
  if (key.size() > kPathBytesMax || key.find('\0') != std::string_view::npos) return std::nullopt;
  std::string path;
  while (true) {
    const size_t slash = key.find('/');
    const std::string_view component = key.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return std::nullopt;
    AppendPercentEncoded(component, "-._", &path);
    if (slash == std::string_view::npos) return path;
    path.push_back('/');
    key.remove_prefix(slash + 1);
  }
}

GetResult Absent() {
  GetResult result;
  result.outcome = Outcome::kAbsent;
  return result;
}

GetResult TooLarge(size_t value_bytes_max) {
  return FailedGet(Failure::kTooLarge,
                   "the file is larger than " + std::to_string(value_bytes_max) + " bytes");
}

// What an error of opening or reading a file of the directory means for its key.
GetResult FromErrno(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case EXDEV:
    case ENAMETOOLONG:
    case ENXIO:  // a socket, or a device without a driver
      return Absent();
    default:
      break;
  }
  const std::string text = std::string("cannot read the file: ") + strerrordesc_np(error);
  switch (error) {
    case EACCES:
    case EPERM:
      return FailedGet(Failure::kRefused, text);
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return FailedGet(Failure::kOverloaded, text);
    default:
      return FailedGet(Failure::kUnreachable, text);
  }
}

GetResult ReadFile(int fd, size_t value_bytes_max) {
  struct stat status;
  if (fstat(fd, &status) != 0) return FromErrno(errno);
  if (!S_ISREG(status.st_mode)) return Absent();
  const size_t limit = value_bytes_max == 0 ? SIZE_MAX : value_bytes_max;
  if (static_cast<uint64_t>(status.st_size) > limit) return TooLarge(value_bytes_max);
  GetResult result;
  result.outcome = Outcome::kValue;
  std::string& bytes = result.value.bytes;
  // One byte more than its size, so that the read that fills the file also finds its end.
  bytes.resize(static_cast<size_t>(status.st_size) + 1);
  size_t used = 0;
  while (true) {
    if (used == bytes.size()) bytes.resize(used + kReadChunkBytes);
    const ssize_t count = read(fd, bytes.data() + used, bytes.size() - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FromErrno(errno);
    if (count == 0) break;
    used += static_cast<size_t>(count);
    if (used > limit) return TooLarge(value_bytes_max);
  }
  bytes.resize(used);
  return result;
}

// The root is opened for each read: it may be mounted late, or swapped by a deployment.
GetResult ReadBelow(const std::string& root, const std::string& path, size_t value_bytes_max) {
  const ScopedFd directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) {
    return FailedGet(Failure::kUnreachable,
                     "cannot open the directory: " + std::string(strerrordesc_np(errno)));
  }
  const int opened = OpenConfined(directory.get(), path);
  if (opened < 0) return FromErrno(-opened);
  const ScopedFd file(opened);
  return ReadFile(file.get(), value_bytes_max);
}

class DirectoryOrigin final : public Upstream, private Bulkhead::Worker {
 public:
  DirectoryOrigin(DirectoryOriginOptions options, runtime::Loop* loop)
      : options_(std::move(options)),
        loop_(loop),
        bulkhead_(std::max<size_t>(options_.concurrency_max, 1), options_.queue_max, this, loop),
        alive_(std::make_shared<DirectoryOrigin*>(this)) {}

  std::string_view name() const override { return options_.name; }

  void Get(GetRequest request, GetDone done) override {
    std::optional<std::string> path = PathOf(request.key);
    if (!path) {
      AnswerSoon(loop_, std::move(done), Absent());
      return;
    }
    bulkhead_.Submit(std::move(*path), request.value_bytes_max, request.deadline_us,
                     std::move(done));
  }

  void Put(PutRequest, PutDone done) override { Refuse(std::move(done)); }
  void Invalidate(int, std::string, int64_t, PutDone done) override { Refuse(std::move(done)); }

  Health health() const override { return bulkhead_.health(); }

  // A read that hangs does not hold up the close: its helper thread finds nobody to tell.
  void Close(base::Task done) override {
    alive_.reset();
    bulkhead_.Close(std::move(done));
  }

 private:
  void Start(Bulkhead::Job job) override {
    auto result = std::make_shared<GetResult>();
    loop_->Offload([result, root = options_.path, path = std::move(job.target),
                    value_bytes_max =
                        job.value_bytes_max] { *result = ReadBelow(root, path, value_bytes_max); },
                   [result, id = job.id, alive = std::weak_ptr<DirectoryOrigin*>(alive_)] {
                     if (const auto self = alive.lock()) (*self)->OnRead(id, std::move(*result));
                   });
  }

  // A blocking read cannot be stopped.
  bool Stop(uint64_t job_id) override {
    overdue_.insert(job_id);
    return false;
  }

  void OnRead(uint64_t id, GetResult result) {
    if (overdue_.erase(id) > 0) {
      bulkhead_.Release(id);
    } else {
      bulkhead_.Answer(id, std::move(result));
    }
  }

  void Refuse(PutDone done) {
    AnswerSoon(loop_, std::move(done), PutResult{Failure::kRefused, "a directory is read-only"});
  }

  const DirectoryOriginOptions options_;
  runtime::Loop* const loop_;
  Bulkhead bulkhead_;
  std::unordered_set<uint64_t> overdue_;     // answered, their reads still at work
  std::shared_ptr<DirectoryOrigin*> alive_;  // none after Close
};

}  // namespace

std::unique_ptr<Upstream> NewDirectoryOrigin(DirectoryOriginOptions options, runtime::Loop* loop) {
  return std::make_unique<DirectoryOrigin>(std::move(options), loop);
}

}  // namespace terrace::tiers
