#include "keyspace/entry.h"

#include <algorithm>

#include "base/check.h"
#include "base/memory.h"

namespace terrace::keyspace {
namespace {

constexpr size_t kHeapStringHeader = offsetof(HeapString, bytes);

}  // namespace

HeapString* HeapString::New(std::string_view value, size_t capacity) {
  TERRACE_CHECK(capacity >= value.size() && capacity <= UINT32_MAX);
  auto* string = static_cast<HeapString*>(base::Allocate(kHeapStringHeader + capacity));
  string->size = static_cast<uint32_t>(value.size());
  string->capacity = static_cast<uint32_t>(capacity);
  if (!value.empty()) std::memcpy(string->bytes, value.data(), value.size());
  return string;
}

void HeapString::Free(HeapString* string) {
  base::Free(string, kHeapStringHeader + string->capacity);
}

size_t HeapString::allocated_bytes() const {
  return base::AllocationSize(kHeapStringHeader + capacity);
}

size_t Entry::BytesFor(const EntrySpec& spec) {
  const bool is_inline = spec.heap == nullptr && spec.object == nullptr;
  return kHeaderBytes + DeadlineBytes(DeadlineFlags(spec.deadline_ms)) +
         (spec.tier != nullptr ? sizeof(TierBlock) : 0) + (spec.key.size() >= kLong ? 4 : 0) +
         (is_inline && spec.string.size() >= kLong ? 4 : 0) + spec.key.size() +
         (is_inline ? spec.string.size() : sizeof(void*));
}

Entry* Entry::New(const EntrySpec& spec) {
  TERRACE_CHECK(spec.key.size() <= UINT32_MAX);
  // Ask for the whole size class: TryAssignInline uses all of it.
  auto* entry = static_cast<Entry*>(base::Allocate(base::AllocationSize(BytesFor(spec))));
  entry->word_ = 0;
  entry->Write(spec);
  return entry;
}

void Entry::Write(const EntrySpec& spec) {
  const bool is_inline = spec.heap == nullptr && spec.object == nullptr;
  kind_ = static_cast<uint8_t>(static_cast<uint8_t>(spec.type) << 4 |
                               static_cast<uint8_t>(is_inline ? Form::kInline : Form::kPointer));
  flags_ =
      static_cast<uint8_t>(DeadlineFlags(spec.deadline_ms) | (spec.tier != nullptr ? kHasTier : 0) |
                           (spec.raw ? kRaw : 0) | (spec.text ? kText : 0));
  key_size_ = static_cast<uint8_t>(std::min<size_t>(spec.key.size(), kLong));
  value_size_ = is_inline ? static_cast<uint8_t>(std::min<size_t>(spec.string.size(), kLong)) : 0;
  char* at = bytes() + kHeaderBytes;
  if (has_deadline()) {
    std::memcpy(at, &spec.deadline_ms, DeadlineBytes(flags_));
    at += DeadlineBytes(flags_);
  }
  if (has_tier()) {
    std::memcpy(at, spec.tier, sizeof(TierBlock));
    at += sizeof(TierBlock);
  }
  if (key_size_ == kLong) {
    const auto size = static_cast<uint32_t>(spec.key.size());
    std::memcpy(at, &size, 4);
    at += 4;
  }
  if (value_size_ == kLong) {
    const auto size = static_cast<uint32_t>(spec.string.size());
    std::memcpy(at, &size, 4);
    at += 4;
  }
  if (!spec.key.empty()) std::memcpy(at, spec.key.data(), spec.key.size());
  at += spec.key.size();
  if (!is_inline) {
    const void* pointer = spec.heap != nullptr ? static_cast<void*>(spec.heap) : spec.object;
    std::memcpy(at, &pointer, sizeof(pointer));
  } else if (!spec.string.empty()) {
    std::memcpy(at, spec.string.data(), spec.string.size());
  }
}

bool Entry::TryAssignInline(std::string_view value, int64_t deadline_ms) {
  if (has_tier_block() || value.size() > kInlineValueMax) return false;
  const bool same_deadline = DeadlineFlags(deadline_ms) == deadline_flags();
  if (same_deadline && value.size() == inline_size()) {
    AssignInPlace(value, deadline_ms);
    return true;
  }
  EntrySpec spec;
  spec.key = key();
  spec.string = value;
  spec.deadline_ms = deadline_ms;
  if (base::AllocationSize(BytesFor(spec)) != base::AllocationSize(total_bytes())) return false;
  if (!same_deadline || (value.size() >= kLong) != (value_size_ == kLong)) {
    // The key moves within the block, under the old one: go through a copy.
    if (spec.key.size() > 256) return false;
    char key_copy[256];
    std::memcpy(key_copy, spec.key.data(), spec.key.size());
    spec.key = {key_copy, spec.key.size()};
    Write(spec);
    return true;
  }
  AssignInPlace(value, deadline_ms);
  return true;
}

// The parts before the value stay where they are.
void Entry::AssignInPlace(std::string_view value, int64_t deadline_ms) {
  flags_ &= static_cast<uint8_t>(~(kRaw | kText));
  TrySetDeadline(deadline_ms);
  char* const target = bytes() + KeyOffset() + key_size();
  if (value_size_ == kLong) {
    const auto size = static_cast<uint32_t>(value.size());
    std::memcpy(bytes() + KeyOffset() - 4, &size, 4);
  } else {
    value_size_ = static_cast<uint8_t>(value.size());
  }
  if (!value.empty()) std::memcpy(target, value.data(), value.size());
}

bool Entry::TrySetDeadline(int64_t deadline_ms) {
  if (!has_deadline() || DeadlineFlags(deadline_ms) != deadline_flags()) return false;
  std::memcpy(bytes() + kHeaderBytes, &deadline_ms, DeadlineBytes(flags_));
  return true;
}

void Entry::Free(Entry* entry) {
  if (!entry->is_inline()) {
    if (entry->is_string()) {
      HeapString::Free(entry->heap_string());
    } else {
      delete entry->object();
    }
  }
  FreeKeepingValue(entry);
}

void Entry::FreeKeepingValue(Entry* entry) {
  base::Free(entry, base::AllocationSize(entry->total_bytes()));
}

bool Entry::IsLiveSlow(int64_t now_ms) const {
  if (IsExpired(now_ms)) return false;
  if (!has_tier()) return true;
  const int64_t fresh_until_ms = tier().fresh_until_ms;
  return fresh_until_ms == kNoDeadline || fresh_until_ms > now_ms;
}

int64_t Entry::LiveUntilMs() const {
  const int64_t deadline = deadline_ms();
  const int64_t fresh = has_tier() ? tier().fresh_until_ms : kNoDeadline;
  if (deadline == kNoDeadline) return fresh;
  if (fresh == kNoDeadline) return deadline;
  return std::min(deadline, fresh);
}

size_t Entry::charge() const {
  const size_t own = base::AllocationSize(total_bytes());
  if (is_inline()) return own;
  return own + (is_string() ? heap_string()->allocated_bytes() : object()->bytes());
}

}  // namespace terrace::keyspace
