#include "replication/append_only_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/files.h"

namespace terrace::replication {
namespace {

std::string CannotBe(const char* done, const std::string& path, int error) {
  return path + " cannot be " + done + ": " + std::strerror(error);
}

uint64_t SizeOf(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

}  // namespace

AppendOnlyPlace::AppendOnlyPlace(std::string directory, std::string name)
    : directory_(std::move(directory) + '/'), name_(std::move(name)) {}

AppendOnlyManifest::File AppendOnlyPlace::Base(int64_t sequence) const {
  return {name_ + "." + std::to_string(sequence) + ".base.rdb", sequence};
}

AppendOnlyManifest::File AppendOnlyPlace::Increment(int64_t sequence) const {
  return {name_ + "." + std::to_string(sequence) + ".incr.aof", sequence};
}

std::string AppendOnlyPlace::Prepare() const {
  if (::mkdir(directory_.c_str(), 0755) == 0 || errno == EEXIST) return "";
  return CannotBe("created", directory_, errno);
}

std::string AppendOnlyPlace::Read(AppendOnlyManifest* manifest) const {
  const std::string error = manifest->Read(manifest_path());
  return error.empty() ? "" : manifest_path() + " " + error;
}

std::string AppendOnlyPlace::Write(const AppendOnlyManifest& manifest) const {
  return manifest.Write(manifest_path());
}

std::string AppendOnlyPlace::Adopt(const std::string& path, AppendOnlyManifest* manifest) const {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return "";
  AppendOnlyManifest with_it;
  with_it.base = {base::NameOf(path), 1};
  // First the manifest: a base that is not in its place yet is an error, not an empty start.
  std::string error = Write(with_it);
  if (!error.empty()) return error;
  if (::rename(path.c_str(), PathOf(*with_it.base).c_str()) != 0) {
    error = CannotBe("moved", path, errno);
    ::unlink(manifest_path().c_str());
    return error;
  }
  base::SyncDirectory(directory_);
  *manifest = std::move(with_it);
  return "";
}

std::string AppendOnlyPlace::Create(const AppendOnlyManifest::File& file) const {
  const std::string path = PathOf(file);
  // Another file than one that is perhaps still being written to.
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return CannotBe("created", path, errno);
  ::close(fd);
  return "";
}

void AppendOnlyPlace::RemoveHistory(AppendOnlyManifest* manifest) const {
  if (manifest->history.empty()) return;
  for (const auto& file : manifest->history) ::unlink(PathOf(file).c_str());
  manifest->history.clear();
  // If this fails, they are removed once more another time.
  static_cast<void>(Write(*manifest));
}

uint64_t AppendOnlyPlace::BytesOf(const AppendOnlyManifest& manifest) const {
  uint64_t bytes = manifest.base ? SizeOf(PathOf(*manifest.base)) : 0;
  for (const auto& file : manifest.increments) bytes += SizeOf(PathOf(file));
  return bytes;
}

}  // namespace terrace::replication
