#include "keyspace/types/hash_record.h"

#include <cstring>

#include "base/memory.h"
#include "keyspace/types/member_record.h"

namespace terrace::keyspace {
namespace {

size_t BytesOf(const HashEntry& entry) {
  return LengthBytes(entry.field.size() * 2) +
         (entry.deadline_ms == HashEntry::kNoDeadline ? 0 : sizeof(int64_t)) + entry.field.size() +
         LengthBytes(entry.value.size()) + entry.value.size();
}

uint8_t* WriteText(uint8_t* to, std::string_view text) {
  // The field may be rewritten from its own place, shifted by a deadline.
  if (!text.empty()) std::memmove(to, text.data(), text.size());
  return to + text.size();
}

void Write(uint8_t* to, const HashEntry& entry) {
  const bool has_deadline = entry.deadline_ms != HashEntry::kNoDeadline;
  to = WriteLength(to, entry.field.size() * 2 + (has_deadline ? 1 : 0));
  uint8_t* const field = to + (has_deadline ? sizeof(int64_t) : 0);
  uint8_t* const value = WriteText(field, entry.field);
  if (has_deadline) std::memcpy(to, &entry.deadline_ms, sizeof(int64_t));
  WriteText(WriteLength(value, entry.value.size()), entry.value);
}

}  // namespace

HashRecord* HashRecord::New(const HashEntry& entry) {
  auto* const block = static_cast<uint8_t*>(base::Allocate(base::AllocationSize(BytesOf(entry))));
  Write(block, entry);
  return reinterpret_cast<HashRecord*>(block);
}

void HashRecord::Free(HashRecord* record) { base::Free(record, HeapBytes(record)); }

HashEntry HashRecord::Read(const HashRecord* record) {
  uint64_t head;
  const uint8_t* at = ReadLength(reinterpret_cast<const uint8_t*>(record), &head);
  HashEntry entry;
  if ((head & 1) != 0) {
    std::memcpy(&entry.deadline_ms, at, sizeof(int64_t));
    at += sizeof(int64_t);
  }
  entry.field = {reinterpret_cast<const char*>(at), head / 2};
  uint64_t length;
  at = ReadLength(at + entry.field.size(), &length);
  entry.value = {reinterpret_cast<const char*>(at), length};
  return entry;
}

std::string_view HashRecord::Key(const HashRecord* record) {
  uint64_t head;
  const uint8_t* at = ReadLength(reinterpret_cast<const uint8_t*>(record), &head);
  if ((head & 1) != 0) at += sizeof(int64_t);
  return {reinterpret_cast<const char*>(at), head / 2};
}

size_t HashRecord::HeapBytes(const HashRecord* record) {
  return base::AllocationSize(BytesOf(Read(record)));
}

bool HashRecord::UpdateInPlace(HashRecord* record, const HashEntry& entry) {
  if (base::AllocationSize(BytesOf(entry)) != HeapBytes(record)) return false;
  const HashEntry old = Read(record);
  const bool moves =
      (old.deadline_ms == HashEntry::kNoDeadline) != (entry.deadline_ms == HashEntry::kNoDeadline);
  // When the field moves, it would overwrite a value that is still to be copied from here.
  if (moves) return false;
  HashEntry updated = entry;
  updated.field = old.field;
  Write(reinterpret_cast<uint8_t*>(record), updated);
  return true;
}

}  // namespace terrace::keyspace
