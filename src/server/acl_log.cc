#include "server/acl_log.h"

#include <algorithm>
#include <utility>

namespace terrace::server {
namespace {

// An entry counts another like it for so long, if it is among the newest.
constexpr int64_t kSameMs = 60'000;
constexpr size_t kLookedAt = 10;

bool IsSame(const AclLogEntry& a, const AclLogEntry& b) {
  return a.reason == b.reason && a.context == b.context && a.object == b.object && a.user == b.user;
}

}  // namespace

void AclLog::set_length_max(size_t length_max) {
  std::lock_guard lock(mutex_);
  length_max_ = length_max;
}

void AclLog::Add(AclLogEntry entry, int64_t now_ms) {
  totals_[static_cast<size_t>(entry.reason)].fetch_add(1, std::memory_order_relaxed);
  std::lock_guard lock(mutex_);
  const auto end = entries_.begin() + static_cast<ptrdiff_t>(std::min(kLookedAt, entries_.size()));
  const auto same = std::find_if(entries_.begin(), end, [&](const AclLogEntry& other) {
    return IsSame(entry, other) && now_ms - other.updated_ms <= kSameMs;
  });
  if (same != end) {
    AclLogEntry updated = std::move(*same);
    entries_.erase(same);
    updated.client = std::move(entry.client);
    updated.updated_ms = now_ms;
    ++updated.count;
    entries_.push_front(std::move(updated));
    return;
  }
  entry.id = next_id_++;
  entry.created_ms = entry.updated_ms = now_ms;
  entries_.push_front(std::move(entry));
  if (entries_.size() > length_max_) entries_.resize(length_max_);
}

std::vector<AclLogEntry> AclLog::Newest(size_t count) const {
  std::lock_guard lock(mutex_);
  const auto end = entries_.begin() + static_cast<ptrdiff_t>(std::min(count, entries_.size()));
  return {entries_.begin(), end};
}

void AclLog::Clear() {
  std::lock_guard lock(mutex_);
  entries_.clear();
}

std::string_view NameOf(AclReason reason) {
  constexpr std::string_view kNames[] = {"command", "key", "channel", "auth"};
  return kNames[static_cast<size_t>(reason)];
}

std::string_view NameOf(AclContext context) {
  constexpr std::string_view kNames[] = {"toplevel", "multi", "lua"};
  return kNames[static_cast<size_t>(context)];
}

}  // namespace terrace::server
