#include "commands/typed.h"

namespace terrace::commands {
namespace {

// More than this at once would delay the command noticeably; what is left is invisible meanwhile.
constexpr size_t kPurgedFieldsMax = 1000;

}  // namespace

bool PurgeExpiredFields(Call& call, const keyspace::Key& key, keyspace::Entry* entry) {
  auto* const hash = static_cast<keyspace::Hash*>(entry->object());
  const int64_t next_ms = hash->NextDeadline();
  if (next_ms == keyspace::Hash::kNoDeadline || next_ms > call.now_ms()) return true;
  call.db.EditObject<keyspace::Hash>(entry);
  hash->RemoveExpired(call.now_ms(), kPurgedFieldsMax, [](std::string_view) {});
  call.db.Changed(key, entry, {'h', "hexpired"});
  if (hash->size() > 0) return true;
  call.db.Remove(key, keyspace::events::kDel);
  return false;
}

}  // namespace terrace::commands
