#include "keyspace/types/hash_table.h"

#include "base/background.h"
#include "base/memory.h"

namespace terrace::keyspace {

Hash::Table::~Table() {
  base::Turns turns(base::Turns::kSmallBlocks);
  members_.ForEach([&](HashRecord* record) {
    HashRecord::Free(record);
    turns.Step();
  });
}

size_t Hash::Table::heap_bytes() const {
  size_t bytes = base::AllocationSize(sizeof(Table)) + members_.heap_bytes() + record_bytes_;
  if (deadlines_) {
    bytes += base::AllocationSize(sizeof(FieldDeadlines)) + deadlines_->heap_bytes();
  }
  return bytes;
}

void Hash::Table::Insert(const Entry& entry, uint64_t hash) {
  HashRecord* const record = HashRecord::New(entry);
  record_bytes_ += HashRecord::HeapBytes(record);
  members_.Insert(record, hash);
  TrackDeadline(kNoDeadline, entry.deadline_ms, hash);
}

bool Hash::Table::Set(std::string_view field, std::string_view value, Deadlines deadlines) {
  const uint64_t hash = members_.HashOf(field);
  const Slot slot = members_.Find(field, hash);
  if (!slot) {
    Insert({.field = field, .value = value}, hash);
    return true;
  }
  const int64_t deadline_ms =
      deadlines == Deadlines::kKeep ? HashRecord::Read(slot.record()).deadline_ms : kNoDeadline;
  Update(slot, {.field = field, .value = value, .deadline_ms = deadline_ms}, hash);
  return false;
}

void Hash::Table::Update(Slot slot, const Entry& entry, uint64_t hash) {
  HashRecord* const old = slot.record();
  const int64_t old_deadline_ms = HashRecord::Read(old).deadline_ms;
  if (!HashRecord::UpdateInPlace(old, entry)) {
    HashRecord* const record = HashRecord::New(entry);
    record_bytes_ += HashRecord::HeapBytes(record);
    record_bytes_ -= HashRecord::HeapBytes(old);
    slot.Replace(record);
    HashRecord::Free(old);
  }
  TrackDeadline(old_deadline_ms, entry.deadline_ms, hash);
}

bool Hash::Table::Remove(std::string_view field) {
  HashRecord* const record = members_.Remove(field);
  if (record == nullptr) return false;
  const int64_t deadline_ms = HashRecord::Read(record).deadline_ms;
  record_bytes_ -= HashRecord::HeapBytes(record);
  HashRecord::Free(record);
  TrackDeadline(deadline_ms, kNoDeadline, 0);
  return true;
}

bool Hash::Table::SetDeadline(std::string_view field, int64_t deadline_ms) {
  const uint64_t hash = members_.HashOf(field);
  const Slot slot = members_.Find(field, hash);
  if (!slot) return false;
  Entry entry = HashRecord::Read(slot.record());
  entry.deadline_ms = deadline_ms;
  Update(slot, entry, hash);
  return true;
}

void Hash::Table::TrackDeadline(int64_t old_deadline_ms, int64_t new_deadline_ms, uint64_t hash) {
  if (old_deadline_ms == new_deadline_ms) return;
  if (old_deadline_ms != kNoDeadline) --deadline_count_;
  if (new_deadline_ms != kNoDeadline) {
    ++deadline_count_;
    if (!deadlines_) deadlines_ = std::make_unique<FieldDeadlines>();
    deadlines_->Push({.deadline_ms = new_deadline_ms, .field_hash = hash}, deadline_count_,
                     [this](const FieldDeadlines::Item& item) { return bool{Find(item)}; });
  }
  TidyDeadlines();
}

MemberTable<HashRecord>::Slot Hash::Table::Find(const FieldDeadlines::Item& item) const {
  return members_.FindIf(item.field_hash, [&](const HashRecord* record) {
    const Entry entry = HashRecord::Read(record);
    return entry.deadline_ms == item.deadline_ms && members_.HashOf(entry.field) == item.field_hash;
  });
}

void Hash::Table::TidyDeadlines() {
  if (deadline_count_ == 0) deadlines_.reset();
  while (deadlines_ && !Find(deadlines_->next())) deadlines_->PopNext();
}

std::optional<Hash::Entry> Hash::Table::FirstToExpire() const {
  if (!deadlines_) return std::nullopt;
  return HashRecord::Read(Find(deadlines_->next()).record());
}

}  // namespace terrace::keyspace
