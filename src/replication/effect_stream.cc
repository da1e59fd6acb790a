#include "replication/effect_stream.h"

#include <algorithm>
#include <utility>

#include "resp/command_writer.h"

namespace terrace::replication {
namespace {

constexpr size_t kEncodedBytesKept = 64 * 1024;

template <typename Wants>
void AppendUnit(std::span<const Effect> unit, int* selected, Wants wants, std::string* out) {
  const auto count = std::ranges::count_if(unit, wants);
  if (count > 1) resp::AppendCommand(out, {"MULTI"});
  for (const Effect& effect : unit) {
    // Whether or not the effect itself is wanted, so that every form ends in the same database.
    if (effect.database >= 0 && effect.database != *selected) {
      *selected = effect.database;
      resp::AppendCommand(out, {"SELECT", std::to_string(*selected)});
    }
    if (wants(effect)) resp::AppendCommand(out, effect.arguments);
  }
  if (count > 1) resp::AppendCommand(out, {"EXEC"});
}

void ClearAndTrim(std::string* text) {
  text->clear();
  if (text->capacity() > kEncodedBytesKept) std::string().swap(*text);
}

}  // namespace

void EffectStream::Follow(std::shared_ptr<Follower> follower) {
  std::lock_guard lock(mutex_);
  followers_.push_back(std::move(follower));
  selected_ = -1;
  is_followed_.store(true, std::memory_order_relaxed);
}

bool EffectStream::Unfollow(const Follower* follower) {
  std::lock_guard lock(mutex_);
  const auto is_it = [&](const auto& one) { return one.get() == follower; };
  if (std::erase_if(followers_, is_it) == 0) return false;
  if (followers_.empty()) is_followed_.store(false, std::memory_order_relaxed);
  return true;
}

void EffectStream::SelectAgain() {
  std::lock_guard lock(mutex_);
  selected_ = -1;
}

void EffectStream::Append(std::span<const Effect> unit) {
  if (unit.empty()) return;
  std::lock_guard lock(mutex_);
  if (followers_.empty()) return;
  const auto is_lasting = [](const Effect& effect) { return effect.is_lasting; };
  const bool all_last = std::ranges::all_of(unit, is_lasting);
  int selected = selected_;
  if (!all_last) AppendUnit(unit, &selected, is_lasting, &lasting_);
  AppendUnit(
      unit, &selected_, [](const Effect&) { return true; }, &all_);
  const auto size = static_cast<int64_t>(all_.size());
  const int64_t offset = offset_.fetch_add(size, std::memory_order_release) + size;
  const Follower::Told told{all_, all_last ? all_ : lasting_, offset};
  for (const auto& follower : followers_) follower->OnEffects(told);
  ClearAndTrim(&all_);
  ClearAndTrim(&lasting_);
}

}  // namespace terrace::replication
