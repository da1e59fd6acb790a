#include "server/append_only_load.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "replication/command_log.h"
#include "replication/snapshot_file.h"
#include "server/effect_player.h"
#include "server/worker.h"

namespace terrace::server {
namespace {

constexpr std::string_view kSnapshotMagic = "REDIS";

class AppendOnlyLoad {
 public:
  AppendOnlyLoad(Core* core, Persistence* persistence, const Settings& settings, Worker* worker)
      : core_(core), persistence_(persistence), settings_(settings), worker_(worker) {}

  std::string LoadFile(const std::string& path, bool is_last) {
    replication::FileInput input;
    if (input.Open(path) != replication::FileInput::Opened::kYes) {
      return path + " cannot be opened: " + std::strerror(errno);
    }
    uint64_t offset = 0;
    if (BeginsWithSnapshot(&input)) {
      const std::string error =
          persistence_->LoadFile(path, settings_,
                                 {.existing = SnapshotLoader::Existing::kRefuse,
                                  .eviction = SnapshotLoader::Eviction::kMayNot,
                                  .expired = SnapshotLoader::Expired::kKept,
                                  .functions = &worker_->functions()},
                                 &offset);
      if (!error.empty()) return error;
    }
    if (!input.Seek(offset)) return path + " cannot be read: " + std::strerror(errno);
    EffectPlayer player(core_, persistence_, worker_);
    const replication::CommandLogRead read = replication::ReadCommandLog(&input, offset, &player);
    if (!read.error.empty()) return path + ": " + read.error;
    if (read.is_truncated) {
      const std::string error = CutOff(path, read.whole_bytes, is_last);
      if (!error.empty()) return error;
    }
    core_->log->Notice("append_only_loaded", {{"file", path},
                                              {"commands", std::to_string(read.commands)},
                                              {"failed", std::to_string(player.failed())},
                                              {"first_error", player.first_error()}});
    return "";
  }

 private:
  static bool BeginsWithSnapshot(replication::ByteInput* input) {
    char magic[kSnapshotMagic.size()];
    size_t got = 0;
    while (got < sizeof(magic)) {
      const int64_t count = input->Read(magic + got, sizeof(magic) - got);
      if (count <= 0) break;
      got += static_cast<size_t>(count);
    }
    return std::string_view(magic, got) == kSnapshotMagic;
  }

  std::string CutOff(const std::string& path, uint64_t whole_bytes, bool is_last) {
    const std::string at = "offset " + std::to_string(whole_bytes);
    if (!is_last) return path + " ends within a command that begins at " + at;
    if (!settings_.aof_load_truncated) {
      return path + " ends within a command or transaction that begins at " + at +
             " (aof-load-truncated yes cuts it off)";
    }
    core_->log->Warning("append_only_truncated", {{"file", path}, {"at", at}});
    if (::truncate(path.c_str(), static_cast<off_t>(whole_bytes)) == 0) return "";
    return path + " cannot be truncated: " + std::strerror(errno);
  }

  Core* const core_;
  Persistence* const persistence_;
  const Settings& settings_;
  Worker* const worker_;
};

}  // namespace

std::string LoadAppendOnly(Core* core, Persistence* persistence, const Settings& settings,
                           const replication::AppendOnlyPlace& place,
                           const replication::AppendOnlyManifest& manifest, Worker* worker) {
  AppendOnlyLoad load(core, persistence, settings, worker);
  if (manifest.base) {
    const std::string error =
        load.LoadFile(place.PathOf(*manifest.base), manifest.increments.empty());
    if (!error.empty()) return error;
  }
  for (const auto& file : manifest.increments) {
    const bool is_last = &file == &manifest.increments.back();
    const std::string error = load.LoadFile(place.PathOf(file), is_last);
    if (!error.empty()) return error;
  }
  return "";
}

}  // namespace terrace::server
