#include "server/slowlog.h"

#include <algorithm>
#include <utility>

namespace terrace::server {
namespace {

std::vector<std::string> Shortened(commands::Args args) {
  std::vector<std::string> shown;
  const bool too_many = args.size() > Slowlog::kArgumentsMax;
  const size_t count = too_many ? Slowlog::kArgumentsMax - 1 : args.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string_view arg = args[i];
    std::string text(arg.substr(0, Slowlog::kArgumentBytesMax));
    if (arg.size() > text.size()) {
      text += "... (" + std::to_string(arg.size() - text.size()) + " more bytes)";
    }
    shown.push_back(std::move(text));
  }
  if (too_many) shown.push_back("... (" + std::to_string(args.size() - count) + " more arguments)");
  return shown;
}

}  // namespace

void Slowlog::set_length_max(size_t length_max) {
  std::lock_guard lock(mutex_);
  length_max_ = length_max;
  if (entries_.size() > length_max_) entries_.resize(length_max_);
}

void Slowlog::Add(commands::Args args, SlowlogEntry entry) {
  entry.args = Shortened(args);
  std::lock_guard lock(mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  if (entries_.size() > length_max_) entries_.resize(length_max_);
}

std::vector<SlowlogEntry> Slowlog::Newest(size_t count) const {
  std::lock_guard lock(mutex_);
  const auto end = entries_.begin() + static_cast<ptrdiff_t>(std::min(count, entries_.size()));
  return {entries_.begin(), end};
}

size_t Slowlog::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void Slowlog::Clear() {
  std::lock_guard lock(mutex_);
  entries_.clear();
}

}  // namespace terrace::server
