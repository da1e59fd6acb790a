#include "replication/effect_stream.h"

#include <algorithm>
#include <utility>

namespace terrace::replication {
namespace {

constexpr size_t kEncodedBytesKept = 64 * 1024;

void AppendHeader(char type, size_t size, std::string* out) {
  *out += type;
  *out += std::to_string(size);
  *out += "\r\n";
}

void AppendBulk(std::string_view bytes, std::string* out) {
  AppendHeader('$', bytes.size(), out);
  *out += bytes;
  *out += "\r\n";
}

}  // namespace

void EffectStream::Follow(std::shared_ptr<Follower> follower) {
  std::lock_guard lock(mutex_);
  followers_.push_back(std::move(follower));
  selected_ = -1;
  is_followed_.store(true, std::memory_order_relaxed);
}

void EffectStream::Unfollow(const Follower* follower) {
  std::lock_guard lock(mutex_);
  std::erase_if(followers_, [&](const auto& one) { return one.get() == follower; });
  if (followers_.empty()) is_followed_.store(false, std::memory_order_relaxed);
}

void EffectStream::Append(std::span<const Effect> unit) {
  if (unit.empty()) return;
  std::lock_guard lock(mutex_);
  if (followers_.empty()) return;
  encoded_.clear();
  if (unit.size() > 1) {
    Encode({-1, {"MULTI"}});
    for (const Effect& effect : unit) Encode(effect);
    Encode({-1, {"EXEC"}});
  } else {
    Encode(unit.front());
  }
  offset_.fetch_add(static_cast<int64_t>(encoded_.size()), std::memory_order_release);
  for (const auto& follower : followers_) follower->OnEffects(encoded_);
  if (encoded_.capacity() > kEncodedBytesKept) std::string().swap(encoded_);
}

void EffectStream::Encode(const Effect& effect) {
  if (effect.database >= 0 && effect.database != selected_) {
    selected_ = effect.database;
    Encode({-1, {"SELECT", std::to_string(selected_)}});
  }
  AppendHeader('*', effect.arguments.size(), &encoded_);
  for (const std::string& argument : effect.arguments) AppendBulk(argument, &encoded_);
}

}  // namespace terrace::replication
