#pragma once

// AclLog: what ACL LOG shows: who was refused what. Refusals of the same kind within a minute are
// one entry that counts them.
//
// Threads: internally locked; its mutex is a leaf.
// Units:   milliseconds of Unix time.

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace terrace::server {

enum class AclReason : uint8_t { kCommand, kKey, kChannel, kAuth };
inline constexpr size_t kAclReasons = 4;
enum class AclContext : uint8_t { kTopLevel, kTransaction, kScript };

struct AclLogEntry {
  AclReason reason = AclReason::kCommand;
  AclContext context = AclContext::kTopLevel;
  std::string object;  // the command, key or channel; for kAuth the command as it was sent
  std::string user;
  std::string client;  // as in CLIENT LIST
  int64_t count = 1;
  uint64_t id = 0;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

class AclLog {
 public:
  void set_length_max(size_t length_max);
  // entry: without count, id and times.
  void Add(AclLogEntry entry, int64_t now_ms);
  std::vector<AclLogEntry> Newest(size_t count) const;
  void Clear();

  // Refusals since the start, also those no longer in the log.
  uint64_t total(AclReason reason) const {
    return totals_[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }

 private:
  mutable std::mutex mutex_;
  std::deque<AclLogEntry> entries_;  // newest first; guarded by mutex_
  size_t length_max_ = 128;          // likewise
  uint64_t next_id_ = 0;             // likewise
  std::array<std::atomic<uint64_t>, kAclReasons> totals_{};
};

std::string_view NameOf(AclReason reason);
std::string_view NameOf(AclContext context);

}  // namespace terrace::server
