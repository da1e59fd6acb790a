#pragma once

// The names of encodings that OBJECT ENCODING and DEBUG OBJECT show.

#include <string_view>

#include "keyspace/entry.h"

namespace terrace::commands {

// A string that Redis would keep as a number.
bool IsIntEncoded(const keyspace::Entry& entry);
std::string_view EncodingOf(const keyspace::Entry& entry);

}  // namespace terrace::commands
