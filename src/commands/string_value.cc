#include "commands/string_value.h"

namespace terrace::commands {
namespace {

StringValue Checked(Call& call, keyspace::Entry* entry) {
  if (entry == nullptr || entry->is_string()) return {.entry = entry};
  call.reply.WrongType();
  return {.wrong_type = true};
}

}  // namespace

StringValue ReadString(Call& call, size_t key_argument) {
  return Checked(call, call.db.Read(call.key(key_argument)));
}

StringValue WriteString(Call& call, size_t key_argument) {
  return Checked(call, call.db.Write(call.key(key_argument)));
}

void StringChanged(Call& call, const keyspace::Key& key, keyspace::KeyEvent event) {
  call.db.Changed(key, call.db.Peek(key), event);
}

bool IsTooLong(Call& call, size_t size) {
  if (size <= call.limits.string_bytes_max) return false;
  call.reply.Error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
  return true;
}

}  // namespace terrace::commands
