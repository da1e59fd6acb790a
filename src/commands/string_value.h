#pragma once

// StringValue: the string a key holds, as the string and bitmap commands reach it. Both lookups
// answer WRONGTYPE themselves.
//
// Ownership: what is found is valid until the next write to the same shard.

#include <cstddef>
#include <string_view>

#include "commands/call.h"

namespace terrace::commands {

struct StringValue {
  keyspace::Entry* entry = nullptr;  // nullptr: absent, or wrong_type
  bool wrong_type = false;           // the error has been replied

  bool exists() const { return entry != nullptr; }
  // Empty for an absent key.
  std::string_view text() const { return entry != nullptr ? entry->string() : std::string_view(); }
};

StringValue ReadString(Call& call, size_t key_argument);
StringValue WriteString(Call& call, size_t key_argument);

// Ends a change made through Database::EditString.
void StringChanged(Call& call, const keyspace::Key& key, keyspace::KeyEvent event);

// Would a string of this size be too long? Replies the error when it would.
bool IsTooLong(Call& call, size_t size);

}  // namespace terrace::commands
